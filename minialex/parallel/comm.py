"""Ranks that exchange arrays: over MPI in the host's memory, over NCCL from one GPU to another.

Both have three exchanges, which are all that the rest needs:

    sum(array)            every rank's array becomes the sum over the ranks, in place
    gather(array)         (ranks,*shape): the arrays of all ranks, on every rank
    scatter_sum(parts)    parts (ranks,*shape) -> shape: the sum over the ranks of parts[r], on rank r alone

They are collective: every rank has to call them, in one order. `sent` counts, for each of the three, the bytes that a
rank has to send: its array to each other rank, one of its parts to each, and as much as `ring` says.
"""

from collections import Counter
from collections.abc import Callable
from types import ModuleType

import numpy as np

from minialex.backend import nccl_backend
from minialex.errors import UserError, one_line


def world():
    """All the ranks that mpiexec or srun started, as mpi4py's communicator; one where nothing started any.

    Raises UserError where there is no mpi4py, or no MPI for it.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # the second where it finds no MPI library
        raise UserError(f'--parallel needs MPI: pip install "minialex[mpi]" ({one_line(error)})') from error
    return MPI.COMM_WORLD


class Mpi:
    """The exchanges over MPI, of NumPy's arrays."""

    def __init__(self, ranks):
        self.rank, self.size, self.sent = ranks.rank, ranks.size, Counter()
        self._ranks = ranks

    def sum(self, array: np.ndarray) -> None:
        self.start_sum(array)()

    def start_sum(self, array: np.ndarray) -> Callable[[], None]:
        """Begin to sum a contiguous array in place; returns what waits for the end of it."""
        from mpi4py import MPI

        self.sent["sum"] += ring(self.size, array.nbytes)
        return self._ranks.Iallreduce(MPI.IN_PLACE, array).wait

    def gather(self, array: np.ndarray) -> np.ndarray:
        self.sent["gather"] += (self.size - 1) * array.nbytes
        gathered = np.empty((self.size, *array.shape), array.dtype)
        self._ranks.Allgather(_bytes(array), _bytes(gathered))
        return gathered

    def scatter_sum(self, parts: np.ndarray) -> np.ndarray:
        if parts.dtype == "float16":  # not every MPI can add it up
            return self.scatter_sum(parts.astype("float32")).astype("float16")
        self.sent["scatter_sum"] += (self.size - 1) * parts[0].nbytes
        own = np.empty(parts.shape[1:], parts.dtype)
        self._ranks.Reduce_scatter_block(np.ascontiguousarray(parts), own)
        return own


def ring(ranks: int, size: int) -> int:
    """Bytes that each rank sends to sum `size` bytes: a part goes to all others once to be summed, and once summed."""
    return 2 * (ranks - 1) * size // ranks


def largest(ranks, numbers: tuple[float, ...]) -> tuple[float, ...]:
    """The largest of each number among the ranks, on every rank."""
    return tuple(map(max, zip(*ranks.allgather(numbers), strict=True)))


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view("uint8")


class Nccl:
    """The same over NCCL, of CuPy's arrays, with one GPU a rank; MPI only introduces the ranks to each other."""

    def __init__(self, ranks, xp: ModuleType):
        self.rank, self.size, self.sent = ranks.rank, ranks.size, Counter()
        self._xp, self._nccl = xp, nccl_backend(xp, ranks)
        self._stream = xp.cuda.Stream(non_blocking=True)

    def sum(self, array) -> None:
        self.sent["sum"] += ring(self.size, array.nbytes)
        self._nccl.all_reduce(array, array, "sum")

    def start_sum(self, array) -> Callable[[], None]:
        """Begin to sum a contiguous array in place, on a stream beside the one that computes.

        Returns what makes that one wait for the end of it, and not the host.
        """
        self.sent["sum"] += ring(self.size, array.nbytes)
        self._stream.wait_event(self._xp.cuda.get_current_stream().record())
        self._nccl.all_reduce(array, array, "sum", self._stream)
        done = self._stream.record()
        return lambda: self._xp.cuda.get_current_stream().wait_event(done)

    def gather(self, array):
        self.sent["gather"] += (self.size - 1) * array.nbytes
        gathered = self._xp.empty((self.size, *array.shape), array.dtype)
        self._nccl.all_gather(self._xp.ascontiguousarray(array), gathered, array.size)
        return gathered

    def scatter_sum(self, parts):
        self.sent["scatter_sum"] += (self.size - 1) * parts[0].nbytes
        own = self._xp.empty(parts.shape[1:], parts.dtype)
        self._nccl.reduce_scatter(self._xp.ascontiguousarray(parts), own, own.size, "sum")
        return own
