"""The packed format: images of 256x256 as plain .npy shards, and one JSON index.

index.json          classes, counts, checksums, what was converted or rejected, the recipe
train-00000.npy     uint8 (n,256,256,3), n <= 1024; numpy.load(..., mmap_mode="r") opens it
train-labels.npy    int64, for all shards of the split; the same for val
train-crc32.npy     uint32, zlib.crc32 of the bytes of each image; the same for val
mean.npy            float32 (256,256,3), the mean of the training images
"""

import hashlib
import io
import json
import math
import os
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from minialex.data.augment import SIDE, principal_components
from minialex.errors import RunError, UserError, one_line

FORMAT = 2
IMAGE = (SIDE, SIDE, 3)
AGAIN = "prepare the data again into the same folder"  # which keeps what is whole
CHANGED = f"has changed since it was made: {AGAIN}"


@dataclass(frozen=True, eq=False)
class Split:
    """The images and labels of train or val.

    A shard is opened for each image and closed again. A memory map would hold its file open, and of ImageNet's 1,300
    shards no more than 1,024 usually may be. To map a shard anew costs four times what a plain read does, keeping the
    512 last maps twice; and where a mapped file has become shorter, the process dies without a word.

    An image is compared with its checksum the first time that this object reads it: `checked` tells which were.
    """

    labels: np.ndarray  # (n,) int64
    crc32: np.ndarray  # (n,) uint32, of each image's bytes
    files: tuple[Path, ...]
    starts: np.ndarray  # (shards + 1,) the index of each shard's first image, and n
    offsets: tuple[int, ...]  # bytes before each shard's first pixel
    checked: np.ndarray  # (n,) bool

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices, *, out: np.ndarray | None = None) -> np.ndarray:
        """The images at `indices` (n,), in that order: uint8 (n,256,256,3), in `out` where it is given.

        Raises IndexError outside 0..len-1, and RunError where an image cannot be read or has changed.
        """
        indices = np.asarray(indices, dtype=np.int64)
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(self):
            raise IndexError(f"indices {indices.min()}..{indices.max()} of a split of {len(self)} images")
        images = np.empty((len(indices), *IMAGE), np.uint8) if out is None else out
        shards = np.searchsorted(self.starts, indices, side="right") - 1
        for index, shard, image in zip(indices.tolist(), shards.tolist(), images, strict=True):
            position = index - int(self.starts[shard])
            self._read(shard, position, image)
            if not self.checked[index]:
                if zlib.crc32(image) != self.crc32[index]:
                    raise RunError(f"image {position} of {self.files[shard]} {CHANGED}")
                self.checked[index] = True
        return images

    def _read(self, shard: int, position: int, image: np.ndarray) -> None:
        try:
            with open(self.files[shard], "rb") as file:
                file.seek(self.offsets[shard] + position * image.nbytes)
                if file.readinto(image) != image.nbytes:
                    raise OSError("it has become shorter")
        except OSError as error:
            raise RunError(f"cannot read {self.files[shard]}: {one_line(error)}") from error


