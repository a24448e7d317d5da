"""How fast is minialex on a CPU, against PyTorch and against the bare matrix products?

    pip install -e ".[oracle]"
    python benchmarks/cpu.py

Prints a training step of `paper`, inference, and each layer alone, in float32. Every contestant lives in a process of
its own and they take turns, several times, so that a busy moment of the machine hits all alike; what is printed are
medians, ratios, and the peak memory of each process, its libraries included. PyTorch runs the same network in the
faster of its two memory formats, tried out in a process before; torch.compile needs a C++ compiler. Without PyTorch,
minialex is compared with the matrix products alone. Linux and macOS; about 12 GB of memory for batches of 128.
"""

import argparse
import importlib.metadata
import importlib.util
import multiprocessing
import os
import platform
import resource
import sys
import time
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path

import contestants
import numpy as np
from threadpoolctl import threadpool_info

from minialex.errors import RunError, UserError, main_status, one_line
from minialex.network import table

BATCHES = (32, 64, 128)
BOUND = "matrix products"
PAUSE = 0.1  # seconds between two turns: BLAS's threads of the one before spin for a while, waiting for work
TURN = 0.1  # seconds that a turn lasts at least: short works are run several times
TORCH = importlib.util.find_spec("torch") is not None  # not imported here: its memory would count for the processes
TRIALS = 2  # turns that PyTorch has in each memory format before the faster is chosen


# Taking turns


class Contestant:
    """Works in a process of their own. Raises RunError where they cannot be made or fail."""

    def __init__(self, make, *arguments):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments))
        self._process.start()
        theirs.close()
        self.works = self._answer()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._pipe.close()  # which ends the process
        self._process.join()

    def turn(self, work: str) -> list[float]:
        """Seconds of each stage of a work."""
        self._pipe.send(work)
        return self._answer()

    def peak(self) -> int:
        """The most bytes of memory that the process has had."""
        self._pipe.send(None)
        return self._answer()

    def _answer(self):
        try:
            answer = self._pipe.recv()
        except EOFError as error:
            raise RunError("its process ended, which too little memory may be the reason of") from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(pipe, make, arguments) -> None:
    try:
        works = make(*arguments)
        for stages in works.values():
            _turn(stages)  # the first run compiles and allocates
        pipe.send(list(works))
        while True:
            work = pipe.recv()
            pipe.send(_peak() if work is None else _turn(works[work]))
    except (EOFError, KeyboardInterrupt):  # nobody asks any more
        pass
    except Exception as error:
        pipe.send(RunError(f"{type(error).__name__}: {one_line(error)}"))


def _turn(stages) -> list[float]:
    """Seconds of each stage, the mean of as many runs as a turn has time for."""
    runs, began = [], time.perf_counter()
    while time.perf_counter() < began + TURN:
        times, result = [time.perf_counter()], None
        for stage in stages:
            result = stage(result)
            times.append(time.perf_counter())
        runs.append(np.diff(times))
    return np.mean(runs, axis=0).tolist()


def _peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def compare(makes: dict[str, tuple], rounds: int) -> dict[str, tuple[dict, int]]:
    """Let contestants take turns. Returns for each its median seconds, {work: [of each stage]}, and its peak bytes.

    makes: {name: (what makes its works, *arguments)}, all with the same works.
    """
    with ExitStack() as stack:
        there = {name: stack.enter_context(Contestant(*make)) for name, make in makes.items()}
        works = next(iter(there.values())).works
        seconds = {name: {work: [] for work in works} for name in there}
        for _ in range(rounds):
            for work in works:
                for name, contestant in there.items():
                    time.sleep(PAUSE)
                    seconds[name][work].append(contestant.turn(work))
        return {name: (_medians(seconds[name]), contestant.peak()) for name, contestant in there.items()}


def _medians(seconds: dict[str, list]) -> dict[str, list[float]]:
    return {work: np.median(turns, axis=0).tolist() for work, turns in seconds.items()}


def in_faster_format(make, *arguments) -> tuple[str, tuple]:
    """The memory format, in letters, in which PyTorch does a work in less time, and what makes the work in it."""
    with Contestant(contestants.in_each_format, make, *arguments) as trial:
        seconds = {layout: min(sum(trial.turn(layout)) for _ in range(TRIALS)) for layout in contestants.FORMATS}
    layout = min(seconds, key=seconds.get)
    return contestants.FORMATS[layout], (make, *arguments, layout)


def torchs(make, threads: int, batch: int) -> dict[str, tuple]:
    """PyTorch's contestants; one that cannot take part is left out, and a line says why."""
    makes = {}
    for name, compiled in (("PyTorch eager", False), ("torch.compile", True)) if TORCH else ():
        try:
            letters, made = in_faster_format(make, threads, batch, compiled)
            makes[f"{name}, {letters}"] = made
        except RunError as error:
            print(f"{name} is left out: {error}")
    return makes


