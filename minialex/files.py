"""Files that are whole or not there: written under a temporary name, brought to disk, renamed; one writer a folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from minialex.errors import RunError, UserError, one_line

LOCK = "lock"  # the empty file that a folder's one writer holds; left behind it means nothing


def write_atomically(path: str | Path, write: Callable[[Path], None]) -> None:
    """Call `write(temporary)` in the folder of `path`, then rename: a crash leaves the old file or the new one.

    Raises RunError with the reason where the disk is full or the folder cannot be written; the old file stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {one_line(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: str | Path) -> Iterator[None]:
    """Make a folder and be its only writer until the block ends; half-written files of a killed one are swept first.

    The lock is the operating system's: it goes with its process, however that ends.
    Raises UserError where another process has the folder, or it cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(folder / LOCK).acquire(timeout=0)
    except Timeout as error:
        raise UserError(f"{folder} is in use by another process: let that one end, or choose another folder") from error
    except OSError as error:
        raise UserError(f"cannot make {folder}, or write into it: {error.strerror}") from error
    with held:
        for temporary in folder.rglob(".*.tmp"):
            temporary.unlink(missing_ok=True)
        yield


def _sync_folder(folder: Path) -> None:
    """Bring the new name itself to disk; Windows does so by itself and cannot open a folder."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
