"""How fast is minialex on a CPU, against PyTorch and against the bare matrix products?

    pip install -e ".[oracle]"
    python benchmarks/cpu.py

Prints a training step of `paper`, inference, and each layer alone, in float32. Every contestant lives in a process of
its own and they take turns, several times, so that a busy moment of the machine hits all alike; what is printed are
medians, ratios, and the peak memory of each process, with what its libraries take of that. PyTorch runs the same
network in the faster of its two memory formats, which is found out before; torch.compile needs a C++ compiler. Without
PyTorch, minialex is compared with the matrix products alone. Linux and macOS; 16 GB of memory for batches of 128.
"""

import argparse
import importlib
import importlib.metadata
import importlib.util
import multiprocessing
import os
import platform
import resource
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from minialex.errors import RunError, UserError, main_status, one_line
from minialex.network import table

BATCHES = (32, 64, 128)
BOUND = "matrix products"
PAUSE = 0.05  # seconds between two turns: BLAS's threads of the one before spin for a while, waiting for work
TURN = 0.05  # seconds that a turn lasts at least: short works are run several times
TORCH = importlib.util.find_spec("torch") is not None  # not imported here: its memory would count for the processes
TRIAL = 4  # seconds at least in which PyTorch's memory formats are tried
FORMATS = {"contiguous_format": "NCHW", "channels_last": "NHWC"}


# Taking turns


class Contestant:
    """Works in a process of their own, made by a function of a module that is imported there.

    libraries: bytes of memory that the imports took. Raises RunError where the works cannot be made or fail.
    """

    def __init__(self, module: str, function: str, *arguments):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, module, function, arguments))
        self._process.start()
        theirs.close()
        self.libraries, self.works = self._answer()

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


def _serve(pipe, module: str, function: str, arguments) -> None:
    try:
        make = getattr(importlib.import_module(module), function)
        libraries = _peak()
        works = make(*arguments)
        for stages in works.values():
            _turn(stages)  # the first run compiles and allocates
        pipe.send((libraries, list(works)))
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


@dataclass(frozen=True)
class Result:
    """Median seconds of each stage of each work; the peak of memory and what of it the libraries take, in bytes."""

    seconds: dict[str, list[float]]
    peak: int
    libraries: int


def compare(makes: dict[str, tuple], rounds: int) -> dict[str, Result]:
    """Let contestants take turns. makes: {name: (module, function, *arguments)}, all with the same works."""
    with ExitStack() as stack:
        there = {name: stack.enter_context(Contestant(*make)) for name, make in makes.items()}
        works = next(iter(there.values())).works
        turns = {name: {work: [] for work in works} for name in there}
        for _ in range(rounds):
            for work in works:
                for name, contestant in there.items():
                    time.sleep(PAUSE)
                    turns[name][work].append(contestant.turn(work))
        return {name: Result(_medians(turns[name]), one.peak(), one.libraries) for name, one in there.items()}


def _medians(turns: dict[str, list]) -> dict[str, list[float]]:
    return {work: np.median(seconds, axis=0).tolist() for work, seconds in turns.items()}


def torchs(function: str, *arguments) -> dict[str, tuple]:
    """PyTorch's contestants, each in its faster format; one that cannot take part is left out, and a line says why."""
    makes = {}
    for name, compiled in (("PyTorch eager", False), ("torch.compile", True)) if TORCH else ():
        try:
            layout = faster_format(function, *arguments, compiled)
            makes[f"{name}, {FORMATS[layout]}"] = ("torch_contestants", function, *arguments, compiled, layout)
        except RunError as error:
            print(f"{name} is left out: {error}", flush=True)
    return makes


def faster_format(function: str, *arguments) -> str:
    """The memory format in which PyTorch's work takes less time, tried in a process that ends then."""
    with Contestant("torch_contestants", "in_each_format", function, *arguments) as trial:
        seconds, began = {layout: [] for layout in trial.works}, time.perf_counter()
        while time.perf_counter() < began + TRIAL:
            for layout in trial.works:
                seconds[layout] += trial.turn(layout)
    return min(seconds, key=lambda layout: min(seconds[layout]))


