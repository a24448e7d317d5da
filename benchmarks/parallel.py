"""What do ranks gain? Measured on two cores, and worked out for GPUs.

    pip install -e ".[mpi]"
    python benchmarks/parallel.py

Measured is a training step of `paper` in float32: one process with one thread and with two, against two ranks of one
thread each. Contestants take turns; what is printed are medians. Worked out, by `Link` and `step_time` below, are GPUs
of one machine and of several: nothing of that part is measured. `--model` prints it alone. `--wire` makes MPICH's ranks
talk over TCP, and holds what the loopback device counts against what `sent` says (Linux).
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minialex import alexnet, network, optim, train
from minialex.checkpoint import Snapshot
from minialex.errors import RunError, UserError, main_status
from minialex.network import table
from minialex.parallel import ALONE, TEAMS, Mpi, for_backend, world
from minialex.rng import DROPOUT, INIT, generator
from minialex.threads import compute_threads

ROOT = Path(__file__).resolve().parent.parent
PAPER = alexnet.build("paper")
STEPS = 2  # that are timed in a turn


@dataclass(frozen=True)
class Contestant:
    """Who computes a step: how many ranks of how many threads, in which way, on how many images."""

    name: str
    batch: int
    ranks: int = 1
    kind: str = "alone"
    threads: int = 1


CONTESTANTS = (
    Contestant("one process, 1 thread", 64),
    Contestant("one process, 2 threads", 64, threads=2),
    Contestant("data, 2 ranks of 1 thread", 64, 2, "data"),
    Contestant("the same, sums begun after the last layer", 64, 2, "late"),
    Contestant("towers, 2 ranks of 1 thread", 64, 2, "towers"),
    Contestant("data, 2 ranks of 1 thread", 128, 2, "data"),
)


# Measured


def work(kind: str, batch: int, threads: int) -> None:
    """One turn of a contestant's rank; the first prints the seconds of a step, and the bytes that it sent in one."""
    if kind == "alone":
        team, comm = ALONE, None
    else:
        ranks = world()
        comm = Mpi(ranks)
        team = TEAMS["data" if kind == "late" else kind](ranks, comm, np)
    params, state = network.init(PAPER.layers, PAPER.input_shape, generator(0, INIT), xp=np)
    now = team.part(Snapshot(params, optim.init_velocity(params), state, np.zeros(0), {}))
    del params
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((batch, *PAPER.input_shape), "float32"), rng.integers(0, 1000, batch)
    with compute_threads(threads) as pool:
        layers, ops = for_backend(team.layers(PAPER.layers), np, pool)
        seconds, bytes_before = [], loopback()
        for step in range(1 + STEPS):
            share = team.share(batch)
            rows = x[share.rows], t[share.rows]
            how = {"rates": optim.Rates(0.001, 0.001), "rng": generator(0, DROPOUT, 0, step), "ops": ops}
            began = time.perf_counter()
            train.step(layers, now.params, now.velocity, now.state, *rows, share=Late(share, kind), **how)
            seconds.append(time.perf_counter() - began)
    if team.rank == 0:
        sent = sum(comm.sent.values()) // (1 + STEPS) if comm else 0
        counted = (loopback() - bytes_before) // (1 + STEPS)
        print(json.dumps({"seconds": statistics.median(seconds[1:]), "bytes": sent, "loopback": counted}))


def loopback() -> int:
    """Bytes that this machine has sent to itself; 0 where that is not told."""
    counters = Path("/proc/net/dev")
    lines = counters.read_text().splitlines() if counters.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.strip().startswith("lo:"))


class Late:
    """A share that, where its kind is "late", hears of all gradients at the end."""

    def __init__(self, share, kind: str):
        self._share, self._late = share, kind == "late"

    def __getattr__(self, name):
        return getattr(self._share, name)

    def ready(self, grads):
        if not self._late:
            self._share.ready(grads)

    def summed(self, grads):
        if self._late:
            self._share.ready(grads)
        return self._share.summed(grads)