@dataclass(frozen=True, eq=False)
class Subset:
    """Some images of a split, by their indices in it."""

    split: Split
    indices: np.ndarray  # (n,) int64

    @property
    def labels(self) -> np.ndarray:
        return self.split.labels[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def images(self, indices, *, out: np.ndarray | None = None) -> np.ndarray:
        """The images at `indices` of this subset: uint8 (n,256,256,3), in `out` where it is given."""
        return self.split.images(self.indices[indices], out=out)


@dataclass(frozen=True, eq=False)
class Packed:
    """A prepared data set: label k is `classes[k]`; `mean` is float32 (256,256,3) in pixels 0..255."""

    folder: Path
    classes: tuple[str, ...]
    mean: np.ndarray
    train: Split | Subset
    val: Split | Subset
    index: dict

    @property
    def words(self) -> tuple[str, ...]:
        """What the classes are called in words, where the source told; else their names."""
        return tuple(self.index["words"] or self.classes)[: len(self.classes)]

    @property
    def covariance(self) -> np.ndarray:
        """The covariance of R, G and B over all pixels of all training images: float64 (3,3), squared pixels 0..255."""
        return np.array(self.index["covariance"], np.float64)

    def first_classes(self, count: int) -> "Packed":
        """The same data with its first `count` classes alone; the mean stays that of all.

        Raises UserError for fewer than 2 or more than there are.
        """
        if not 2 <= count <= len(self.classes):
            raise UserError(f"{count} classes of {len(self.classes)}: it needs 2 to {len(self.classes)}")
        train, val = (Subset(part, np.flatnonzero(part.labels < count)) for part in (self.train, self.val))
        return replace(self, classes=self.classes[:count], train=train, val=val)


def open_packed(folder: str | Path) -> Packed:
    """Open a prepared folder and check it: shapes, dtypes and lengths; labels and mean byte by byte.

    Raises UserError that names the file at fault. `verify` looks at every byte of the shards too.
    """
    folder = Path(folder)
    index = _read_index(folder)
    try:
        classes = tuple(index["classes"])
        mean = _load_small(folder, "mean.npy", index)
        _check_array(folder / "mean.npy", mean, IMAGE, np.float32)
        principal_components(index["covariance"])  # raises ValueError where it is none
        if len(index["words"]) not in (0, len(classes)):
            raise ValueError(f"{len(index['words'])} words")
        splits = [_open_split(folder, split, index) for split in ("train", "val")]
        return Packed(folder, classes, mean, *splits, index)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{folder / 'index.json'} is damaged ({error!r}): {AGAIN}") from error


def verify(folder: str | Path) -> None:
    """Compare every file of a packed folder with its checksum; UserError names the first that differs."""
    folder = Path(folder)
    packed = open_packed(folder)
    for shards in packed.index["shards"].values():
        for shard in shards:
            if checksum(folder / shard["file"]) != shard["sha256"]:
                raise UserError(f"{folder / shard['file']} {CHANGED}")


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_index(folder: Path) -> dict:
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{folder} is not a packed data set: it has no index.json") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / 'index.json'} cannot be read ({one_line(error)})") from error
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise UserError(
            f"{folder / 'index.json'} is not of format {FORMAT}: prepare the data again, into another folder"
        )
    return index


def _open_split(folder: Path, split: str, index: dict) -> Split:
    labels = _load_small(folder, f"{split}-labels.npy", index)
    shards = index["shards"][split]
    files = tuple(_inside(folder, shard["file"]) for shard in shards)
    offsets = tuple(_open_shard(file, (shard["count"], *IMAGE)) for file, shard in zip(files, shards, strict=True))
    starts = np.cumsum([0] + [shard["count"] for shard in shards])
    count = int(starts[-1])
    _check_array(folder / f"{split}-labels.npy", labels, (count,), np.int64)
    if len(labels) == 0 or not 0 <= labels.min() <= labels.max() < len(index["classes"]):
        raise UserError(f"{folder}: the labels of {split} are not in 0..{len(index['classes']) - 1}")
    crc32 = _load_small(folder, f"{split}-crc32.npy", index)
    _check_array(folder / f"{split}-crc32.npy", crc32, (count,), np.uint32)
    return Split(labels, crc32, files, starts, offsets, np.zeros(count, bool))


def _open_shard(path: Path, shape: tuple[int, ...]) -> int:
    """Check one shard's header and length; returns where its pixels begin."""
    try:
        with open(path, "rb") as file:
            np.lib.format.read_magic(file)
            found, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            offset, length = file.tell(), os.fstat(file.fileno()).st_size
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({one_line(error)}): {AGAIN}") from error
    if found != shape or dtype != np.uint8 or fortran:
        raise UserError(f"{path} holds {dtype} {found}, not uint8 {shape} in C order: {AGAIN}")
    if length != offset + math.prod(shape):
        raise UserError(f"{path} cannot be read (it has {length} bytes, not {offset + math.prod(shape)}): {AGAIN}")
    return offset


def _load_small(folder: Path, name: str, index: dict) -> np.ndarray:
    path = _inside(folder, name)
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != index["files"][name]:
            raise UserError(f"{path} {CHANGED}")
        return np.load(io.BytesIO(data), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} cannot be read ({one_line(error)}): {AGAIN}") from error


def _inside(folder: Path, name: str) -> Path:
    """The path of a file that an index names: a plain name, so that it cannot lead out of the folder."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*\.npy", name):
        raise UserError(f"{folder / 'index.json'} names {name!r}: expected a plain .npy file beside it")
    return folder / name


def _check_array(path: Path, array: np.ndarray, shape: tuple[int, ...], dtype: type) -> None:
    if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
        raise UserError(f"{path} holds {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}: {AGAIN}")