# The tables


def step_table(threads: int, batch: int, rounds: int, details: bool) -> None:
    """A training step; with `details`, minialex on one thread and on the table of pairs `reference`, too."""
    makes = {"minialex": ("contestants", "step", threads, batch)}
    if details:
        makes["minialex, 1 thread"] = ("contestants", "step", 1, batch)
        makes["minialex, reference"] = ("contestants", "step", threads, batch, "reference")
    theirs = torchs("step", threads, batch)
    if details and sys.platform == "linux":
        eager = [(name, make) for name, make in theirs.items() if "eager" in name]
        theirs |= {f"{name}, memory kept": (make[0], "step_keeping_memory", *make[2:]) for name, make in eager}
    makes |= theirs | {BOUND: ("contestants", "bound", threads, batch)}
    show(f"A training step of {batch} images, {threads} threads", batch, compare(makes, rounds))


def inference_table(threads: int, batch: int, rounds: int) -> None:
    makes = {"minialex": ("contestants", "inference", threads, batch)} | torchs("inference", threads, batch)
    show(f"Inference in batches of {batch}, {threads} threads", batch, compare(makes, rounds))


def show(title: str, batch: int, results: dict[str, Result]) -> None:
    """A line for each contestant, which has one work of one stage; the first is ours."""
    rows = [("", "ms", "images/s", "minialex is", "peak MB", "libraries MB")]
    seconds = {name: sum(*result.seconds.values()) for name, result in results.items()}
    for name, result in results.items():
        ratio = "" if name == "minialex" else f"{seconds[name] / seconds['minialex']:.2f} "
        speed = f"{1e3 * seconds[name]:,.1f}", f"{batch / seconds[name]:.1f}"
        memory = f"{result.peak / 1e6:,.0f}", f"{result.libraries / 1e6:,.0f}"
        rows.append((name, *speed, ratio and ratio + ("of it" if name == BOUND else "times"), *memory))
    print(f"\n{title}\n{table(rows)}", flush=True)


def layers_table(threads: int, batch: int, rounds: int) -> None:
    """Each layer alone, against PyTorch's in the memory format that is faster for that layer."""
    makes = {"minialex": ("contestants", "layers", threads, batch)}
    for layout in FORMATS if TORCH else ():
        makes[layout] = ("torch_contestants", "layers", threads, batch, layout)
    ours, *others = (result.seconds for result in compare(makes, rounds).values())
    theirs = {work: min((seconds[work] for seconds in others), key=sum, default=[]) for work in ours}
    half = ("minialex", "PyTorch", "ratio")
    rows = [("", *half, *half), *(_layer_row(work, ours[work], theirs[work]) for work in ours)]
    rows.append(_layer_row("total", _sum(ours), _sum(theirs)))
    print(f"\nEach layer alone, {batch} images, {threads} threads: ms forward, then ms backward\n{table(rows)}")


def _layer_row(name: str, ours: list[float], theirs: list[float]) -> tuple[str, ...]:
    row = [name]
    for mine, other in zip_longest(ours, theirs):
        row += [f"{1e3 * mine:.1f}", *([f"{1e3 * other:.1f}", f"{other / mine:.2f}"] if other else ["", ""])]
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
    print(head(args.threads), flush=True)
    if not TORCH:
        print("PyTorch is not installed (pip install -e '.[oracle]'): the bound alone is there to compare with")
    if args.only in (None, "step"):
        for batch in args.batch:
            step_table(args.threads, batch, args.rounds, details=batch == max(args.batch))
    if args.only in (None, "inference"):
        for batch in (1, 64):
            inference_table(args.threads, batch, args.rounds)
    if args.only in (None, "layers"):
        layers_table(args.threads, 64, args.rounds)


if __name__ == "__main__":
    sys.exit(main_status(main))
