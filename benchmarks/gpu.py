"""Is minialex right on this GPU, and how fast is it there?

    python benchmarks/gpu.py

Compares every pair and a training step with NumPy, trains the toy set to 90%, times training steps against PyTorch and
against the bare matrix products, and shows where the time goes. Each section reports for itself, also where it fails,
and none begins after seven minutes. Prints tables, and writes all of it to benchmarks/results/gpu-DEVICE-DATE.json.
Needs CuPy and a GPU, and no network; without PyTorch ours is timed alone. Exit status 1 where a section failed.
"""

import argparse
import importlib.util
import json
import sys
import time
import traceback
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import gpu_parity
import gpu_speed
import numpy as np

from minialex import kernels, train
from minialex.backend import get_backend
from minialex.data.prepare import open_data
from minialex.errors import RunError, main_status, one_line
from minialex.network import table
from minialex.recipes import RECIPES

RESULTS = Path(__file__).parent / "results"
BATCHES = (128, 256, 1024)
LAST = 420  # seconds after which no section begins
GOOD = 0.9  # top-1 on the toy set
OWN = {"ops": kernels.fused, "update": kernels.update, "preprocess": kernels.preprocess}


def trained(xp, dtype: str, own: dict) -> list[tuple]:
    """Train the toy set until GOOD, in at most its recipe's epochs; RunError where it does not get there."""
    packed, recipe = open_data(None), RECIPES["toy"]
    for epochs in range(2, recipe.epochs + 1, 2):
        config = train.Config("toy", "code2012", 0.25, packed.classes, replace(recipe, epochs=epochs), dtype=dtype)
        with TemporaryDirectory() as folder:
            began, snapshot = time.monotonic(), train.start(config, packed, xp=xp)
            record = train.Trainer(config, packed, snapshot, config.network().layers, Path(folder), xp, **own).run()
        if record["val_top1"] >= GOOD:
            seconds = f"{time.monotonic() - began:.1f}"
            return [("toy set", dtype, f"{epochs} epochs", f"{seconds} s", f"top-1 {record['val_top1']:.1%}")]
    raise RunError(f"the toy set ended at {record['val_top1']:.1%}, not {GOOD:.0%}")


def sections(xp, batches) -> dict:
    """What there is to do, by name: functions that return rows of strings."""
    own = {name: {} if name == "array code" else OWN for name in ("array code", "kernels")}
    todo = {"device": partial(device, xp)}
    for name, how in own.items():
        todo[f"each pair, {name}"] = partial(gpu_parity.pairs, xp, **how)
        todo[f"training steps, {name}"] = partial(gpu_parity.steps, xp, **how)
    todo["mixed precision"] = partial(gpu_parity.mixed_steps, xp, OWN)
    todo |= {f"training, {name}": partial(trained, xp, "float32", how) for name, how in own.items()}
    todo["training, mixed"] = partial(trained, xp, "mixed", OWN)
    for batch in batches:
        todo[f"steps of {batch} images"] = partial(gpu_speed.ours, xp, batch, own)
        todo[f"bare products, {batch} images"] = partial(gpu_speed.bound, xp, batch)
        if importlib.util.find_spec("torch"):
            todo[f"PyTorch, {batch} images"] = partial(gpu_speed.pytorch, batch)
    todo |= {f"layers, {name}": partial(gpu_speed.layers, xp, batches[0], **how) for name, how in own.items()}
    return todo


def device(xp) -> list[tuple]:
    """The GPU, and the versions of what drives it."""
    properties, runtime = xp.cuda.runtime.getDeviceProperties(0), xp.cuda.runtime
    memory = f"{runtime.memGetInfo()[1] / 2**30:.0f} GiB"
    versions = [("CuPy", xp.__version__), ("NumPy", np.__version__), ("CUDA runtime", str(runtime.runtimeGetVersion()))]
    return [("device", properties["name"].decode(), memory), *versions, ("driver", str(runtime.driverGetVersion()))]


def run(todo: dict, last: float) -> dict:
    """Every section's rows, or why it has none; printed as they come."""
    report, began = {}, time.monotonic()
    for name, section in todo.items():
        if time.monotonic() - began > last:
            report[name] = {"left out": "no time left"}
            print(f"\n{name}: left out, for there is no time left", flush=True)
            continue
        start = time.monotonic()
        try:
            report[name] = {"rows": section()}
            print(f"\n{name}\n{table(_even(report[name]['rows']))}", flush=True)
        except Exception as error:  # the others shall be heard
            report[name] = {"failed": f"{type(error).__name__}: {one_line(error)}", "where": traceback.format_exc()}
            print(f"\n{name}: FAILED, {report[name]['failed']}", flush=True)
        report[name]["seconds"] = round(time.monotonic() - start, 1)
    return report


def _even(rows: list[tuple]) -> list[tuple]:
    """Rows of one length."""
    longest = max(map(len, rows))
    return [(*row, *[""] * (longest - len(row))) for row in rows]


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=BATCHES, metavar="N", help="images in a step")
    args = parser.parse_args(argv)
    xp = get_backend("cupy")
    report = run(sections(xp, args.batch), LAST)
    name = xp.cuda.runtime.getDeviceProperties(0)["name"].decode().replace(" ", "-")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"gpu-{name}-{date.today()}.json"
    path.write_text(json.dumps(report, indent=1), encoding="utf-8")
    failed = [name for name, section in report.items() if "failed" in section]
    print(f"\nall of it is in {path}")
    if failed:
        raise RunError(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    sys.exit(main_status(main))
