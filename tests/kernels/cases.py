"""Odd shapes for every pair of the table `fused`; `check` compares one with its reference pair."""

from typing import NamedTuple

import numpy as np

from minialex.kernels import fused
from minialex.ops import reference

LIMITS = {"float32": 1e-6, "float16": 2e-3}  # of the largest entry


class Case(NamedTuple):
    pair: str
    shapes: tuple  # of the arrays that forward takes
    options: dict

    def arrays(self, dtype):
        """Rounded to the stored type already, so that rounding the input is no error of the kernel."""
        rng = np.random.default_rng(0)
        return [rng.standard_normal(shape).astype(dtype) for shape in self.shapes]

    def y_shape(self):
        return getattr(reference, self.pair).forward(*self.arrays("float32"), **self.options)[0].shape


def of(pair, *shapes, **options):
    return Case(pair, shapes, options)


CASES = {
    "lrn, many blocks": of("lrn", (2, 7, 5, 96), alpha=1.0),
    "lrn of the paper": of("lrn", (2, 5, 3, 96), groups=2),
    "lrn, two groups": of("lrn", (1, 5, 3, 130), groups=2, alpha=1.0, beta=0.5),
    "lrn, one pixel": of("lrn", (1, 1, 1, 5), alpha=1.0, k=1.0),
    "lrn, few channels": of("lrn", (3, 2, 1, 3), n=9, alpha=1.0),
    "lrn, many channels": of("lrn", (2, 1, 2, 700), alpha=1.0),
    "pool of the paper": of("max_pool", (2, 13, 11, 24)),
    "pool, odd channels": of("max_pool", (3, 9, 8, 13)),
    "pool, long rows": of("max_pool", (1, 5, 47, 48)),
    "pool, uneven": of("max_pool", (2, 8, 10, 16), kernel=(4, 2), stride=(2, 3)),
    "pool, no overlap": of("max_pool", (1, 6, 5, 8), kernel=2, stride=2),
}


def check(case, dtype, xp):
    """The largest error of the kernels on `xp` against the reference in float64; AssertionError if it is too large."""
    arrays, pair = case.arrays(dtype), getattr(reference, case.pair)
    wanted, cache = pair.forward(*(array.astype("float64") for array in arrays), **case.options)
    dy = np.random.default_rng(1).standard_normal(wanted.shape).astype(dtype)
    want = [wanted, *as_list(pair.backward(dy.astype("float64"), cache))]
    y, grads = run(case, dtype, xp, arrays, dy)
    errors = [error(ours, theirs, dtype) for ours, theirs in zip([y, *grads], want, strict=True)]
    assert all(each <= LIMITS[dtype] for each in errors), f"errors of y and the gradients: {errors}"
    return max(errors)


def run(case, dtype, xp, arrays, dy):
    pair = getattr(fused, case.pair)
    y, cache = pair.forward(*(xp.asarray(array) for array in arrays), **case.options)
    return y, as_list(pair.backward(xp.asarray(dy), cache))


def error(ours, wanted, dtype):
    assert ours.dtype == dtype and ours.shape == wanted.shape
    return np.max(np.abs(ours.get().astype("float64") - wanted)) / np.max(np.abs(wanted))


def as_list(grads):
    return list(grads) if isinstance(grads, tuple) else [grads]
