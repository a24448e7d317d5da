"""What the lessons' experiments share: the toy set at a smaller size, and how a result is kept."""

import json
from datetime import date
from pathlib import Path

import numpy as np

from minialex.data.prepare import open_data
from minialex.data.toy import CLASSES

RESULTS = Path(__file__).parent.parent / "results"
MACHINE = "two cores of a shared cloud machine"


def toy(split: str, per_class: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The first images of each class, minus the mean pixel of the training set: (n,side,side,3) float32, and (n,).

    Blocks of pixels are averaged: `side` divides 256. The images are drawn once, into the package's cache.
    """
    packed = open_data(None, progress=False)
    part = getattr(packed, split)
    t = np.repeat(np.arange(len(CLASSES)), per_class)
    chosen = np.concatenate([np.flatnonzero(part.labels == label)[:per_class] for label in range(len(CLASSES))])
    x = part.images(chosen).reshape(len(t), side, 256 // side, side, 256 // side, 3).mean(axis=(2, 4), dtype="float32")
    return x - packed.mean.mean(axis=(0, 1)), t


def keep(name: str, **record) -> None:
    """Write a result, with its date and machine, as lessons/results/NAME.json."""
    record = {"date": date.today().isoformat(), "machine": MACHINE} | record
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8", newline="\n")
