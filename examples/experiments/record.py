"""What an experiment is, and how its results are kept: one JSON a seed, written when the run has ended."""

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from minialex.data.packed import Packed
from minialex.data.prepare import open_data
from minialex.data.sources import Source, open_source
from minialex.files import write_atomically
from minialex.threads import compute_threads

OPEN = {"cifar": open_source, "photos": open_data}  # what opens the images that a user names


@dataclass(frozen=True)
class Experiment:
    """One row of a comparison: what it changes, which images it needs, and what runs it.

    run(images, seed, quick) returns the numbers, as JSON has them, and under "arrays" what is no number; `quick` asks
    for a form of seconds.
    """

    what: str
    images: str  # one of OPEN
    data: str  # what of them is used
    run: Callable[[Source | Packed, int, bool], dict]
    seeds: tuple[int, ...] = (0, 1, 2)


def machine() -> str:
    """The machine in words: nothing that names it."""
    return f"one thread of {os.cpu_count()} cores, {platform.machine()}, NumPy {np.__version__}"


def run(name: str, experiment: Experiment, place: str, seed: int, quick: bool = False) -> dict:
    """Run one seed on one thread, on the images at a place; the record of it."""
    images = OPEN[experiment.images](place)
    started = time.perf_counter()
    with compute_threads(1):  # of arrays this small, a second thread makes nothing faster
        numbers = experiment.run(images, seed, quick)
    return {
        "command": f"python examples/experiment.py {name} --{experiment.images} PATH --seed {seed}",
        "what": experiment.what,
        "data": experiment.data,
        "date": date.today().isoformat(),
        "machine": machine(),
        "seconds": round(time.perf_counter() - started, 1),
        "seed": seed,
        **known(images),
    } | numbers


def known(images: Source | Packed) -> dict:
    """Which images these are, and what there is to say of them."""
    if isinstance(images, Source):
        return {"images": images.revision, "remarks": list(images.remarks)}
    train, val = f"{len(images.train):,}", f"{len(images.val):,}"
    counts = f"{train} training and {val} validation images of {len(images.classes)} classes"
    return {"images": images.index["fingerprint"], "remarks": [counts]}


def path(folder: Path, name: str, seed: int) -> Path:
    return folder / name / f"{seed}.json"


def keep(folder: Path, name: str, record: dict) -> Path:
    """Write a record to FOLDER/NAME/SEED.json, and before it its arrays to SEED.npz; it is whole or not there."""
    place = path(folder, name, record["seed"])
    place.parent.mkdir(parents=True, exist_ok=True)
    record, arrays = {key: value for key, value in record.items() if key != "arrays"}, record.get("arrays")
    if arrays:
        write_atomically(place.with_suffix(".npz"), lambda temporary: _save(temporary, arrays))
    text = json.dumps(record, indent=1) + "\n"
    write_atomically(place, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n"))
    return place


def _save(path: Path, arrays: dict) -> None:
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def read(folder: Path, name: str) -> list[dict]:
    """The records of an experiment, by seed."""
    files = sorted((folder / name).glob("*.json"), key=lambda file: int(file.stem))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def line(name: str, record: dict) -> str:
    """What a record says, in a line: its plain numbers."""
    plain = (f"{key} {value}" for key, value in record.items() if isinstance(value, int | float))
    return f"{name}: {', '.join(plain)}"