# The tables


def step_table(threads: int, batch: int, rounds: int, scaling: bool) -> None:
    """A training step; with `scaling`, minialex on one thread, too."""
    makes = {"minialex": (contestants.ours_step, threads, batch)}
    if scaling:
        makes["minialex, 1 thread"] = (contestants.ours_step, 1, batch)
    makes |= torchs(contestants.torch_step, threads, batch)
    makes[BOUND] = (contestants.bound_step, threads, batch)
    show(f"A training step of {batch} images, {threads} threads", batch, compare(makes, rounds))


def inference_table(threads: int, batch: int, rounds: int) -> None:
    makes = {"minialex": (contestants.ours_inference, threads, batch)}
    makes |= torchs(contestants.torch_inference, threads, batch)
    show(f"Inference, {batch} images at a time, {threads} threads", batch, compare(makes, rounds))


def show(title: str, batch: int, results: dict[str, tuple[dict, int]]) -> None:
    """A line for each contestant, which has one work of one stage; the first is ours."""
    rows = [("", "ms", "images/s", "minialex is", "peak MB")]
    ours = None
    for name, (works, peak) in results.items():
        ((seconds,),) = works.values()
        ours = ours or seconds
        share = "" if name == "minialex" else f"{seconds / ours:.2f} {'of it' if name == BOUND else 'times'}"
        rows.append((name, f"{1e3 * seconds:,.1f}", f"{batch / seconds:.1f}", share, f"{peak / 1e6:,.0f}"))
    print(f"\n{title}\n{table(rows)}", flush=True)


def layers_table(threads: int, batch: int, rounds: int) -> None:
    """Each layer alone, against PyTorch's in the memory format that is faster for that layer."""
    makes = {"minialex": (contestants.ours_layers, threads, batch)}
    for layout in contestants.FORMATS if TORCH else ():
        makes[layout] = (contestants.torch_layers, threads, batch, layout)
    ours, *others = (works for works, _ in compare(makes, rounds).values())
    theirs = {work: min((works[work] for works in others), key=sum, default=[]) for work in ours}
    half = ("minialex", "PyTorch", "ratio")
    print(f"\nEach layer alone, {batch} images, {threads} threads: forward ms and backward ms")
    rows = [_layer_row(work, seconds, theirs[work]) for work, seconds in ours.items()]
    print(table([("", *half, *half), *rows, _layer_row("total", _sum(ours), _sum(theirs))]), flush=True)


def _layer_row(name: str, ours: list[float], theirs: list[float]) -> tuple[str, ...]:
    row = [name]
    for mine, other in zip_longest(ours, theirs):
        row += [f"{1e3 * mine:.1f}"] + ([f"{1e3 * other:.1f}", f"{other / mine:.2f}"] if other else ["", ""])
    return tuple(row + [""] * (7 - len(row)))


def _sum(works: dict[str, list[float]]) -> list[float]:
    return [sum(stage) for stage in zip_longest(*works.values(), fillvalue=0)]


def head(threads: int) -> str:
    """What the figures were measured on, and with."""
    versions = [f"Python {platform.python_version()}", f"NumPy {np.__version__}"]
    versions += [f"PyTorch {importlib.metadata.version('torch')}"] if TORCH else []
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    kernels = [f"{pool['internal_api']} {pool['version']}, {pool.get('architecture')} kernels" for pool in blas]
    return "\n".join(
        (
            f"{_processor()}, {os.cpu_count()} logical cores; {threads} threads used; {platform.platform()}",
            ", ".join(versions),
            f"NumPy's BLAS: {'; '.join(kernels) or 'one that threadpoolctl does not know'}",
        )
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # not Linux, or an ARM
        return platform.processor() or platform.machine()


def arguments(argv) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of every contestant (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of each (%(default)s)")
    parser.add_argument(
        "--batch", type=int, nargs="+", default=BATCHES, metavar="N", help="images in a step (32 64 128)"
    )
    parser.add_argument("--only", choices=("step", "inference", "layers"), help="one of the tables")
    args = parser.parse_args(argv)
    for name, value in (("threads", args.threads), ("rounds", args.rounds), ("batch", min(args.batch))):
        if value < 1:
            raise UserError(f"--{name} is {value}: it needs to be above 0")
    return args


def main(argv=None) -> None:
    args = arguments(argv)
    print(head(args.threads))
    if not TORCH:
        print("PyTorch is not installed (pip install -e '.[oracle]'): the bound alone is there to compare with")
    if args.only in (None, "step"):
        for batch in args.batch:
            step_table(args.threads, batch, args.rounds, scaling=batch == max(args.batch))
    if args.only in (None, "inference"):
        for batch in (1, 64):
            inference_table(args.threads, batch, args.rounds)
    if args.only in (None, "layers"):
        layers_table(args.threads, 64, args.rounds)


if __name__ == "__main__":
    sys.exit(main_status(main))
