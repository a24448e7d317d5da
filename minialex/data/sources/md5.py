"""Whether ILSVRC2012's three files are what was published, by their md5 sums."""

import hashlib
from pathlib import Path

from tqdm import tqdm

from minialex.errors import UserError, one_line

SUMS = {
    "ILSVRC2012_img_train.tar": "1d675b47d978889d74fa0da5fadfb00e",
    "ILSVRC2012_img_val.tar": "29b22e2961454d5413ddabcf34fc5622",
    "ILSVRC2012_devkit_t12.tar.gz": "fa75699e90414af021442c21a62c3abf",
}
CHUNK = 2**22  # bytes


def md5_report(path: str | Path) -> list[str]:
    """A line for each of ILSVRC2012's three files in the folder `path`: whether its md5 sum is the published one.

    It reads every byte, which takes minutes; a bar on stderr shows how many.
    Raises UserError where none of the three is there, or one cannot be read.
    """
    folder = Path(path)
    there = [name for name in SUMS if (folder / name).is_file()]
    if not there:
        raise UserError(f"{folder} has no file whose md5 sum is known: expected {', '.join(SUMS)}")
    try:
        return [_line(folder / name) if name in there else f"{name}: not there" for name in SUMS]
    except OSError as error:
        raise UserError(f"cannot read {error.filename or folder}: {one_line(error)}") from error


def _line(path: Path) -> str:
    found, expected = _md5(path), SUMS[path.name]
    if found == expected:
        return f"{path.name}: md5 {found}, as published"
    return f"{path.name}: md5 {found}, but {expected} was published: damaged, cut short, or another version"


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    bar = tqdm(total=path.stat().st_size, desc=path.name, unit="B", unit_scale=True, delay=2, disable=None, leave=False)
    with open(path, "rb") as file, bar:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()
