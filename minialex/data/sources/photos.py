"""Photos in class folders or in tars, and ImageNet in every shape that people hold it in."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from minialex.data.sources.listing import DEVKIT, MAPPING, SOLUTION, WNID, Listing, find_listing
from minialex.data.sources.records import SPLITS, FileItem, Item, Source
from minialex.data.sources.tars import CLASS_TAR, FLAT_VAL, Entry, class_tar_entries, kind_of, tar_entries
from minialex.data.sources.words import words_of
from minialex.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm")
EXPECTED = "expected train/ and val/ with <class>/<image> in each, or .tar files with such members"
KNOWN = f"{EXPECTED}, or ImageNet or CIFAR-10 as they are downloaded"
KAGGLE = ("ILSVRC", "Data", "CLS-LOC")  # the folders above Kaggle's train/ and val/
FULL = {"train": 1_281_167, "val": 50_000}  # images of ILSVRC2012, which has 1000 classes

Found = dict[str, dict[str, list[Item]]]  # split -> class -> items


def open_photos(path: Path) -> Source:
    """Tell the layout below `path` by looking, list it, and number the classes; see `open_source`."""
    if path.is_file():
        _refuse_alone(path)
        return _assemble(path, tar_entries(path), None)
    if not path.exists():
        raise UserError(f"{path}: no such file or folder ({KNOWN})")
    base = _base(path)
    parts = {split: place for split in SPLITS if (place := _place(base, split))}
    if parts:
        listing = _listing(path, base)
        _check_parts(path, parts, listing)
        return _assemble(path, _entries(parts), listing, _left_aside(base, parts))
    tars = sorted(entry for entry in base.iterdir() if entry.suffix == ".tar" and not _hidden(entry.name))
    if tars:
        return _assemble(path, (entry for tar in tars for entry in tar_entries(tar)), _listing(path, base))
    names = sorted(entry.name for entry in path.iterdir() if not _hidden(entry.name))
    found = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    raise UserError(f"{path} holds {found or 'nothing'}: {KNOWN}")


# Where things are


def _base(path: Path) -> Path:
    """The folder with train/ and val/: `path`, or the end of Kaggle's long way there."""
    ways = [path.joinpath(*KAGGLE[k:]) for k in reversed(range(len(KAGGLE) + 1))]
    return next((base for base in ways if any(_place(base, split) for split in SPLITS)), path)


def _place(base: Path, split: str) -> Path | None:
    """Where a split is: the tar as it was downloaded, or a folder. The tar goes first: it is whole, or says so."""
    names = (f"ILSVRC2012_img_{split}.tar", split, f"ILSVRC2012_img_{split}")
    return next((base / name for name in names if (base / name).exists()), None)


def _listing(path: Path, base: Path) -> Listing | None:
    """The devkit or mapping beside the images, in the folder that was given, or where Kaggle has it."""
    whole = base.resolve()
    above = [whole.parents[len(KAGGLE) - 1]] if whole.parts[-len(KAGGLE) :] == KAGGLE else []
    return next((listing for folder in (base, path, *above) if (listing := find_listing(folder))), None)


def _refuse_alone(path: Path) -> None:
    """One of ILSVRC2012's three files is no data set: say what goes with it, before it is read for minutes."""
    kind = kind_of(path)
    if kind:
        names = {split: f"ILSVRC2012_img_{split}.tar" for split in SPLITS} | {"devkit": f"{DEVKIT}.tar.gz"}
        others = [name for other, name in names.items() if other != kind and not (path.parent / name).exists()]
        missing = f", with {' and '.join(others)} beside it" if others else ""
        raise UserError(f"{path} is the {kind} part of ILSVRC2012 alone: give its folder, {path.parent}{missing}")


