"""CIFAR-10: the binary and the python version as they are downloaded, and two .npz forms.

The batches hold 32x32 pixels and no image files, so an item carries its own 3,072 bytes and reads as a PNG of them.
"""

import hashlib
import io
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from minialex.data.sources.records import SPLITS, Item, Source
from minialex.data.sources.tars import small_files
from minialex.errors import UserError, one_line

SIDE = 32  # pixels
RECORD = 1 + 3 * SIDE * SIDE  # bytes of the binary version: the label, then the red, green and blue planes
FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")
NPZ = ("cifar10_lossless_first4000.npz", "cifar10_jpeg.npz")
BATCHES = {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "val": ("test_batch",)}
COUNTS = {"train": 50_000, "val": 10_000}
LOSSLESS_TRAIN = 3200  # of the 4000 images; the others are for validation
JPEG_TRAIN = 4500  # of the 5000 of each class
LOSSLESS = ("class_names", "images", "labels")
JPEG = ("class_names", "train_jpeg", "train_offsets", "train_labels", "train_number")


@dataclass(frozen=True, slots=True)
class EncodedItem:
    """An image as the bytes of its file."""

    name: str
    label: int
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self) -> bytes:
        return self.content


@dataclass(frozen=True, slots=True)
class PixelItem(EncodedItem):
    """An image as 32x32x3 bytes, RGB, row by row; it reads as a PNG."""

    def read(self) -> bytes:
        file = io.BytesIO()
        Image.frombytes("RGB", (SIDE, SIDE), self.content).save(file, "PNG")
        return file.getvalue()


def open_cifar(path: Path) -> Source | None:
    """List CIFAR-10 if `path` is one of its folders, archives or .npz, or a folder with one; None for anything else.

    Raises UserError, in one line, for CIFAR-10 that is damaged or not whole.
    """
    place = _place(path)
    if place is None:
        return None
    if place.suffix == ".npz":
        return _from_npz(place)
    files = _files(place)
    binary = "batches.meta.txt" in files or "data_batch_1.bin" in files
    return _from_binary(place, files) if binary else _from_python(place, files)


def _place(path: Path) -> Path | None:
    if path.is_file():
        known = path.suffix == ".npz" or _is_archive(path)
        return path if known else None
    if path.name in FOLDERS or any((path / f"data_batch_1{suffix}").exists() for suffix in ("", ".bin")):
        return path if path.is_dir() else None
    there = [path / name for name in FOLDERS + ARCHIVES + NPZ if (path / name).exists()]
    if there and there[0].suffix == ".npz" and len(there) > 1:
        names = " and ".join(place.name for place in there)
        raise UserError(f"{path} holds {names}, which are different data sets: give one of them")
    return there[0] if there else None


def _is_archive(path: Path) -> bool:
    """Whether the first name in a compressed tar is that of one of CIFAR-10's folders."""
    try:
        with tarfile.open(path, "r:gz") as tar:
            first = tar.next()
    except (tarfile.TarError, EOFError, OSError):
        return False
    return first is not None and any(part in FOLDERS for part in PurePosixPath(first.name).parts)


def _files(place: Path) -> dict[str, bytes]:
    """The batches and the class names, by file name."""
    stems = [*BATCHES["train"], *BATCHES["val"]]
    wanted = {*stems, *(f"{stem}.bin" for stem in stems), "batches.meta", "batches.meta.txt"}
    return small_files(place, wanted)


def _need(files: dict[str, bytes], name: str, place: Path) -> bytes:
    if name not in files:
        raise UserError(f"{place} has no {name}: expected the five batches, test_batch and the class names")
    return files[name]


# The binary version


def _from_binary(place: Path, files: dict[str, bytes]) -> Source:
    classes = tuple(_need(files, "batches.meta.txt", place).decode("ascii", "replace").split())
    splits = {
        split: [_binary(_need(files, f"{stem}.bin", place), place / f"{stem}.bin") for stem in stems]
        for split, stems in BATCHES.items()
    }
    return _from_planes(place, classes, splits)