def turn(contestant: Contestant, launching: tuple = (), **variables: str) -> dict:
    """What one turn of a contestant printed; launching: mpiexec's own arguments."""
    how = ["--turn", contestant.kind, "--batch", contestant.batch, "--threads", contestant.threads]
    command = [sys.executable, Path(__file__), *how]
    if contestant.kind != "alone":
        launcher = shutil.which("mpiexec", path=Path(sys.executable).parent) or shutil.which("mpiexec")
        if launcher is None:
            raise UserError('there is no mpiexec: pip install "minialex[mpi]"')
        command = [launcher, "-n", contestant.ranks, *launching, *command]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RunError(f"{contestant.name}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def measure(rounds: int) -> None:
    found: dict = {contestant: [] for contestant in CONTESTANTS}
    for _ in range(rounds):
        for contestant, turns in found.items():
            turns.append(turn(contestant))
    seconds = {one: statistics.median(turn["seconds"] for turn in turns) for one, turns in found.items()}
    first = CONTESTANTS[0]
    alone = first.batch / seconds[first]
    rows = []
    for one, turns in found.items():
        rate = one.batch / seconds[one]
        times = (f"{1000 * seconds[one]:,.0f}", f"{rate:.1f}", f"{rate / alone:.2f} times")
        rows.append((one.name, str(one.batch), *times, f"{turns[0]['bytes'] / 1e6:,.1f}"))
    print(f"A training step of `paper`, float32, {rounds} rounds")
    print(table([("", "images", "ms", "images/s", "of 1 thread", "MB sent"), *rows]))


def measure_wire() -> None:
    """Between ranks that do as if they were on two machines, on 16 images."""
    tcp = {"MPIR_CVAR_NOLOCAL": "1", "MPIR_CVAR_CH4_NETMOD": "ofi", "FI_PROVIDER": "tcp"}
    rows = []
    for kind in ("towers", "data"):
        found = turn(Contestant(kind, 16, 2, kind), ("-iface", "lo"), **tcp)
        counted, seen = 2 * found["bytes"], found["loopback"]
        rows.append((kind, f"{counted:,}", f"{seen:,}", f"{seen / counted:.3f}"))
    print(table([("bytes a step, 2 ranks, 16 images", "sent, as counted", "over loopback", "ratio"), *rows]))


# Worked out

IMAGES_A_GPU = 128
STEP = 3.6e-3  # seconds of a step on so many: the bound by arithmetic and memory of an H100 in TF32, not measured
FIXED = 0.5e-3  # seconds of it that do not hang on the number of images: the weights' own way through memory
HIDING = 0.61  # of the rest, the convolutions' backward: two thirds of a step, and 92% of its products
CONV, FC = 4 * 2_334_080, 4 * 58_631_144  # bytes of the gradients of convolutions and of fully connected layers
TOWERS = 4 * (2 * (21_632 + 4_608 + 2_048 + 2_048) + 500)  # bytes that a rank sends for each image, both ways


@dataclass(frozen=True)
class Link:
    """How ranks are joined: GPUs in a machine, machines, bytes a second between each two of either that are reached."""

    name: str
    gpus: int
    machines: int = 1
    inside: float = 360e9
    between: float = 0.0

    def sum_time(self, size: int) -> float:
        """Seconds of a sum over all: around a ring in each machine, and around one of the machines."""
        ring = 2 * (self.gpus - 1) / self.gpus * size / self.inside
        return ring + (2 * (self.machines - 1) / self.machines * size / self.between if self.machines > 1 else 0.0)


LINKS = (
    Link("1 GPU", 1),
    Link("2 GPUs, NVLink (360 GB/s)", 2),
    Link("8 GPUs, NVLink", 8),
    Link("8 GPUs, PCIe 4 (25 GB/s)", 8, inside=25e9),
    Link("4 machines of 8, NVLink, 100 Gbit/s", 8, 4, between=12.5e9),
    Link("4 machines of 8, NVLink, 400 Gbit/s", 8, 4, between=50e9),
)


def compute_time(images: float) -> float:
    return FIXED + (STEP - FIXED) * images / IMAGES_A_GPU


def step_time(link: Link, images: float) -> float:
    """Seconds of a data-parallel step with so many images a GPU.

    The fully connected layers' gradients are summed while the convolutions go backward, as far as that takes; those of
    the convolutions come last and are waited for.
    """
    compute = compute_time(images)
    late = max(0.0, link.sum_time(FC) - HIDING * (compute - FIXED))
    return compute + late + link.sum_time(CONV)


def towers_time(images: float, bandwidth: float = 360e9) -> float:
    """Seconds of a step as two towers on all images: half of the work each, and exchanges that are waited for."""
    return compute_time(images) / 2 + images * TOWERS / bandwidth


def model() -> None:
    print("Worked out: images/s in thousands, and the share of as many times one GPU")
    one = {images: images / step_time(LINKS[0], images) for images in (128, 1024)}
    rows = []
    for link in LINKS:
        ranks = link.gpus * link.machines
        cells = [f"{1000 * link.sum_time(CONV + FC):.1f}"]
        for images, weak in ((128, True), (1024, True), (128, False), (1024, False)):
            a_gpu = images if weak else images / ranks
            rate = ranks * a_gpu / step_time(link, a_gpu)
            cells.append(f"{rate / 1000:,.0f} {rate / ranks / one[images]:4.0%}")
        rows.append((link.name, *cells))
    heads = ("", "sum, ms", "128 a GPU", "1024 a GPU", "128 in all", "1024 in all")
    print(table([heads, *rows]))
    for name, bandwidth in (("NVLink", 360e9), ("PCIe 4", 25e9)):
        rates = [images / towers_time(images, bandwidth) / 1000 for images in (128, 1024)]
        print(f"two towers on 2 GPUs, {name}: {rates[0]:,.0f} at 128 images in all, {rates[1]:,.0f} at 1024")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="turns of each (%(default)s)")
    parser.add_argument("--model", action="store_true", help="what is worked out alone")
    parser.add_argument("--wire", action="store_true", help="bytes over TCP against those counted, alone")
    parser.add_argument("--turn", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.turn:
        return work(args.turn, args.batch, args.threads)
    if args.wire:
        return measure_wire()
    if not args.model:
        measure(args.rounds)
        print()
    model()


if __name__ == "__main__":
    sys.exit(main_status(main))
