"""Decode every image once: shorter side to 256, central 256x256 patch, packed shards (section 2).

A shard is made by one worker, image by image, and next to it lies a small .json with its checksum and what became of
its images. A shard that agrees with its .json is not made again, so the same command goes on after an interruption, or
repairs what was damaged. The index is written last: a folder that has one is complete.
"""

import hashlib
import json
import multiprocessing
import os
import re
import shlex
import shutil
import signal
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from minialex.data.decode import BrokenImage, _decode, pillow_warnings, resize_crop
from minialex.data.packed import FORMAT, IMAGE, SIDE, Packed, checksum, open_packed
from minialex.data.sources import SPLITS, Item, Source, open_source
from minialex.errors import RunError, UserError, one_line
from minialex.files import alone_in, write_atomically

SHARD = 1024  # images at most; 201 MB
LARGE = 100_000  # images; a data set above it is prepared on request only
FEW = 1024  # images that are done before worker processes have started
PACE = 475  # images a second and core: two cores of 2024 made 950 of ImageNet's photos
TINY = 32  # pixels; a shorter side below it is worth a mention
AGAIN = "the same command goes on from here"
RECIPE = {"shorter_side": SIDE, "crop": "center", "filter": "bilinear", "16-bit": "divided by 257"}


# Preparation


def prepare(
    source: Source,
    folder: str | Path,
    *,
    workers: int | None = None,
    max_rejected: int | None = None,
    progress: bool = True,
) -> Packed:
    """Decode all images of `source` into packed shards in `folder`, and open the result.

    Broken images are named on stderr, counted, and left out. What a run before this one finished is kept,
    after its checksum was compared; the bytes do not depend on interruptions or on the number of workers.

    workers: processes that decode; all cores if None.
    max_rejected: how many images may be broken; 100 or 1% of all, whichever is more, if None.
    progress: whether to say how much disk it takes and to show a bar.
    Raises UserError where `folder` holds another data set or is being written by another process, the disk is too
    small, or a class has no image left; RunError where reading or writing fails or too many images are broken.
    """
    if workers is not None and workers < 1:
        raise UserError(f"{workers} workers cannot decode: expected at least 1")
    if max_rejected is not None and max_rejected < 0:
        raise UserError(f"{max_rejected} images cannot be the most that are broken: expected 0 or more")
    folder, mark = Path(folder), fingerprint(source)
    total = sum(len(items) for items in source.splits.values())
    limit = _limit(total, max_rejected)
    try:
        with alone_in(folder):
            parts = _parts(source, folder)
            _check_space(parts, folder, progress)
            with tqdm(total=total, unit=" images", desc="preparing", disable=not progress, file=sys.stderr) as bar:
                with closing(_shards(parts, mark, workers or os.cpu_count())) as shards:
                    whole = _gather(shards, parts, bar, limit)
            _check_classes(source, parts, whole.records)
            _finish(source, folder, mark, parts, whole)
    except BrokenExecutor as error:
        reason = "a worker process died (out of memory? or the code of a script is not under `if __name__ == ...`)"
        raise RunError(f"preparing {folder} stopped: {reason}; {AGAIN}") from error
    except (OSError, RunError) as error:
        raise RunError(f"preparing {folder} stopped: {error}; {AGAIN}") from error
    return open_packed(folder)


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
    """Shards of SHARD images; of fewer where there are few, so that each core has some and the bar moves."""
    size = min(SHARD, max(256, sum(len(items) for items in source.splits.values()) // 64))
    return [
        _Part(split, items[first : first + size], folder / f"{split}-{first // size:05}.npy")
        for split, items in source.splits.items()
        for first in range(0, len(items), size)
    ]


# Shards


@dataclass(frozen=True)
class _Shard:
    """A shard that is on disk: its record, as in its .json, and figures of its pixels."""

    record: dict
    crc32: np.ndarray  # (n,) uint32, of each image's bytes
    image: np.ndarray  # (256,256,3), the sum of its images
    products: np.ndarray  # (3,3) float64, the sum of a pixel's products of two channels; whole numbers below 2**53


def _shards(parts: list[_Part], mark: str, workers: int) -> Iterator[tuple[int, _Shard]]:
    """Make, in worker processes, each shard that is not there yet: yields (k, shard k) as they get ready.

    The processes are spawned on every platform: a fork copies the locks of other threads in whatever state they are.
    """
    if workers == 1 or sum(len(part.items) for part in parts) <= FEW:
        yield from ((k, _shard(part, mark)) for k, part in enumerate(parts))
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(parts)), context, initializer=_start_worker)
    try:
        waiting = {pool.submit(_shard, part, mark): k for k, part in enumerate(parts)}
        for future in as_completed(waiting):
            yield waiting.pop(future), future.result()  # a future keeps its result: all of them are a gigabyte
    finally:  # what was begun is finished, what was not is left
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end when the parent was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _shard(part: _Part, mark: str) -> _Shard:
    with pillow_warnings(), threadpool_limits(1):  # the BLAS of each worker would start a thread for each core
        record = _finished(part, mark) or _make(part, mark)
        return _Shard(record, *_figures(np.load(part.path, mmap_mode="r", allow_pickle=False)))


