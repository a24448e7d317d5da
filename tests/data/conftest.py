"""Small data sets, made on the spot."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minialex.data import prepare
from minialex.data.sources import open_source


def png(shape=(9, 7, 3), seed=0) -> bytes:
    """A PNG of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def class_folder(root: Path, train: dict[str, int], val: dict[str, int]) -> Path:
    """A class folder with so many random images a class, each of its own shape, every fourth of them grey."""
    for split, counts in {"train": train, "val": val}.items():
        for c, (name, count) in enumerate(counts.items()):
            (root / split / name).mkdir(parents=True)
            for k in range(count):
                shape = (5 + k, 12 - k) if k % 4 == 3 else (5 + k, 12 - k, 3)
                seed = 100 * c + k + 1000 * (split == "val")
                (root / split / name / f"{k}.png").write_bytes(png(shape, seed))
    return root


@pytest.fixture(autouse=True)
def synced(monkeypatch) -> list[int]:
    """Nothing waits for the disk in these tests; the descriptors that would have been forced to it."""
    descriptors = []
    monkeypatch.setattr(prepare.os, "fsync", descriptors.append)
    return descriptors


@pytest.fixture
def folder(tmp_path) -> Path:
    """A class folder of 10 + 3 images in three classes."""
    return class_folder(tmp_path / "photos", {"cat": 4, "ape": 5, "dog": 1}, {"dog": 1, "cat": 2})


@pytest.fixture
def small_shards(monkeypatch):
    """Shards of four images, so that a few images fill several."""
    monkeypatch.setattr(prepare, "SHARD", 4)


@pytest.fixture(scope="session")
def packed_folder(tmp_path_factory) -> Path:
    """A prepared folder of 10 + 3 images in shards of four; not to be changed."""
    root = tmp_path_factory.mktemp("packed")
    class_folder(root / "photos", {"cat": 4, "ape": 5, "dog": 1}, {"dog": 1, "cat": 2})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "SHARD", 4)
        prepare.prepare(open_source(root / "photos"), root / "packed", progress=False)
    return root / "packed"
