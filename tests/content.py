"""What counts of a run's files, and how many bytes of it differ between two."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from minialex import checkpoint

TIMES = {"seconds", "images_per_second", "wait"}  # in a record of the history


def parts_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every tensor of a checkpoint, and the rest of it without times, as bytes."""
    snapshot = checkpoint.load(path, xp=np)
    for group in checkpoint.GROUPS:
        yield from ((f"{group}/{name}", value.tobytes()) for name, value in getattr(snapshot, group).items())
    history = [{key: value for key, value in record.items() if key not in TIMES} for record in snapshot.history]
    yield "rest", json.dumps([snapshot.epoch, snapshot.step, history, snapshot.config]).encode()


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> int:
    """How many bytes differ; those that only one of the two has are among them."""
    return sum(unequal(one.get(name, b""), other.get(name, b"")) for name in one.keys() | other.keys())


def unequal(a: bytes, b: bytes) -> int:
    short = min(len(a), len(b))
    different = np.frombuffer(a[:short], np.uint8) != np.frombuffer(b[:short], np.uint8)
    return int(different.sum()) + max(len(a), len(b)) - short
