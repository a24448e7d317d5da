"""Which mistake explains a wrong array: known ones, given as the wrong arrays they lead to, then those of any array.

A known mistake is a pair (words, make): make() computes, from the right ingredients, the array that someone who made
it would have got. The one that agrees to rounding is named. A guess that merely looks alike never is.
"""

from collections.abc import Callable, Iterable
from itertools import combinations, permutations

import numpy as np

from minialex.check.compare import difference, fits, scale_of, tolerance_of


class Looks:
    """A mistake whose result is random, and so is known by what it looks like: a test of the array that was got."""

    def __init__(self, test: Callable[[np.ndarray], bool]):
        self.test = test


def diagnose(got, want, known: Iterable, *, sizes=(), gradient=False, tolerance=None) -> str:
    """The mistake that turns want into got, in words; "" where none is known.

    known: pairs (words, make) or (words, Looks), the likelier ones first.
    sizes: (name, number) pairs, such as ("N", 3), that a constant factor may be.
    gradient: whether the array is one, where a factor 1/N has a likely cause.
    """
    tolerance = tolerance_of(got) if tolerance is None else tolerance
    with np.errstate(all="ignore"):
        return _diagnose(got.astype(float), want.astype(float), known, sizes, gradient, tolerance)


def _diagnose(got, want, known, sizes, gradient, tolerance):
    candidates, looks = [], []
    for words, make in known:
        if isinstance(make, Looks):
            looks.append((words, make))
        elif (candidate := _possible(make)) is not None and _tells(candidate):
            if fits(got, candidate, tolerance):
                return words
            candidates.append((words, candidate))
    for words, make in looks:
        if _possible(lambda make=make: make.test(got)):
            return words
    said = _of_any_array(got, want, sizes, gradient, tolerance)
    return said or _two_at_once(got, candidates, tolerance)


def _tells(candidate):
    """Whether a result can be known again: one that is empty can, by its shape; one of NaN alone cannot."""
    return candidate.size == 0 or np.isfinite(candidate).any()


def _possible(make):
    """What make() gives, as an array; None where shapes make this mistake impossible here."""
    try:
        return np.asarray(make())
    except (ValueError, IndexError):
        return None


def _of_any_array(got, want, sizes, gradient, tolerance):
    if got.shape != want.shape:
        return _shape(got, want, tolerance)
    return (
        _not_finite(got, want)
        or _factor(got, want, sizes, gradient, tolerance)
        or _moved(got, want, tolerance)
        or _offset(got, want, tolerance)
        or _factor_along(got, want, tolerance)
    )


def _not_finite(got, want):
    bad = ~np.isfinite(got) & np.isfinite(want)
    if not bad.any():
        return ""
    kind = "NaN" if np.isnan(got[bad]).any() else "infinite"
    causes = "an overflow, a division by 0, or a power of a negative number"
    return f"{int(bad.sum())} of {got.size} entries are {kind}: {causes}"


def _factor(got, want, sizes, gradient, tolerance):
    """One constant factor on every entry."""
    if not np.any(got) and np.any(want):
        return "every entry is 0: nothing was computed, or it was not stored"
    if want.size < 3:  # a factor explains any single number
        return ""
    c = _ratio(got, want)
    if not c or not fits(got, c * want, tolerance) or fits(got, want, tolerance):
        return ""
    return _factor_in_words(c, dict(sizes), gradient)


def _factor_in_words(c, sizes, gradient):
    every = f"every entry is x{c:.4g}"
    for name, size in sizes.items():
        if np.isclose(abs(c), 1 / size, rtol=1e-4) and size > 1:
            reason = "divided by N here AND in the loss: drop one" if gradient and name == "N" else f"divided by {name}"
            return f"{every}: {reason}" + (", and the sign is wrong" if c < 0 else "")
        if np.isclose(abs(c), size, rtol=1e-4) and size > 1:
            return f"{every}: times {name}, or a division by {name} is missing" + (" (and the sign)" if c < 0 else "")
    words = {-1.0: "the sign is wrong", 2.0: "a factor 2 too much", 0.5: "a factor 2 is missing"}
    for factor, said in words.items():
        if np.isclose(c, factor, rtol=1e-4):
            return f"{every}: {said}"
    return f"{every}: a constant factor"


