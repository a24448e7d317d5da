"""How far a result is off, and where: everywhere, at the border, in the channels of one group, at ties."""

from typing import NamedTuple

import numpy as np

TOLERANCE = {"float64": 1e-8, "float32": 1e-4, "float16": 1e-2}  # of the largest entry; sums may be in any order

IMAGES = ("image", "row", "column", "channel")
AXES = {  # of an array and of its gradient
    "W": ("kernel row", "kernel column", "input channel", "map"),
    "b": ("map",),
    "cols": ("window", "place in the window"),
    "p": ("image", "class"),
    "logits": ("image", "class"),
}
BY_NDIM = {4: IMAGES, 2: ("row", "column"), 1: ("entry",)}


class Mismatch(NamedTuple):
    """The relative error, where entries are wrong, and the worst entry."""

    error: float
    where: str
    worst: str


def tolerance_of(got: np.ndarray) -> float:
    """The relative error that rounding may cause in an array of this type."""
    return TOLERANCE.get(str(got.dtype), TOLERANCE["float64"])


def difference(got, want) -> np.ndarray:
    """|got - want| entry by entry; 0 where both are the same infinity or both are NaN, infinite where one is."""
    got, want = np.asarray(got, float), np.asarray(want, float)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(invalid="ignore"):
        off = np.where(same, 0.0, np.abs(got - want))
    return np.where(np.isnan(off), np.inf, off)


def scale_of(want) -> float:
    """The largest finite entry, against which errors count; 1 where all are 0."""
    want = np.abs(np.asarray(want, float))
    return float(np.max(want[np.isfinite(want)], initial=0.0)) or 1.0


def fits(got, candidate, tolerance: float) -> bool:
    """Same shape, and no entry further off than the tolerance."""
    if np.shape(got) != np.shape(candidate):
        return False
    return bool(np.max(difference(got, candidate), initial=0.0) <= tolerance * scale_of(candidate))


def compare(name, got, want, *, places=(), groups=1, tolerance=None) -> Mismatch | None:
    """None where got agrees with want, both of one shape; else how far it is off, and where.

    places: (words, mask) pairs; where all wrong entries lie in a mask, its words say so.
    """
    tolerance = tolerance_of(got) if tolerance is None else tolerance
    off, scale = difference(got, want), scale_of(want)
    wrong = off > tolerance * scale
    if not wrong.any():
        return None
    worst = np.unravel_index(np.argmax(off), off.shape)
    index = ", ".join(str(int(i)) for i in worst)
    at = f"worst at [{index}]: " if index else ""
    said = f"{at}got {np.asarray(got)[worst]:.6g}, expected {np.asarray(want)[worst]:.6g}"
    return Mismatch(float(off.max() / scale), where(name, wrong, places, groups), said)


def where(name: str, wrong: np.ndarray, places=(), groups: int = 1) -> str:
    """In words, which entries of an array are wrong."""
    count = f"{int(wrong.sum())} of {wrong.size} entries"
    if wrong.all():
        return "everywhere" if wrong.size > 1 else "the value"
    for words, mask in places:
        if mask.shape == wrong.shape and not mask.all() and not (wrong & ~mask).any():
            return f"only {words} ({count})"
    names = AXES.get(name.removeprefix("d"), BY_NDIM.get(wrong.ndim, ()))
    if len(names) != wrong.ndim:
        names = BY_NDIM.get(wrong.ndim) or tuple(f"axis {i}" for i in range(wrong.ndim))
    parts = [part for axis in range(wrong.ndim) if (part := _along(wrong, axis, names[axis], groups))]
    if not parts and names == IMAGES and _at_the_border(wrong):
        parts = ["the border of the image"]
    return f"only {', '.join(parts)} ({count})" if parts else f"scattered: {count}"


def _at_the_border(wrong) -> bool:
    inside = wrong[:, 1:-1, 1:-1]
    return inside.size > 0 and not inside.any()


def _along(wrong, axis, name, groups) -> str:
    """Which indices of one axis have wrong entries; nothing where all do."""
    size = wrong.shape[axis]
    hit = np.flatnonzero(np.moveaxis(wrong, axis, 0).reshape(size, -1).any(axis=1)).tolist()
    if len(hit) == size:
        return ""
    share = size // groups
    if name == "channel" and groups > 1 and hit == list(range(hit[0] // share * share, (hit[0] // share + 1) * share)):
        return f"the channels of group {hit[0] // share + 1} of {groups}"
    if hit == [0] or hit == [size - 1]:
        return f"the {'first' if hit == [0] else 'last'} {name}"
    if hit == [0, size - 1]:
        return f"the first and the last {name}"
    if len(hit) > 6:
        return f"{len(hit)} of {size} {_plural(name)}"
    return f"{_plural(name) if len(hit) > 1 else name} {', '.join(map(str, hit))}"


def _plural(name: str) -> str:
    return {"entry": "entries", "class": "classes", "place in the window": "places in the window"}.get(name, f"{name}s")