def _finished(part: _Part, mark: str) -> dict | None:
    """The record of a shard that is there and whole, or None."""
    try:
        record = json.loads(part.record.read_text(encoding="utf-8"))
        mine, sha256, count = record["fingerprint"], record["sha256"], len(_labels(part, record))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    if mine != mark:
        raise UserError(f"{part.path.parent} holds another data set, or an older state of it: give another folder")
    if not part.path.exists() or checksum(part.path) != sha256:
        return None
    return record if len(np.load(part.path, mmap_mode="r", allow_pickle=False)) == count else None


def _labels(part: _Part, record: dict) -> list[int]:
    """The labels of the images that are in a shard: of all that were to be, but those that its record rejects."""
    return [item.label for item in part.items if item.name not in record["rejected"]]


def _make(part: _Part, mark: str) -> dict:
    """Decode one shard's images and write it, image by image, then its record."""
    record = {"fingerprint": mark, "converted": {}, "rejected": {}, "tiny": {}}

    def save(file) -> None:
        _write_header(file, 0)
        for item in part.items:
            image = _read(item, record)
            if image is not None:
                file.write(image)
        file.seek(0)
        _write_header(file, len(_labels(part, record)))

    record["sha256"] = _write(part.path, save)
    _write_json(part.record, record)
    return record


def _write_header(file, count: int) -> None:
    """What numpy.save writes before so many images; as long for any count, NumPy leaves room to append."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *IMAGE)}
    np.lib.format.write_array_header_1_0(file, header)


def _read(item: Item, record: dict) -> np.ndarray | None:
    """The image as training wants it, uint8 (256,256,3), or None; what is unusual about it goes into the record."""
    try:
        image, notes = _decode(item.read(), item.name)
    except BrokenImage as error:
        record["rejected"][item.name] = str(error)
        return None
    except OSError as error:
        raise RunError(f"cannot read {error.filename or item.name}: {one_line(error)}") from error
    if notes:
        record["converted"][item.name] = list(notes)
    if min(image.shape[:2]) < TINY:
        record["tiny"][item.name] = f"{image.shape[1]}x{image.shape[0]}"
    return resize_crop(image)


def _figures(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of images (n,256,256,3), n <= 1024: the CRC-32 of each, their sum, and their pixels' products of channels."""
    crc32, products = np.empty(len(images), np.uint32), np.zeros((3, 3))
    for k, image in enumerate(images):
        crc32[k] = zlib.crc32(image)
        channels = image.reshape(-1, 3).T.astype(np.float64, order="C")  # three dot products are faster than a matmul
        products += [[a @ b for b in channels] for a in channels]
    return crc32, images.sum(axis=0, dtype=np.uint32), products  # 1024 x 255 fits


# The whole


