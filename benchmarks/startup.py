"""How long does a data set of ImageNet's size take to start, and how much memory, against a small one?

    python benchmarks/startup.py

Writes two packed folders of sparse shards, which take next to no disk, of 10,000 and of 1,281,167 images; starts each
in a fresh process, from opening the folder to the first batch of 128; prints seconds and the peak of memory, medians
of five in turns. Exit status 1 where the large one takes 0.5 s or 64 MB more than the small one. Linux and macOS.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np

from minialex.data.packed import FORMAT, IMAGE, checksum
from minialex.errors import RunError, main_status

COUNTS = (10_000, 1_281_167)
SHARD = 1024  # images
ROUNDS = 5
MORE_SECONDS, MORE_BYTES = 0.5, 64e6

START = """
import resource, sys, time
from minialex.data.batches import train_batches
from minialex.data.packed import open_packed
from minialex.data.preprocess import Preprocessing

began = time.perf_counter()
packed = open_packed(sys.argv[1])
opened = time.perf_counter()
next(train_batches(packed.train, Preprocessing(packed.mean), size=224, batch=128, seed=0, epoch=0))
unit = 1 if sys.platform == "darwin" else 1024
print(opened - began, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


def write_packed(folder: Path, pixels: dict, classes: int) -> None:
    """Write a packed folder: pixels[split] is a list of shards, arrays of uint8 (n,256,256,3) or numbers of zeros."""
    index = {
        "format": FORMAT,
        "classes": [f"class {k}" for k in range(classes)],
        "words": [],
        "shards": {},
        "files": {},
    }
    black = zlib.crc32(np.zeros(IMAGE, np.uint8))
    for split, shards in pixels.items():
        sums, records = [], []
        for k, shard in enumerate(shards):
            path = folder / f"{split}-{k:05}.npy"
            if isinstance(shard, int):
                sums += [black] * shard
                shape = (shard, *IMAGE)
                write_sparse(path, shape)
            else:
                sums += [zlib.crc32(image) for image in shard]
                shape = shard.shape
                np.save(path, shard)
            records.append({"file": path.name, "count": shape[0], "sha256": ""})
        index["shards"][split] = records
        np.save(folder / f"{split}-labels.npy", np.arange(len(sums)) % classes)
        np.save(folder / f"{split}-crc32.npy", np.array(sums, np.uint32))
    np.save(folder / "mean.npy", np.full(IMAGE, 127, np.float32))
    for path in [folder / "mean.npy", *folder.glob("*-labels.npy"), *folder.glob("*-crc32.npy")]:
        index["files"][path.name] = checksum(path)
    index["covariance"] = np.eye(3).tolist()
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


def write_sparse(path: Path, shape: tuple[int, ...]) -> None:
    """A .npy file of zeros that has a header and a length alone."""
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + int(np.prod(shape)))


def write_zeros(folder: Path, count: int) -> Path:
    """A packed folder of so many black training images of a thousand classes, and 50,000 to validate."""
    folder.mkdir()
    pixels = {
        split: [min(SHARD, n - first) for first in range(0, n, SHARD)]
        for split, n in {"train": count, "val": 50_000}.items()
    }
    write_packed(folder, pixels, classes=1000)
    return folder


def start(folder: Path) -> list[float]:
    """Seconds to open, seconds to the first batch, peak bytes; of a fresh process."""
    done = subprocess.run([sys.executable, "-c", START, folder], check=True, capture_output=True, text=True)
    return [float(number) for number in done.stdout.split()]


def main(argv=None):
    with tempfile.TemporaryDirectory() as temporary:
        folders = [write_zeros(Path(temporary) / str(count), count) for count in COUNTS]
        runs = [[start(folder) for folder in folders] for _ in range(ROUNDS)]
    small, large = (
        [statistics.median(column) for column in zip(*(run[k] for run in runs), strict=True)] for k in range(2)
    )
    print("   images   opened   first batch   peak memory")
    for count, (opened, first, peak) in zip(COUNTS, (small, large), strict=True):
        print(f"{count:9,}  {opened:5.2f} s  {first:10.2f} s  {peak / 1e6:8.0f} MB")
    seconds, memory = large[1] - small[1], large[2] - small[2]
    print(f"difference {seconds:20.2f} s  {memory / 1e6:8.0f} MB")
    if seconds > MORE_SECONDS or memory > MORE_BYTES:
        raise RunError(f"the large one may take {MORE_SECONDS} s and {MORE_BYTES / 1e6:.0f} MB more")


if __name__ == "__main__":
    sys.exit(main_status(main))
