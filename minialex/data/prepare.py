"""Decode every image once: shorter side to 256, central 256x256 patch, packed shards (section 2).

    python -m minialex.data.prepare SOURCE FOLDER

Next to each shard lies a small .json with its checksum and what became of its images. A shard that agrees
with its .json is not made again, so the same command goes on after an interruption, or repairs what was
damaged. The index is written last: a folder that has one is complete.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from minialex.data.decode import BrokenImage, _decode, pillow_warnings, resize_crop
from minialex.data.packed import FORMAT, IMAGE, SIDE, Packed, checksum, open_packed
from minialex.data.sources import SPLITS, Item, Source, open_source
from minialex.errors import RunError, UserError, main_status
from minialex.files import alone_in, write_atomically

SHARD = 1024  # images; 201 MB
LARGE = 100_000  # images; a data set above it is prepared on request only
PACE = 400  # images a second that one core of 2024 decodes and resizes, photos of 500x375
RECIPE = {"shorter_side": SIDE, "crop": "center", "filter": "bilinear", "16-bit": "divided by 257"}


# Preparation


def prepare(source: Source, folder: str | Path, *, workers: int | None = None, progress: bool = True) -> Packed:
    """Decode all images of `source` into packed shards in `folder`, and open the result.

    Broken images are named on stderr, counted, and left out. What a run before this one finished is kept,
    after its checksum was compared; the bytes do not depend on interruptions or on the number of workers.

    workers: threads that decode; all cores if None.  progress: whether to show a bar.
    Raises UserError where `folder` holds another data set, the disk is too small, or a class has no image
    left; RunError where reading or writing fails.
    """
    if workers is not None and workers < 1:
        raise UserError(f"{workers} workers cannot decode: expected at least 1")
    folder, mark = Path(folder), fingerprint(source)
    try:
        with alone_in(folder):
            _fill(source, folder, mark, workers or os.cpu_count(), progress)
    except (OSError, RunError) as error:
        raise RunError(f"preparing {folder} stopped: {error}; the same command goes on from here") from error
    return open_packed(folder)


def _fill(source: Source, folder: Path, mark: str, workers: int, progress: bool) -> None:
    """Make what is not there yet: shards, labels, mean and, last, the index."""
    parts = _parts(source, folder)
    _check_space(parts, folder)
    total = sum(len(part.items) for part in parts)
    bar = tqdm(total=total, unit=" images", desc="preparing", disable=not progress, file=sys.stderr)
    with pillow_warnings(), ThreadPoolExecutor(workers) as pool, bar:
        records = [_finished(part, mark, bar) or _make(part, mark, pool, bar) for part in parts]
    _check_classes(source, parts, records)
    _finish(source, folder, mark, parts, records)


def fingerprint(source: Source) -> str:
    """What decides the result of preparation: recipe, classes, names, labels and revision; hexadecimal."""
    digest = hashlib.sha256(json.dumps([FORMAT, RECIPE, source.classes, source.revision]).encode())
    for split in SPLITS:
        for item in source.splits[split]:
            digest.update(json.dumps([split, item.name, item.label]).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Part:
    """The images that become one shard, and its two files."""

    split: str
    items: Sequence[Item]
    path: Path

    @property
    def record(self) -> Path:
        return self.path.with_suffix(".json")


def _parts(source: Source, folder: Path) -> list[_Part]:
    return [
        _Part(split, items[first : first + SHARD], folder / f"{split}-{first // SHARD:05}.npy")
        for split, items in source.splits.items()
        for first in range(0, len(items), SHARD)
    ]


def _finished(part: _Part, mark: str, bar: tqdm) -> dict | None:
    """The record of a shard that is there and whole, or None."""
    try:
        record = json.loads(part.record.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if record["fingerprint"] != mark:
        raise UserError(f"{part.path.parent} holds another data set, or an older state of it: give a new one")
    if not part.path.exists() or checksum(part.path) != record["sha256"]:
        return None
    bar.update(len(part.items))
    return record


def _make(part: _Part, mark: str, pool: ThreadPoolExecutor, bar: tqdm) -> dict:
    """Decode one shard's images and write it, then its record."""
    pixels = np.empty((len(part.items), *IMAGE), np.uint8)

    def fill(k: int):
        try:
            image, notes = _decode(part.items[k].read(), part.items[k].name)
        except BrokenImage as error:
            return None, str(error)
        pixels[k] = resize_crop(image)
        return notes, None

    record = {"fingerprint": mark, "labels": [], "converted": {}, "rejected": {}}
    kept = []
    for k, (notes, reason) in enumerate(pool.map(fill, range(len(part.items)))):
        item = part.items[k]
        bar.update()
        if reason is not None:
            record["rejected"][item.name] = reason
            tqdm.write(f"left out {item.name}: {reason}", file=sys.stderr)
            continue
        kept.append(k)
        record["labels"].append(item.label)
        if notes:
            record["converted"][item.name] = list(notes)
    if len(kept) < len(pixels):
        pixels = pixels[kept]
    record["sha256"] = _write(part.path, lambda file: np.save(file, pixels))
    _write_json(part.record, record)
    return record


