"""Is minialex right on this GPU, and how fast is it there?

    python benchmarks/gpu.py

Compares every pair, a training step and mixed precision with NumPy, trains the toy set to 90%, times training steps
beside the bare matrix products and PyTorch's, and shows where the time goes. Prints tables, and keeps all of it in
benchmarks/results/gpu-DEVICE-DATE.json. Needs CuPy and a GPU, and no network; without PyTorch, ours is timed alone.

Each section has a process and a time of its own: one that fails, hangs or breaks the device ends alone, and what it
had found until then is kept. The whole ends within eight minutes. Exit status 1 where a section failed.
"""

import argparse
import json
import multiprocessing
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import gpu_parity
import gpu_speed
import gpu_torch

from minialex.backend import get_backend
from minialex.errors import RunError, UserError, main_status, one_line
from minialex.network import table

RESULTS = Path(__file__).parent / "results"
ENOUGH = 450  # seconds for all sections: less than eight minutes with what is before and after them
BATCHES = (128, 1024, 256)  # the two that matter most first, should time run out


class Section(NamedTuple):
    """function(xp, *arguments) yields rows, dicts from column to value; it has so many seconds for them."""

    name: str
    seconds: float
    function: Callable[..., Iterable[dict]]
    arguments: tuple = ()


def sections() -> list[Section]:
    """All that there is to do, in the order of what one wants to know first."""
    todo = [Section("device", 20, gpu_speed.device)]
    todo += [Section(f"pairs, {name}", 60, gpu_parity.pairs, (name,)) for name in gpu_parity.TABLES]
    todo += [Section(f"training steps, {name}", 60, gpu_parity.steps, (name,)) for name in gpu_parity.TABLES]
    todo += [Section(f"mixed precision, {name}", 40, gpu_parity.mixed_steps, (name,)) for name in gpu_parity.TABLES]
    for name, dtype in (("array code", "float32"), ("kernels", "float32"), ("kernels", "mixed")):
        todo.append(Section(f"toy set, {name}, {dtype}", 60, gpu_parity.training, (name, dtype)))
    for batch in BATCHES:
        todo.append(Section(f"steps of {batch} images", 60, gpu_speed.steps, (batch,)))
        todo.append(Section(f"PyTorch, steps of {batch} images", 80, gpu_torch.steps, (batch,)))
        if batch == BATCHES[0]:
            todo += [Section(f"layers, {name}", 40, gpu_speed.layers, (batch, name)) for name in gpu_parity.TABLES]
    return todo


def run(section: Section, backend: str, seconds: float) -> dict:
    """A section's {"rows", "seconds"}; and, where it was not to be had or failed, why ("left out" or "failed").

    Its process is ended after so many seconds, or its own if they are fewer.
    """
    began, seconds = time.monotonic(), min(seconds, section.seconds)
    if seconds <= 0:
        return {"rows": [], "seconds": 0.0, "left out": "no time is left"}
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, backend, section.function, section.arguments))
    process.start()
    theirs.close()
    try:
        rows, end = _received(ours, began + seconds)
    finally:
        process.kill()  # it has nothing left to do, or no time
        process.join()
        ours.close()
    wrong = [row for row in rows if row.get("wrong")]
    end |= {"failed": f"{len(wrong)} of {len(rows)} rows are wrong"} if wrong and "failed" not in end else {}
    return {"rows": rows, "seconds": round(time.monotonic() - began, 1), **end}


def _received(pipe: Connection, until: float) -> tuple[list[dict], dict]:
    """The rows that come, and how they ended."""
    rows = []
    try:
        while pipe.poll(max(0.0, until - time.monotonic())):
            kind, value = pipe.recv()
            if kind == "end":
                return rows, value
            rows.append(value)
    except EOFError:
        return rows, {"failed": "its process ended, as a crash or too little memory would end it"}
    return rows, {"failed": "its time is over"}


def _serve(pipe: Connection, backend: str, function: Callable, arguments: tuple) -> None:
    """In a section's own process: send its rows, then how it ended."""
    try:
        for row in function(get_backend(backend), *arguments):
            pipe.send(("row", row))
        end = {}
    except UserError as error:
        end = {"left out": one_line(error)}
    except Exception as error:  # whatever it is, the other sections shall be heard
        end = {"failed": f"{type(error).__name__}: {one_line(error)}", "where": traceback.format_exc()}
    pipe.send(("end", end))


def show(name: str, result: dict) -> None:
    """A section's table, and how it ended if not well."""
    print(f"\n{name}, {result['seconds']} s")
    if result["rows"]:
        print(as_table(result["rows"]))
    for how in ("left out", "failed"):
        if how in result:
            print(f"{how.upper()}: {result[how]}")
    sys.stdout.flush()


def as_table(rows: list[dict]) -> str:
    """Rows with the columns that any of them has."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return table([columns, *([shown(row.get(column, "")) for column in columns] for row in rows)])


def shown(value) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"


def main(argv=None) -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
    todo = sections()
    try:
        device = gpu_speed.device_name(get_backend("cupy"))
    except UserError:
        print("\n".join(f"{section.name}: not run" for section in todo), flush=True)
        raise
    path = RESULTS / f"gpu-{device.replace(' ', '-')}-{date.today()}.json"
    failed = run_all(todo, "cupy", path)
    print(f"\nall of it is in {path}")
    if failed:
        raise RunError(f"these sections failed: {'; '.join(failed)}")


def run_all(todo: list[Section], backend: str, path: Path) -> list[str]:
    """Run, show and keep one section after the other, and what steps took in all; the names of those that failed."""
    report, until = {}, time.monotonic() + ENOUGH
    for section in todo:
        report[section.name] = run(section, backend, until - time.monotonic())
        show(section.name, report[section.name])
        _keep(report, path)  # now, for nobody knows what comes
    report["ours and PyTorch's"] = {"rows": gpu_speed.compared(report), "seconds": 0.0}
    show("ours and PyTorch's", report["ours and PyTorch's"])
    _keep(report, path)
    return [name for name, result in report.items() if "failed" in result]


def _keep(report: dict, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main_status(main))
