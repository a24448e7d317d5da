"""Where images come from: a class folder, or the same inside .tar files.

    photos/train/<class>/<image>            photos/train.tar   members train/<class>/<image>
    photos/val/<class>/<image>              photos/val.tar     members val/<class>/<image>

A tar is read in place: an item keeps the tar's path and the position of its bytes in it. Names inside a tar
are only ever names; nothing is written under them.
"""

import hashlib
import os
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from minialex.errors import UserError

SPLITS = ("train", "val")
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm")
EXPECTED = "expected train/ and val/ with <class>/<image> in each, or .tar files with such members"


class Item(Protocol):
    """One encoded image: its name in the source ("train/<class>/<image>") and its label."""

    name: str
    label: int

    def read(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class FileItem:
    """An image file on disk."""

    name: str
    label: int
    path: str

    @property
    def size(self) -> int:
        return Path(self.path).stat().st_size

    def read(self) -> bytes:
        return Path(self.path).read_bytes()


@dataclass(frozen=True, slots=True)
class TarItem:
    """An image file inside an uncompressed tar: `size` bytes from `offset` on."""

    name: str
    label: int
    tar: str
    offset: int
    size: int

    def read(self) -> bytes:
        with open(self.tar, "rb") as file:
            file.seek(self.offset)
            data = file.read(self.size)
        if len(data) != self.size:
            raise OSError(f"{self.tar} ends inside {self.name}")
        return data


@dataclass(frozen=True)
class Source:
    """A data set before preparation: label k is `classes[k]`; `splits` maps "train" and "val" to items.

    `revision` tells two sources apart whose items have the same names: a new one is prepared anew.
    """

    name: str
    classes: tuple[str, ...]
    splits: dict[str, tuple[Item, ...]]
    revision: str = ""


def open_source(path: str | Path) -> Source:
    """List the images below `path`: a folder with train/ and val/, a folder of .tar files, or one .tar file.

    Classes are the sorted class names of train; items are sorted by label, then by name.
    Raises UserError, in one line with what was found and what was expected, for anything else.
    """
    path = Path(path)
    try:
        return _assemble(path.resolve().name.removesuffix(".tar"), path, _look(path))
    except OSError as error:
        raise UserError(f"cannot read {error.filename or path}: {error.strerror or error}") from error


def _look(path: Path) -> Iterable[tuple[PurePosixPath, Item | None]]:
    """Tell the layouts apart by looking; yields (name, item) with None for a folder."""
    if path.is_file():
        return _scan_tar(path)
    if not path.exists():
        raise UserError(f"{path}: no such file or folder ({EXPECTED})")
    if any((path / split).exists() for split in SPLITS):
        return _scan_folder(path)
    tars = sorted(entry for entry in path.iterdir() if entry.suffix == ".tar" and not _hidden(entry.name))
    if tars:
        return (found for tar in tars for found in _scan_tar(tar))
    names = sorted(entry.name for entry in path.iterdir() if not _hidden(entry.name))
    found = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    raise UserError(f"{path} holds {found or 'nothing'}: {EXPECTED}")


def _scan_folder(path: Path) -> Iterator[tuple[PurePosixPath, Item | None]]:
    for split in SPLITS:
        if (path / split).is_file():
            raise UserError(f"{path / split} is a file: {EXPECTED}")
        if (path / split).exists():
            yield from _walk(path, split)


def _walk(path: Path, split: str) -> Iterator[tuple[PurePosixPath, Item | None]]:
    def fail(error: OSError):  # os.walk would pass over a folder that it cannot read
        raise error

    # A subset is often a folder of links to the classes of a larger set.
    for folder, folders, files in os.walk(path / split, onerror=fail, followlinks=True):
        inner = PurePosixPath(Path(folder).relative_to(path).as_posix())
        yield from ((inner / name, None) for name in folders)
        for name in files:
            yield inner / name, FileItem(str(inner / name), -1, os.path.join(folder, name))


def _scan_tar(path: Path) -> Iterator[tuple[PurePosixPath, Item | None]]:
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.isdir():
                    yield PurePosixPath(member.name), None
                elif not member.isreg() or member.issparse():
                    raise UserError(f"{path}: {member.name} is a link or special: expected plain files")
                else:
                    item = TarItem(member.name, -1, str(path), member.offset_data, member.size)
                    yield PurePosixPath(member.name), item
            # tarfile takes a header that is cut short for the end, and would leave the rest out in silence
            tar.fileobj.seek(tar.offset)
            if tar.fileobj.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
                raise tarfile.ReadError("it ends without the mark of its end")
    except tarfile.TarError as error:
        raise UserError(f"{path} cannot be read as a whole, uncompressed tar ({error})") from error


def _assemble(name: str, path: Path, entries: Iterable[tuple[PurePosixPath, Item | None]]) -> Source:
    """Sort what was found by split and class, and number the classes."""
    found: dict[str, dict[str, list[Item]]] = {split: {} for split in SPLITS}
    for entry, item in entries:
        if any(_hidden(part) for part in entry.parts):
            continue
        split, *inner = _from_split(entry.parts)
        if item is not None and not split:
            raise UserError(f"{path}: {entry} is under neither train/ nor val/: {EXPECTED}")
        if item is not None and len(inner) < 2:
            raise UserError(f"{path}: {entry} is a file where a class folder should be: {EXPECTED}")
        if item is not None and entry.suffix.lower() not in SUFFIXES:
            raise UserError(f"{path}: {entry} is not an image by its name: expected {' '.join(SUFFIXES)}")
        if inner:
            items = found[split].setdefault(inner[0], [])
            if item is not None:
                items.append(replace(item, name="/".join([split, *inner])))
    _check(path, found)
    classes = tuple(sorted(found["train"]))
    splits = {split: _labelled(found[split], classes) for split in SPLITS}
    sizes = "\n".join(str(item.size) for split in SPLITS for item in splits[split])
    return Source(name, classes, splits, revision=hashlib.sha256(sizes.encode()).hexdigest())


def _from_split(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The parts from "train" or "val" on, ("",) if there is none: an archive may have a folder above them."""
    for k, part in enumerate(parts):
        if part in SPLITS:
            return parts[k:]
    return ("",)


def _check(path: Path, found: dict[str, dict[str, list[Item]]]) -> None:
    for split in SPLITS:
        if not found[split]:
            raise UserError(f"{path} has no classes in {split}/: {EXPECTED}")
        for name, items in found[split].items():
            if not items:
                raise UserError(f"{path}: class {split}/{name} has no images: expected at least one")
            names = Counter(item.name for item in items)
            if len(names) < len(items):
                raise UserError(f"{path} has {names.most_common(1)[0][0]} twice: expected each image once")
    unknown = sorted(found["val"].keys() - found["train"].keys())
    if unknown:
        raise UserError(f"{path}: val/ has classes that train/ lacks: {', '.join(unknown[:5])}")


def _labelled(found: dict[str, list[Item]], classes: tuple[str, ...]) -> tuple[Item, ...]:
    return tuple(
        replace(item, label=label)
        for label, name in enumerate(classes)
        for item in sorted(found.get(name, ()), key=lambda item: item.name)
    )


def _hidden(name: str) -> bool:
    return name.startswith(".")
