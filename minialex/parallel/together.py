"""Ranks that begin together and end together: one that cannot go on, or is gone, ends all, and one line says which."""

import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from types import ModuleType

import numpy as np

from minialex.backend import to_numpy
from minialex.checkpoint import Snapshot
from minialex.errors import UserError, main_status
from minialex.parallel import witness
from minialex.parallel.comm import Mpi, Nccl, world
from minialex.parallel.data import DataParallel
from minialex.parallel.team import Team
from minialex.parallel.towers import Towers

TEAMS = {"data": DataParallel, "towers": Towers}
PATIENCE = 2  # seconds that a rank which cannot go on waits for the others to find the same, before it ends them


def on_ranks(work: Callable[..., int | None]) -> int:
    """Run work(ranks) on every rank that MPI started, of which the first alone prints; returns the exit status.

    A rank that fails, or is killed, ends all of them. One line says so, the word of the first on its machine.
    """
    ranks = world()
    ends = ranks.Dup()  # for others may be in the midst of an exchange
    last_word = Path(tempfile.gettempdir()) / f"minialex-{ranks.bcast(uuid.uuid4().hex)}"
    me = f"rank {ranks.rank} of {ranks.size} (process {os.getpid()} on {platform.node()})"

    def say(line: str) -> None:
        if witness.has_last_word(last_word):
            print(line if ranks.rank == 0 else f"{line} [{me}]", file=sys.stderr, flush=True)

    gone = f"failed: {me} is gone, which ends the run; --resume goes on from its last checkpoint"
    with _silent() if ranks.rank else nullcontext(), _witness(last_word, gone):
        try:
            status = main_status(lambda _: work(ranks), say=say)
        except Exception:
            say(traceback.format_exc())
            status = 1
        if status and not _all_come(ends, PATIENCE):
            ends.Abort(status)
        ends.Barrier()
        last_word.unlink(missing_ok=True)
    return status


@contextmanager
def _silent() -> Iterator[None]:
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield


@contextmanager
def _witness(last_word: Path, line: str) -> Iterator[None]:
    """A process that tells `line` where this one does not leave the block.

    It has a session of its own, for launchers end whole groups of processes.
    """
    command = [sys.executable, "-I", "-S", witness.__file__, str(last_word), line]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        yield
        process.communicate(witness.FAREWELL)


def _all_come(ranks, seconds: float = float("inf")) -> bool:
    """Whether all ranks call this within so many seconds of each other; whoever waits computes nothing."""
    request, end = ranks.Ibarrier(), time.monotonic() + seconds
    while not request.Test():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def in_turn(ranks, make: Callable):
    """make() of every rank: of the first before all others, of the first on each machine before others there.

    What makes files that others then find is done once, whether machines share their disks or not.
    """
    place = local(ranks).rank
    turn = 0 if ranks.rank == 0 else 1 if place == 0 else 2
    for now in range(3):
        if now == turn:
            made = make()
        _all_come(ranks)
    return made


def local(ranks):
    """The ranks of this machine."""
    from mpi4py import MPI

    return ranks.Split_type(MPI.COMM_TYPE_SHARED)


def cores(ranks=None) -> int:
    """Cores of this machine for each of the ranks on it."""
    return max(1, (os.cpu_count() or 1) // (local(ranks).size if ranks else 1))


def team_of(kind: str, ranks, xp: ModuleType) -> Team:
    """The ranks as a team of one of TEAMS: over MPI where `xp` is NumPy, else over NCCL, and each on a GPU of its own.

    Raises UserError where ranks have different libraries, or a machine has more ranks than GPUs.
    """
    names = set(ranks.allgather(xp.__name__))
    if len(names) > 1:
        raise UserError(f"some ranks would run on {' and some on '.join(sorted(names))}: name one with --backend")
    if xp is np:
        return TEAMS[kind](ranks, Mpi(ranks), xp)
    here = local(ranks)
    device = xp.cuda.Device(here.rank % xp.cuda.runtime.getDeviceCount())  # a launcher may show each rank but its own
    device.use()
    gpus = len(set(here.allgather(device.pci_bus_id)))
    if gpus < here.size:
        raise UserError(f"{platform.node()} has {here.size} ranks on {gpus} of its GPUs: start one rank a GPU")
    return TEAMS[kind](ranks, Nccl(ranks, xp), xp)


def from_first(ranks, make: Callable[[], Snapshot], xp: ModuleType) -> Snapshot:
    """The snapshot that make() gives on the first rank, on every rank, as arrays of `xp`."""
    made = make().on(to_numpy) if ranks.rank == 0 else None
    return ranks.bcast(made).on(xp.asarray)
