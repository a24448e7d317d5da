"""Uncompressed tars, read in place: one pass forward over the headers, which skips the images by seeking.

An item keeps the path of the tar and the position of its bytes in it. A tar within a tar lies there byte for byte, so
the images of ILSVRC2012_img_train.tar, which is a tar of a thousand tars, have a place in the outer one. Names inside a
tar are only ever names; nothing is written under them.
"""

import os
import re
import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tqdm import tqdm

from minialex.data.sources.records import Item, TarItem
from minialex.errors import UserError, one_line

CLASS_TAR = re.compile(r"(n\d{8})\.tar")  # all the training images of one class
FLAT_VAL = re.compile(r"ILSVRC2012_val_\d{8}\.JPEG")
SMALL = 64 * 2**20  # bytes; the largest file that is read from an archive at once has 31 million

Entry = tuple[str, Item | None]  # a name, and the item there, or None for a folder


def tar_entries(path: Path) -> Iterator[Entry]:
    """List a tar. What ILSVRC2012's own tars hold goes where it belongs: train/<wnid>/<image> and val/<image>.

    Raises UserError for a tar that is compressed, cut short or damaged, or that holds a link or a special file.
    """
    with open(path, "rb") as file, _progress(path) as bar:
        for member in _members(file, str(path), 0, os.path.getsize(path)):
            bar.update(member.offset - bar.n)
            base = PurePosixPath(member.name).name
            if member.isdir():
                yield member.name, None
            elif CLASS_TAR.fullmatch(base):
                yield from _class_tar(file, path, base, member.offset_data, member.size)
            elif base == member.name.removeprefix("./") and FLAT_VAL.fullmatch(base):
                yield _entry(f"val/{base}", path, member)
            else:
                yield _entry(member.name, path, member)


def class_tar_entries(path: Path) -> Iterator[Entry]:
    """List <wnid>.tar, which holds the training images of one class."""
    with open(path, "rb") as file:
        yield from _class_tar(file, path, path.name, 0, os.path.getsize(path))


def kind_of(path: Path) -> str:
    """By its first member: "train" and "val" for ILSVRC2012's own tars, "devkit", or "" for any other file."""
    try:
        with tarfile.open(path, "r:*") as tar:
            first = tar.next()
    except (tarfile.TarError, EOFError, OSError):
        return ""
    top = next(iter(PurePosixPath(first.name).parts), "") if first else ""
    kinds = {"train": CLASS_TAR, "val": FLAT_VAL, "devkit": re.compile("ILSVRC2012_devkit.*")}
    return next((kind for kind, pattern in kinds.items() if pattern.fullmatch(top)), "")


def small_files(place: Path, names: Collection[str]) -> dict[str, bytes]:
    """The contents of those of `names` that are in a folder, or anywhere in a tar, compressed or not."""
    if place.is_dir():
        return {name: (place / name).read_bytes() for name in names if (place / name).exists()}
    files = {}
    try:
        with tarfile.open(place, "r:*") as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                if name in names and member.isreg() and member.size < SMALL:
                    files[name] = tar.extractfile(member).read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UserError(f"{place} cannot be read as a whole tar.gz ({one_line(error)})") from error
    return files


def _class_tar(file: BinaryIO, path: Path, name: str, start: int, size: int) -> Iterator[Entry]:
    folder = f"train/{name.removesuffix('.tar')}"
    yield folder, None
    shown = str(path) if path.name == name else f"{path}: {name}"
    for member in _members(file, shown, start, start + size):
        if not member.isdir():
            yield _entry(f"{folder}/{PurePosixPath(member.name).name}", path, member)


def _entry(name: str, path: Path, member: tarfile.TarInfo) -> Entry:
    return name, TarItem(name, -1, str(path), member.offset_data, member.size)


def _members(file: BinaryIO, name: str, start: int, end: int) -> Iterator[tarfile.TarInfo]:
    """The members of the tar that lies in `file` from `start` to `end`; positions are those in the file."""
    try:
        file.seek(start)
        with tarfile.open(fileobj=file, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # it would keep them all, and 1.28 million take gigabytes
                if member.size < 0:  # it would lead back, and round in circles
                    raise tarfile.ReadError(f"{member.name} has a size of {member.size}")
                if member.issparse() or not (member.isreg() or member.isdir()):
                    raise UserError(f"{name}: {member.name} is a link or special: expected plain files")
                yield member
            # tarfile takes a header that is cut short for the end, and would leave the rest out in silence
            file.seek(tar.offset)
            if tar.offset + tarfile.BLOCKSIZE > end or file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
                raise tarfile.ReadError("it ends without the mark of its end")
    except tarfile.TarError as error:
        raise UserError(f"{name} cannot be read as a whole, uncompressed tar ({one_line(error)})") from error


def _progress(path: Path) -> tqdm:
    """A bar for the minutes that the headers of 138 GiB take on a slow disk; where it takes a moment, none."""
    size = os.path.getsize(path)
    return tqdm(total=size, desc=f"listing {path.name}", unit="B", unit_scale=True, delay=2, disable=None, leave=False)