def _check_parts(path: Path, parts: dict[str, Path], listing: Listing | None) -> None:
    """What a look at the folders shows, before the images are listed."""
    for split, other in (SPLITS, SPLITS[::-1]):
        if split not in parts:
            wanted = f"{split}/ or ILSVRC2012_img_{split}.tar"
            raise UserError(f"{path} has no classes in {split}/, only {parts[other].name}: expected {wanted} too")
        if parts[split].is_file() and parts[split].suffix != ".tar":
            raise UserError(f"{parts[split]} is a file: {EXPECTED}")
    if parts["val"].suffix == ".tar" and listing is None:
        raise UserError(_without_truth(path, parts["val"].name))


def _left_aside(base: Path, parts: dict[str, Path]) -> list[str]:
    both = [(split, place) for split, place in parts.items() if place.suffix == ".tar" and (base / split).exists()]
    return [f"{place.name} is read, and {split}/ beside it is not" for split, place in both]


def _without_truth(path: Path, name: str) -> str:
    return (
        f"{path}: the validation images are in no class folders ({name}), and nothing says which class each is: "
        f"put {DEVKIT}.tar.gz there, or Kaggle's {MAPPING} and {SOLUTION}"
    )


# Listing


def _entries(parts: dict[str, Path]) -> Iterator[Entry]:
    for split, place in parts.items():
        yield from tar_entries(place) if place.is_file() else _walk(place, split)


def _walk(place: Path, split: str) -> Iterator[Entry]:
    def fail(error: OSError):  # os.walk would pass over a folder that it cannot read
        raise error

    # A subset is often a folder of links to the classes of a larger set.
    for folder, folders, files in os.walk(place, onerror=fail, followlinks=True):
        inner = Path(folder).relative_to(place).as_posix()
        above = split if inner == "." else f"{split}/{inner}"
        yield from ((f"{above}/{name}", None) for name in folders)
        for name in files:
            if above == "train" and CLASS_TAR.fullmatch(name):
                yield from class_tar_entries(place / name)
            else:
                yield f"{above}/{name}", FileItem(f"{above}/{name}", -1, os.path.join(folder, name))


def _assemble(path: Path, entries: Iterable[Entry], listing: Listing | None, aside: Iterable[str] = ()) -> Source:
    """Sort what was listed by split and class, and number the classes."""
    found = _sort(path, entries, listing)
    _check(path, found, listing)
    classes = listing.wnids if listing else tuple(sorted(found["train"]))
    words, hints = (listing.words, ()) if listing else words_of(classes)
    remarks = (*aside, *_remarks(found, classes, listing), *hints)
    splits = {split: _labelled(found[split], classes) for split in SPLITS}
    return Source(
        name=path.resolve().name.removesuffix(".tar"),
        classes=classes,
        splits=splits,
        revision=_revision(splits),
        words=words,
        remarks=remarks,
    )


def _sort(path: Path, entries: Iterable[Entry], listing: Listing | None) -> Found:
    found: Found = {split: {} for split in SPLITS}
    for entry, item in entries:
        parts = [part for part in entry.split("/") if part not in ("", ".")]
        if any(_hidden(part) for part in parts):
            continue
        split, *inner = _from_split(parts)
        if item is not None:
            if not split:
                raise UserError(f"{path}: {entry} is under neither train/ nor val/: {EXPECTED}")
            if not entry.lower().endswith(SUFFIXES):
                raise UserError(f"{path}: {entry} is not an image by its name: expected {' '.join(SUFFIXES)}")
            if len(inner) == 1:
                inner = [_class_of(path, entry, split, inner[0], listing), *inner]
            name = "/".join([split, *inner])
            found[split].setdefault(inner[0], []).append(item if item.name == name else replace(item, name=name))
        elif inner:
            found[split].setdefault(inner[0], [])
    return found


def _from_split(parts: list[str]) -> list[str]:
    """The parts from "train" or "val" on, [""] if there is none: an archive may have a folder above them."""
    return next((parts[k:] for k, part in enumerate(parts) if part in SPLITS), [""])


