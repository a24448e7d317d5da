"""Ranks that are threads of one process, for tests without MPI: each with a stand-in for a GPU of its own.

`Ranks` has what is asked of mpi4py's communicator, `FakeNccl` what is asked of CuPy's NCCLBackend: the same arguments,
and only arrays of the rank's own stand-in. A rank that fails breaks the barrier, and all end.
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError

import numpy as np

from minialex.parallel import comm
from tests.strict_cupy import NAMES, Array, StandIn

WAIT = 60  # seconds after which a rank that the others wait for is missing


class Meeting:
    """Where so many ranks hand over what they have."""

    def __init__(self, size):
        self.slots, self.barrier = [None] * size, Barrier(size, timeout=WAIT)


class Ranks:
    """mpi4py's communicator, of threads."""

    def __init__(self, meeting, rank):
        self.meeting, self.rank, self.size = meeting, rank, len(meeting.slots)

    def allgather(self, value):
        self.meeting.slots[self.rank] = value
        self.meeting.barrier.wait()
        values = list(self.meeting.slots)
        self.meeting.barrier.wait()
        return values

    def gather(self, value):
        values = self.allgather(value)
        return values if self.rank == 0 else None

    def bcast(self, value):
        return self.allgather(value)[0]

    def allreduce(self, value):
        return sum(self.allgather(value))


class FakeNccl:
    """CuPy's NCCLBackend, of threads."""

    def __init__(self, xp, ranks):
        self.xp, self.ranks = xp, ranks

    def all_reduce(self, in_array, out_array, op="sum", stream=None):
        self.check("all_reduce", in_array, out_array, op, stream)
        out_array.a[...] = sum(self.ranks.allgather(in_array.a.copy()))

    def all_gather(self, in_array, out_array, count, stream=None):
        self.check("all_gather", in_array, out_array, "sum", stream)
        assert count == in_array.size
        out_array.a[...] = np.stack(self.ranks.allgather(in_array.a.copy()))

    def reduce_scatter(self, in_array, out_array, count, op="sum", stream=None):
        self.check("reduce_scatter", in_array, out_array, op, stream)
        assert count == out_array.size
        out_array.a[...] = sum(self.ranks.allgather(in_array.a.copy()))[self.ranks.rank]

    def check(self, name, in_array, out_array, op, stream):
        assert f"NCCLBackend.{name}" in NAMES and op == "sum"
        for array in (in_array, out_array):
            assert type(array) is Array and array.xp is self.xp and array.flags.c_contiguous, (
                "its own GPU's, contiguous"
            )
        if stream is not None:
            stream.synchronize()  # what it waits for is done first


def on_threads(size, work, monkeypatch):
    """[work(ranks, xp) of each of so many ranks], NCCL among them."""
    monkeypatch.setattr(comm, "nccl_backend", FakeNccl)
    meeting = Meeting(size)

    def run(rank):
        try:
            return work(Ranks(meeting, rank), StandIn())
        except BaseException:
            meeting.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(run, rank) for rank in range(size)]
    errors = [future.exception() for future in futures if future.exception()]
    for error in sorted(errors, key=lambda error: isinstance(error, BrokenBarrierError)):
        raise error
    return [future.result() for future in futures]