def _moved(got, want, tolerance):
    """The right entries in wrong places: axes exchanged, reversed or shifted."""
    for order in permutations(range(want.ndim)):
        if order != tuple(range(want.ndim)) and fits(got, want.transpose(order), tolerance):
            return "transposed"
    for count in range(1, want.ndim + 1):
        for axes in combinations(range(want.ndim), count):
            if fits(got, np.flip(want, axes), tolerance):
                return f"flipped: the order along axis {_list(axes)} is reversed"
    for axis in range(want.ndim):
        for by in (1, -1):
            if fits(got, np.roll(want, by, axis), tolerance):
                return f"shifted by one along axis {axis}"
    return ""


def _offset(got, want, tolerance):
    if want.size < 3 or not np.isfinite(got).all():
        return ""
    c = float(np.mean(got - want))
    return f"every entry is {abs(c):.4g} too {'large' if c > 0 else 'small'}" if fits(got, want + c, tolerance) else ""


def _factor_along(got, want, tolerance):
    """Another constant factor for each index of one axis."""
    for axis in range(want.ndim):
        others = tuple(i for i in range(want.ndim) if i != axis)
        if want.size // want.shape[axis] < 3:
            continue
        square = np.sum(want * want, axis=others, keepdims=True)
        c = np.sum(got * want, axis=others, keepdims=True) / np.where(square == 0, 1, square)
        if fits(got, c * want, tolerance):
            shown = ", ".join(f"{v:.4g}" for v in c.ravel()[:6])
            return f"a factor of its own for each index of axis {axis}: {shown}" + (", ..." if c.size > 6 else "")
    return ""


def _shape(got, want, tolerance):
    """What a wrong shape comes from, where the values tell."""
    if got.size == want.size:
        for order in permutations(range(got.ndim)):
            if order != tuple(range(got.ndim)) and fits(got.transpose(order), want, tolerance):
                return "transposed"
        if fits(got.reshape(want.shape), want, tolerance):
            return "the right values in the wrong shape: reshape"
    for count in range(1, got.ndim + 1):
        for axes in combinations(range(got.ndim), count):
            if fits(got.sum(axis=axes), want, tolerance):
                batch = "the sum over the batch is missing: " if 0 in axes else ""
                return f"{batch}not summed over axis {_list(axes)}"
    if got.ndim == want.ndim == 4:
        return _cut(got, want, tolerance)
    return ""


def _cut(got, want, tolerance):
    """Whether the wanted images are a part of what was got, as where padding was not cut off."""
    down, across = got.shape[1] - want.shape[1], got.shape[2] - want.shape[2]
    if got.shape[0] != want.shape[0] or got.shape[3] != want.shape[3] or min(down, across) < 0:
        return ""
    for top in range(down + 1):
        for left in range(across + 1):
            if fits(got[:, top : top + want.shape[1], left : left + want.shape[2]], want, tolerance):
                return "the padding is still there: cut it off"
    return ""


def _two_at_once(got, candidates, tolerance):
    """A known mistake and a constant factor."""
    for words, candidate in candidates:
        if candidate.shape == got.shape and candidate.size > 3 and (c := _ratio(got, candidate)):
            if np.any(difference(candidate, candidate.flat[0])) and fits(got, c * candidate, tolerance):
                return f"two mistakes at once: {words}; and then every entry is x{c:.4g}"
    return ""


def _ratio(got, want):
    """The factor that brings want closest to got; 0 where there is none."""
    if not (np.isfinite(got).all() and np.isfinite(want).all()):
        return 0.0
    scale = scale_of(want)
    want = want / scale  # so that its square cannot overflow
    square = float(np.sum(want * want))
    return float(np.sum(got * want)) / square / scale if square else 0.0


def _list(axes):
    return ", ".join(map(str, axes))
