"""What a source is: encoded images with a name and a label each, in two splits."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SPLITS = ("train", "val")


class Item(Protocol):
    """One encoded image: its name ("train/<class>/<image>"), its label and its size in bytes.

    Items are small and can be pickled: a worker process gets those that it is to read, and no more.
    """

    name: str
    label: int

    @property
    def size(self) -> int: ...

    def read(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class FileItem:
    """An image file on disk."""

    name: str
    label: int
    path: str

    @property
    def size(self) -> int:
        return os.path.getsize(self.path)

    def read(self) -> bytes:
        return Path(self.path).read_bytes()


@dataclass(frozen=True, slots=True)
class TarItem:
    """An image file inside an uncompressed tar, or in a tar within that: `size` bytes from `offset` on."""

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

    revision: tells two sources apart whose items have the same names: a new one is prepared anew.
    words: class k in words ("tench, Tinca tinca"); empty where nothing says them.
    remarks: a line each about what is unusual but no obstacle, such as images that should be there.
    """

    name: str
    classes: tuple[str, ...]
    splits: dict[str, tuple[Item, ...]]
    revision: str = ""
    words: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