def _binary(data: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    if not data or len(data) % RECORD:
        raise UserError(
            f"{path} has {len(data):,} bytes: expected a multiple of {RECORD:,}, 30,730,000 in the original"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    return records[:, 1:], records[:, 0]


# The python version


class _Unpickler(pickle.Unpickler):
    """Builds arrays and plain values, and nothing else that a pickle may ask for."""

    ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self.ALLOWED[module, name]


def _unpickle(data: bytes, path: Path) -> dict:
    try:  # written by Python 2, whose strings are bytes
        value = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # crafted bytes make it raise nearly anything
        raise UserError(f"{path} is refused: {one_line(error)}; expected arrays and plain values only") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a {type(value).__name__}: expected a dict with b'data' and b'labels'")
    return value


def _from_python(place: Path, files: dict[str, bytes]) -> Source:
    names = _unpickle(_need(files, "batches.meta", place), place / "batches.meta").get(b"label_names")
    if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
        raise UserError(f"{place / 'batches.meta'} has no list b'label_names': expected the class names")
    splits = {
        split: [_python(_need(files, stem, place), place / stem) for stem in stems] for split, stems in BATCHES.items()
    }
    return _from_planes(place, tuple(name.decode("ascii", "replace") for name in names), splits)


def _python(data: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    batch = _unpickle(data, path)
    pixels, labels = batch.get(b"data"), batch.get(b"labels")
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (RECORD - 1,):
        raise UserError(f"{path} has no b'data' of uint8 (n, {RECORD - 1}): expected a batch of CIFAR-10")
    if not isinstance(labels, list) or len(labels) != len(pixels) or not all(isinstance(k, int) for k in labels):
        raise UserError(f"{path} has no b'labels' for its {len(pixels):,} images: expected a list of as many numbers")
    return pixels, np.array(labels, np.int64)


# The .npz forms


def _from_npz(path: Path) -> Source:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as npz:
            arrays = {name: npz[name] for name in npz.files if not name.startswith("test_")}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} cannot be read as a whole .npz of plain arrays ({one_line(error)})") from error
    for names, build in ((LOSSLESS, _lossless), (JPEG, _jpeg)):
        if all(name in arrays for name in names):
            classes = tuple(str(name) for name in arrays["class_names"].tolist())
            return build(path, classes, *(arrays[name] for name in names))
    found = ", ".join(sorted(arrays)[:4]) or "nothing"
    raise UserError(f"{path} holds {found}: expected class_names with {', '.join(LOSSLESS)} or {', '.join(JPEG)}")


def _lossless(path: Path, classes: tuple[str, ...], _, images: np.ndarray, labels: np.ndarray) -> Source:
    """The first images of data_batch_1, with a fixed part of them for validation."""
    if images.dtype != np.uint8 or images.shape != (len(labels), SIDE, SIDE, 3):
        raise UserError(f"{path} has images {images.dtype} {images.shape}: expected uint8 ({len(labels)}, 32, 32, 3)")
    cut = LOSSLESS_TRAIN
    splits = {"train": (images[:cut], labels[:cut]), "val": (images[cut:], labels[cut:])}
    remark = "val is a part of CIFAR-10's training images: an accuracy on it is not one on CIFAR-10's test images"
    return _source(path.stem, classes, _pixel_items(path, classes, splits), remark)


def _jpeg(path: Path, classes: tuple[str, ...], _, data: np.ndarray, offsets, labels, numbers) -> Source:
    """All training images, encoded anew; the last of each class are for validation."""
    whole = len(offsets) == len(labels) + 1 == len(numbers) + 1 and data.dtype == np.uint8
    if not whole or offsets[0] < 0 or offsets[-1] > len(data) or (np.diff(offsets) < 0).any():
        raise UserError(f"{path} has arrays that do not fit together: expected n labels and numbers, n + 1 offsets")
    items = {}
    for split, chosen in (("train", numbers < JPEG_TRAIN), ("val", numbers >= JPEG_TRAIN)):
        _check_labels(path, split, labels[chosen], classes)
        items[split] = _sorted(
            EncodedItem(
                f"{split}/{classes[labels[k]]}/{numbers[k]:05}.jpg",
                int(labels[k]),
                data[offsets[k] : offsets[k + 1]].tobytes(),
            )
            for k in np.flatnonzero(chosen)
        )
    remark = "these are JPEG re-encodings of CIFAR-10, not its own pixels, and val is a part of its training images"
    return _source(path.stem, classes, items, remark)


# Arrays to items


def _from_planes(place: Path, classes: tuple[str, ...], splits: dict[str, list[tuple]]) -> Source:
    """The same items whichever version the batches come from: an image is named by its place in its split."""
    joined = {}
    for split, batches in splits.items():
        planes, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
        joined[split] = planes.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels
    items = _pixel_items(place, classes, joined)
    remarks = [
        f"{split} has {len(items[split]):,} images, where CIFAR-10 has {COUNTS[split]:,}"
        for split in SPLITS
        if len(items[split]) != COUNTS[split]
    ]
    return _source("cifar-10", classes, items, *remarks)


def _pixel_items(place: Path, classes: tuple[str, ...], splits: dict[str, tuple]) -> dict[str, tuple[Item, ...]]:
    items = {}
    for split, (pixels, labels) in splits.items():
        _check_labels(place, split, labels, classes)
        items[split] = _sorted(
            PixelItem(f"{split}/{classes[label]}/{k:05}.png", label, pixels[k].tobytes())
            for k, label in enumerate(labels.tolist())
        )
    return items


def _check_labels(place: Path, split: str, labels: np.ndarray, classes: tuple[str, ...]) -> None:
    if len(labels) == 0:
        raise UserError(f"{place} has no images in {split}: expected at least one")
    if labels.min() < 0 or labels.max() >= len(classes):
        found = f"labels {labels.min()} to {labels.max()} in {split}"
        raise UserError(f"{place} has {found}: expected 0 to {len(classes) - 1}, one for each class name")


def _sorted(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(sorted(items, key=lambda item: (item.label, item.name)))


def _source(name: str, classes: tuple[str, ...], items: dict[str, tuple[Item, ...]], *remarks: str) -> Source:
    """The revision is a digest of every byte: the images of this set are all of one size."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for item in items[split]:
            digest.update(item.content)
    return Source(name, classes, items, revision=digest.hexdigest(), remarks=remarks)