def _class_of(path: Path, entry: str, split: str, name: str, listing: Listing | None) -> str:
    """The class of an image that lies in no class folder, as those of ILSVRC2012's val do."""
    if split == "train" or not FLAT_VAL.fullmatch(name):
        raise UserError(f"{path}: {entry} is a file where a class folder should be: {EXPECTED}")
    if listing is None or not listing.val:
        raise UserError(_without_truth(path, name))
    if name not in listing.val:
        raise UserError(f"{path}: {name} is not among the {len(listing.val):,} images that {listing.origin} knows")
    return listing.val[name]


def _check(path: Path, found: Found, listing: Listing | None) -> None:
    for split in SPLITS:
        if not found[split]:
            raise UserError(f"{path} has no classes in {split}/: {EXPECTED}")
        for name, items in found[split].items():
            if not items:
                raise UserError(f"{path}: class {split}/{name} has no images: put some there, or take the folder away")
            names = Counter(item.name for item in items)
            if len(names) < len(items):
                raise UserError(f"{path} has {names.most_common(1)[0][0]} twice: expected each image once")
    unknown = sorted(found["val"].keys() - found["train"].keys())
    if unknown:
        raise UserError(
            f"{path}: val/ has classes that train/ lacks: {_some(unknown)}; add their images, or take them out"
        )
    unlisted = sorted(found["train"].keys() - set(listing.wnids)) if listing else []
    if unlisted:
        raise UserError(f"{path}: train/ has classes that {listing.origin} does not list: {_some(unlisted)}")


def _labelled(found: dict[str, list[Item]], classes: tuple[str, ...]) -> tuple[Item, ...]:
    """The items of a split in order of label and name; `found` is emptied on the way, for there are many."""
    return tuple(
        replace(item, label=label)
        for label, name in enumerate(classes)
        for item in sorted(found.pop(name, ()), key=lambda item: item.name)
    )


def _revision(splits: dict[str, tuple[Item, ...]]) -> str:
    """A digest of the images' sizes, which are the same in whatever layout they lie."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for item in splits[split]:
            digest.update(b"%d\n" % item.size)
    return digest.hexdigest()


# Remarks


def _remarks(found: Found, classes: tuple[str, ...], listing: Listing | None) -> tuple[str, ...]:
    """What differs from what is known about the data set, a line each."""
    expected = {"train": listing.train_counts, "val": Counter(listing.val.values())} if listing else {}
    full = len(classes) == 1000 and all(WNID.fullmatch(name) for name in classes)
    lines = []
    for split in SPLITS:
        counts = {name: len(items) for name, items in found[split].items()}
        if expected.get(split):
            lines += _differences(split, counts, expected[split], listing.origin)
        elif full and sum(counts.values()) != FULL[split]:
            lines.append(f"{split} has {sum(counts.values()):,} images, where ILSVRC2012 has {FULL[split]:,}")
    return (*lines, *_misplaced(found["val"], listing))


def _differences(split: str, counts: dict[str, int], expected: dict[str, int], origin: Path) -> list[str]:
    wrong = [name for name in sorted(expected) if counts.get(name, 0) != expected[name]]
    if not wrong:
        return []
    some = _some([f"{name} has {counts.get(name, 0):,} of {expected[name]:,}" for name in wrong], 3)
    total, wanted = sum(counts.values()), sum(expected.values())
    return [f"{split} has {total:,} images, where {origin.name} lists {wanted:,}: {some}"]


def _misplaced(val: dict[str, list[Item]], listing: Listing | None) -> list[str]:
    """Validation images in the folder of another class than theirs: the mistake that is made most often."""
    if listing is None:
        return []
    wrong = [
        f"{file} is {listing.val[file]}, not {name}"
        for name, items in val.items()
        for file in (item.name.rpartition("/")[2] for item in items)
        if listing.val.get(file, name) != name
    ]
    return [f"val: {len(wrong):,} images lie in the wrong class folder: {_some(wrong, 3)}"] if wrong else []


def _some(names: list[str], count: int = 5) -> str:
    return ", ".join(names[:count]) + (f" and {len(names) - count:,} more" if len(names) > count else "")


def _hidden(name: str) -> bool:
    return name.startswith(".")
