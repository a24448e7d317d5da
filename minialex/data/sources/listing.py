"""What says which classes there are, and which class a validation image belongs to: the devkit, or Kaggle's files."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minialex.data.sources.tars import small_files
from minialex.errors import UserError, one_line

WNID = re.compile(r"n\d{8}")
DEVKIT = "ILSVRC2012_devkit_t12"
META, TRUTH = "meta.mat", "ILSVRC2012_validation_ground_truth.txt"
MAPPING, SOLUTION = "LOC_synset_mapping.txt", "LOC_val_solution.csv"
PER_CLASS = 50  # validation images


@dataclass(frozen=True)
class Listing:
    """The classes in label order, and what else is known of them.

    origin: the file or folder that says so.  wnids: sorted; a label is the place in it.  words: of each class.
    val: the wnid of each validation image, by file name; empty if nothing says it.
    train_counts: how many training images each wnid has; empty if nothing says it.
    """

    origin: Path
    wnids: tuple[str, ...]
    words: tuple[str, ...]
    val: Mapping[str, str] = field(default_factory=dict)
    train_counts: Mapping[str, int] = field(default_factory=dict)


def find_listing(folder: Path) -> Listing | None:
    """Read the devkit (a folder or an archive) or Kaggle's mapping in `folder`; None if there is neither.

    Raises UserError where one is there and is not whole.
    """
    for name in (DEVKIT, f"{DEVKIT}.tar.gz", f"{DEVKIT}.tar"):
        if (folder / name).exists():
            return _devkit(folder / name)
    return _kaggle(folder) if (folder / MAPPING).exists() else None


# The devkit


def _devkit(path: Path) -> Listing:
    """Its ids are numbers of its own, 1 to 1000 in another order than the labels: meta.mat says which wnid each is."""
    files = small_files(path / "data" if path.is_dir() else path, (META, TRUTH))
    for name in (META, TRUTH):
        if name not in files:
            raise UserError(f"{path} has no data/{name}: expected the whole development kit of ILSVRC2012")
    leaves = _leaves(files[META], path)
    truth = _ground_truth(files[TRUTH], {id: wnid for id, wnid, *_ in leaves}, path)
    by_wnid = sorted(leaves, key=lambda leaf: leaf[1])
    return Listing(
        origin=path,
        wnids=tuple(wnid for _, wnid, _, _ in by_wnid),
        words=tuple(words for _, _, words, _ in by_wnid),
        val=truth,
        train_counts={wnid: count for _, wnid, _, count in by_wnid},
    )


def _leaves(meta: bytes, path: Path) -> list[tuple[int, str, str, int]]:
    """(id, wnid, words, number of training images) of the synsets without children, from meta.mat."""
    from scipy.io import loadmat  # only where there is a devkit to read

    try:
        synsets = np.atleast_1d(loadmat(io.BytesIO(meta), squeeze_me=True)["synsets"])
        leaves = [
            (int(s["ILSVRC2012_ID"]), str(s["WNID"]), str(s["words"]), int(s["num_train_images"]))
            for s in synsets
            if int(s["num_children"]) == 0
        ]
    except Exception as error:  # damaged bytes make the reader raise nearly anything
        raise UserError(f"{path}: {META} cannot be read ({one_line(error)}): expected the development kit's") from error
    if not leaves or len({id for id, *_ in leaves}) < len(leaves):
        raise UserError(f"{path}: {META} lists {len(leaves)} classes, or one id twice: expected the development kit's")
    return leaves


def _ground_truth(text: bytes, wnids: dict[int, str], path: Path) -> dict[str, str]:
    """{file name: wnid}: line k is the id of ILSVRC2012_val_<k>.JPEG, counted from 1."""
    lines = text.decode("ascii", "replace").split()
    if len(lines) != PER_CLASS * len(wnids):
        raise UserError(
            f"{path}: {TRUTH} has {len(lines):,} lines: expected {PER_CLASS * len(wnids):,}, "
            f"{PER_CLASS} for each of {len(wnids):,} classes"
        )
    known = {str(id): wnid for id, wnid in wnids.items()}
    for k, line in enumerate(lines, 1):
        if line not in known:
            raise UserError(f"{path}: {TRUTH} has {line[:20]!r} in line {k}: expected an id that {META} lists")
    return {f"ILSVRC2012_val_{k:08}.JPEG": known[line] for k, line in enumerate(lines, 1)}


# Kaggle


def _kaggle(folder: Path) -> Listing:
    path = folder / MAPPING
    words = {}
    for k, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        wnid, _, rest = line.strip().partition(" ")
        if line.strip() and not WNID.fullmatch(wnid):
            raise UserError(f"{path} has {line[:40]!r} in line {k}: expected a wnid such as n01440764, and words")
        if line.strip():
            words[wnid] = rest.removeprefix(": ").strip()
    if not words:
        raise UserError(f"{path} is empty: expected a line with wnid and words for each class")
    wnids = tuple(sorted(words))
    return Listing(path, wnids, tuple(words[wnid] for wnid in wnids), val=_solution(folder / SOLUTION, words))


def _solution(path: Path, known: Mapping[str, str]) -> dict[str, str]:
    """{file name: wnid}: a row is "ILSVRC2012_val_<k>,<wnid> <box>", with more boxes of the same wnid, perhaps."""
    if not path.exists():
        return {}
    val = {}
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        for k, row in enumerate(csv.reader(file), 1):
            wnid = row[1].split(" ")[0] if len(row) > 1 else ""
            if wnid in known:
                val[f"{row[0]}.JPEG"] = wnid
            elif row and k > 1:  # the first row names the columns
                raise UserError(f"{path} has {','.join(row)[:40]!r} in line {k}: expected a wnid that {MAPPING} lists")
    return val