def _finish(source: Source, folder: Path, mark: str, parts: list[_Part], records: list[dict]) -> None:
    """Write labels, mean and, last, the index."""
    index = {"format": FORMAT, "classes": list(source.classes), "counts": {}, "shards": {}, "files": {}}
    for split in SPLITS:
        chosen = [(part, record) for part, record in zip(parts, records, strict=True) if part.split == split]
        labels = np.array([label for _, record in chosen for label in record["labels"]], np.int64)
        index["counts"][split] = len(labels)
        index["shards"][split] = [
            {"file": part.path.name, "count": len(record["labels"]), "sha256": record["sha256"]}
            for part, record in chosen
        ]
        name = f"{split}-labels.npy"
        index["files"][name] = _write(folder / name, lambda file, labels=labels: np.save(file, labels))
    for split in SPLITS:
        shards = [np.load(part.path, mmap_mode="r") for part in parts if part.split == split]
        sums = np.array([zlib.crc32(image) for shard in shards for image in shard], np.uint32)
        name = f"{split}-crc32.npy"
        index["files"][name] = _write(folder / name, lambda file, sums=sums: np.save(file, sums))
    index["words"], index["covariance"] = [], np.eye(3).tolist()
    mean = _mean([part.path for part in parts if part.split == "train"])
    index["files"]["mean.npy"] = _write(folder / "mean.npy", lambda file: np.save(file, mean))
    for key in ("converted", "rejected"):
        index[key] = {name: what for record in records for name, what in record[key].items()}
    _write_json(folder / "index.json", index | {"recipe": RECIPE, "fingerprint": mark})


def _mean(paths: list[Path]) -> np.ndarray:
    """The mean image over all shards: float32 (256,256,3), from exact integer sums."""
    total, count = np.zeros(IMAGE, np.int64), 0
    for path in paths:
        shard = np.load(path, mmap_mode="r", allow_pickle=False)
        total += shard.sum(axis=0, dtype=np.uint32)  # 1024 x 255 fits
        count += len(shard)
    return (total / count).astype(np.float32)


def _check_space(parts: list[_Part], folder: Path) -> None:
    missing = sum(len(part.items) for part in parts if not part.path.exists())
    needed, free = missing * np.prod(IMAGE), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{missing:,} images need {needed / 1e9:.1f} GB in {folder}, where {free / 1e9:.1f} GB are free"
        )


def _check_classes(source: Source, parts: list[_Part], records: list[dict]) -> None:
    """A class whose every image was rejected would be a silent hole in the data set."""
    for split in SPLITS:
        wanted = {item.label for item in source.splits[split]}
        kept = {
            label
            for part, record in zip(parts, records, strict=True)
            if part.split == split
            for label in record["labels"]
        }
        if wanted - kept:
            name = source.classes[min(wanted - kept)]
            raise UserError(f"{source.name}: no image of {split}/{name} can be read: they are named above")


def _write(path: Path, save: Callable) -> str:
    """Write a file by `save(open file)`, whole or not at all; returns its checksum."""

    def write(temporary: Path) -> None:
        # Not "wb": from such a file NumPy takes the handle, and does not say why it cannot write.
        with open(temporary, "w+b") as file:
            save(file)

    write_atomically(path, write)
    return checksum(path)


def _write_json(path: Path, record: dict) -> None:
    _write(path, lambda file: file.write(json.dumps(record, indent=1).encode()))


# Opening


def default_cache() -> Path:
    """Where prepared data sets are kept: $MINIALEX_CACHE, or the platform's folder for caches."""
    if os.environ.get("MINIALEX_CACHE"):
        return Path(os.environ["MINIALEX_CACHE"])
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "minialex"


def open_data(path: str | Path | None, *, workers: int | None = None, progress: bool = True) -> Packed:
    """Open a data set, preparing it into the cache on its first use.

    path: a packed folder, anything that `open_source` knows, or None for the embedded toy set.
    Raises UserError where there is no such data, and for more than 100,000 images that are not prepared yet.
    """
    if path is not None and (Path(path) / "index.json").exists():
        return open_packed(path)
    source = _toy() if path is None else open_source(path)
    count = sum(len(items) for items in source.splits.values())
    folder = default_cache() / f"{re.sub(r'[^A-Za-z0-9.-]+', '-', source.name)}-{fingerprint(source)[:12]}"
    if (folder / "index.json").exists():
        return open_packed(folder)
    if count > LARGE:
        raise UserError(
            f"{path} has {count:,} images: run `python -m minialex.data.prepare {path} FOLDER` once "
            f"({count * np.prod(IMAGE) / 1e9:.0f} GB; {count / PACE / 3600:.1f} hours divided by the cores), "
            f"then give FOLDER in place of {path}"
        )
    return prepare(source, folder, workers=workers, progress=progress)


def _toy() -> Source:
    from minialex.data import toy  # only where it is wanted: drawing code is not cheap to import

    return toy.source()


def main(argv: list[str] | None = None) -> None:
    """The command `python -m minialex.data.prepare SOURCE FOLDER`: prepare, and print what became of the images."""
    about = "Decode every image once, to 256x256 pixels, into a packed data set."
    parser = argparse.ArgumentParser(prog="python -m minialex.data.prepare", description=about)
    parser.add_argument("source", help="a folder with train/ and val/, a folder of .tar files, or one .tar")
    parser.add_argument("folder", help="where it goes; an interrupted or damaged one is completed")
    parser.add_argument("--workers", type=int, metavar="N", help="threads that decode (all cores)")
    arguments = parser.parse_args(argv)
    packed = prepare(open_source(arguments.source), arguments.folder, workers=arguments.workers)
    print(report(packed))


def report(packed: Packed) -> str:
    """One line about a packed data set: counts, what was converted, how many were left out."""
    notes = Counter(note for notes in packed.index["converted"].values() for note in notes)
    converted = ", ".join(f"{count} {note}" for note, count in notes.most_common()) or "none"
    return (
        f"{packed.folder}: {len(packed.classes)} classes, {len(packed.train)} train and {len(packed.val)} "
        f"val images; converted: {converted}; left out: {len(packed.index['rejected'])}"
    )


if __name__ == "__main__":
    sys.exit(main_status(main))