def _limit(total: int, given: int | None) -> int:
    """How many images may be broken: so many as were given, else 100 or 1% of all, whichever is more."""
    return max(100, total // 100) if given is None else given


@dataclass(frozen=True)
class _Whole:
    """What is known of all shards, in their order; the sums are whole numbers, in whatever order they were added."""

    records: list[dict]
    crc32: list[np.ndarray]
    image: np.ndarray  # int64 (256,256,3), the sum of the training images
    products: np.ndarray  # float64 (3,3), the sum of their pixels' products of channels; 2**53 is out of reach


def _gather(shards: Iterable[tuple[int, _Shard]], parts: list[_Part], bar: tqdm, limit: int) -> _Whole:
    """Add up what comes, and name what was left out; RunError as soon as that is more than `limit` images."""
    records, crc32 = [{}] * len(parts), [np.empty(0)] * len(parts)
    image, products, rejected = np.zeros(IMAGE, np.int64), np.zeros((3, 3)), 0
    for k, shard in shards:
        records[k], crc32[k] = shard.record, shard.crc32
        if parts[k].split == "train":
            image += shard.image
            products += shard.products
        for name, reason in shard.record["rejected"].items():
            tqdm.write(f"left out {name}: {reason}", file=sys.stderr)
        bar.update(len(parts[k].items))
        rejected += len(shard.record["rejected"])
        if rejected > limit:
            done = sum(len(part.items) for part, record in zip(parts, records, strict=True) if record)
            raise RunError(f"{rejected:,} of {done:,} images cannot be read (--max-rejected is {limit:,})")
    return _Whole(records, crc32, image, products)


def _finish(source: Source, folder: Path, mark: str, parts: list[_Part], whole: _Whole) -> None:
    """Write labels, CRC-32s, mean and, last, the index."""
    index = {"format": FORMAT, "classes": list(source.classes), "words": list(source.words)}
    index |= {"counts": {}, "shards": {}, "files": {}}

    def save(name: str, array: np.ndarray) -> None:
        index["files"][name] = _write(folder / name, lambda file: np.save(file, array))

    for split in SPLITS:
        chosen = [k for k, part in enumerate(parts) if part.split == split]
        labels = np.array([label for k in chosen for label in _labels(parts[k], whole.records[k])], np.int64)
        index["counts"][split] = len(labels)
        index["shards"][split] = [
            {"file": parts[k].path.name, "count": len(whole.crc32[k]), "sha256": whole.records[k]["sha256"]}
            for k in chosen
        ]
        save(f"{split}-labels.npy", labels)
        save(f"{split}-crc32.npy", np.concatenate([whole.crc32[k] for k in chosen]))
    save("mean.npy", (whole.image / index["counts"]["train"]).astype(np.float32))
    index["covariance"] = _covariance(whole, index["counts"]["train"] * SIDE * SIDE).tolist()
    for key in ("converted", "rejected", "tiny"):
        index[key] = {name: what for record in whole.records for name, what in record[key].items()}
    index["remarks"] = list(source.remarks)
    _write_json(folder / "index.json", index | {"recipe": RECIPE, "fingerprint": mark})


def _covariance(whole: _Whole, pixels: int) -> np.ndarray:
    """The covariance of R, G and B over all training pixels, whose principal components colour noise needs (4.1)."""
    mean = whole.image.sum(axis=(0, 1)) / pixels
    return whole.products / pixels - np.outer(mean, mean)


def _check_space(parts: list[_Part], folder: Path, progress: bool) -> None:
    missing = sum(len(part.items) for part in parts if not part.path.exists())
    needed, free = missing * np.prod(IMAGE), shutil.disk_usage(folder).free
    line = f"{missing:,} images need {needed / 1e9:.1f} GB in {folder}, where {free / 1e9:.1f} GB are free"
    if needed > free:
        raise UserError(line)
    if progress and missing:
        print(f"preparing: {line}", file=sys.stderr)


def _check_classes(source: Source, parts: list[_Part], records: list[dict]) -> None:
    """A class whose every image was rejected would be a silent hole in the data set."""
    for split in SPLITS:
        wanted = {item.label for item in source.splits[split]}
        kept = {
            label
            for part, record in zip(parts, records, strict=True)
            if part.split == split
            for label in _labels(part, record)
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


def list_images(path: str | Path) -> Source:
    """`open_source`, with a line on stderr where that takes its time: a million files do."""
    line = f"listing the images of {path}: this can take minutes where there are a million"
    timer = threading.Timer(3, print, (line,), {"file": sys.stderr})
    timer.start()
    try:
        return open_source(path)
    finally:
        timer.cancel()


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
    source = _toy() if path is None else list_images(path)
    count = sum(len(items) for items in source.splits.values())
    if count > LARGE:
        given = shlex.quote(str(path))
        raise UserError(
            f"{path} has {count:,} images: run `python examples/prepare_imagenet.py {given} OUT` once "
            f"({count * np.prod(IMAGE) / 1e9:.0f} GB; {count / PACE / 60:.0f} minutes divided by the cores), "
            f"then give OUT in place of {given}"
        )
    folder = default_cache() / f"{re.sub(r'[^A-Za-z0-9.-]+', '-', source.name)}-{fingerprint(source)[:12]}"
    if (folder / "index.json").exists():
        return open_packed(folder)
    return prepare(source, folder, workers=workers, progress=progress)


def _toy() -> Source:
    from minialex.data import toy  # only where it is wanted: drawing code is not cheap to import

    return toy.source()


def report(packed: Packed) -> str:
    """A few lines about a packed data set: how many images, and all that was unusual about them."""
    index = packed.index
    images = f"{len(packed.train):,} train and {len(packed.val):,} val images"
    lines = [f"{packed.folder}: {len(packed.classes):,} classes, {images}"]
    kinds: dict[str, list[str]] = {}
    for name, notes in index["converted"].items():
        for note in notes:
            kinds.setdefault(note, []).append(name)
    lines += [f"{len(names):,} converted ({note}): {_some(names)}" for note, names in sorted(kinds.items())]
    if tiny := [f"{name} {size}" for name, size in index["tiny"].items()]:
        lines.append(f"{len(tiny):,} kept, though tiny: {_some(tiny)}")
    if rejected := [f"{name} ({reason})" for name, reason in index["rejected"].items()]:
        lines.append(f"{len(rejected):,} left out: {_some(rejected)}")
    return "\n".join([*lines, *index["remarks"]])


def _some(names: list[str], most: int = 3) -> str:
    """The first few of them."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
