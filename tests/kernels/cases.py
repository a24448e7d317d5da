"""Odd shapes for every pair of the table `fused`; `check` compares one with its reference pair."""

from typing import NamedTuple

import numpy as np

from minialex.kernels import fused
from minialex.kernels.fuse import pair_of
from minialex.ops import reference

LIMITS = {"float32": 1e-6, "float16": 2e-3}  # of the largest entry


class Case(NamedTuple):
    pair: str
    shapes: tuple  # of the arrays that forward takes
    options: dict

    def arrays(self, dtype):
        """Rounded to the stored type already, so that rounding the input is no error of the kernel.

        In front of a ReLU all is a multiple of 1/8, and none 0: no rounding then moves a number across its kink.
        """
        rng = np.random.default_rng(0)
        if self.pair.endswith("_relu"):
            x, W, b = (rng.integers(-2, 3, shape) for shape in self.shapes)
            return [array.astype(dtype) for array in (x / 2, W / 2, (2 * b + 1) / 8)]
        arrays = [rng.standard_normal(shape).astype(dtype) for shape in self.shapes]
        if self.pair == "softmax_cross_entropy":
            ((N, M),) = self.shapes
            arrays.append(rng.integers(0, M, N))  # the labels
        return arrays

    def reference(self):
        """The pair of array code that does the same, or the two in turn."""
        return pair_of(reference, self.pair)

    def y_shape(self):
        return self.reference().forward(*self.arrays("float32"), **self.options)[0].shape


def of(pair, *shapes, **options):
    return Case(pair, shapes, options)


CASES = {
    "conv, vectors and groups": of("conv", (2, 9, 7, 16), (5, 5, 8, 16), (16,), pad=2, groups=2),
    "conv, three channels": of("conv", (2, 19, 23, 3), (11, 11, 3, 24), (24,), stride=4, pad=((0, 3), (1, 2))),
    "conv, one row and one column stay out": of("conv", (3, 10, 7, 5), (3, 2, 5, 7), (7,), stride=(3, 2)),
    "conv, wide": of("conv", (1, 3, 70, 32), (3, 3, 32, 40), (40,), pad=1),
    "conv with ReLU, vectors and groups": of("conv_relu", (2, 9, 7, 16), (5, 5, 8, 16), (16,), pad=2, groups=2),
    "conv with ReLU, many pixels": of("conv_relu", (3, 40, 38, 3), (5, 5, 3, 24), (24,), stride=2),
    "conv with ReLU, odd maps": of("conv_relu", (3, 10, 7, 5), (3, 2, 5, 7), (7,), stride=(3, 2)),
    "conv with ReLU, more maps than threads": of("conv_relu", (1, 4, 3, 2), (1, 1, 1, 530), (530,), groups=2),
    "linear with ReLU": of("linear_relu", (9, 30), (30, 40), (40,)),
    "linear with ReLU, wide": of("linear_relu", (70, 3), (3, 1040), (1040,)),
    "lrn, many blocks": of("lrn", (2, 7, 5, 96), alpha=1.0),
    "lrn of the paper": of("lrn", (2, 5, 3, 96), groups=2),
    "lrn, two groups": of("lrn", (1, 5, 3, 130), groups=2, alpha=1.0, beta=0.5),
    "lrn, one pixel": of("lrn", (1, 1, 1, 5), alpha=1.0, k=1.0),
    "lrn, few channels": of("lrn", (3, 2, 1, 3), n=9, alpha=1.0),
    "lrn, many channels": of("lrn", (2, 1, 2, 700), alpha=1.0),
    "lrn with pooling of the paper": of("lrn_max_pool", (2, 13, 11, 96), groups=2),
    "lrn with pooling, many windows": of("lrn_max_pool", (1, 7, 70, 48), alpha=1.0),
    "lrn with pooling, odd": of("lrn_max_pool", (3, 9, 8, 26), n=3, alpha=1.0, beta=0.5, groups=2),
    "lrn with pooling, uneven": of("lrn_max_pool", (2, 8, 10, 16), alpha=1.0, kernel=(4, 2), stride=(2, 3)),
    "lrn with pooling, windows apart": of("lrn_max_pool", (1, 9, 11, 5), alpha=1.0, k=1.0, kernel=2, stride=4),
    "pool of the paper": of("max_pool", (2, 13, 11, 24)),
    "pool, odd channels": of("max_pool", (3, 9, 8, 13)),
    "pool, long rows": of("max_pool", (1, 5, 47, 48)),
    "pool, uneven": of("max_pool", (2, 8, 10, 16), kernel=(4, 2), stride=(2, 3)),
    "pool, no overlap": of("max_pool", (1, 6, 5, 8), kernel=2, stride=2),
    "softmax of the paper": of("softmax_cross_entropy", (5, 1000)),
    "softmax, few classes": of("softmax_cross_entropy", (9, 3)),
    "softmax, a class for each thread": of("softmax_cross_entropy", (1, 256)),
}


def check(case, dtype, xp):
    """The largest error of the kernels on `xp` against the reference in float64; AssertionError if it is too large."""
    arrays, pair = case.arrays(dtype), case.reference()
    wanted, cache = pair.forward(*(wide(array) for array in arrays), **case.options)
    dy = np.asarray(np.random.default_rng(1).standard_normal(wanted.shape), dtype)
    want = [wanted, *as_list(pair.backward(wide(dy), cache))]
    y, grads = run(case, dtype, xp, arrays, dy)
    errors = [error(ours, theirs, dtype) for ours, theirs in zip([y, *grads], want, strict=True)]
    assert all(each <= LIMITS[dtype] for each in errors), f"errors of y and the gradients: {errors}"
    return max(errors)


def run(case, dtype, xp, arrays, dy):
    pair = getattr(fused, case.pair)
    y, cache = pair.forward(*(xp.asarray(array) for array in arrays), **case.options)
    return y, as_list(pair.backward(xp.asarray(dy), cache))


def wide(array):
    return array.astype("float64") if array.dtype.kind == "f" else array


def error(ours, wanted, dtype):
    assert ours.dtype in (dtype, "float32") and ours.shape == wanted.shape
    return np.max(np.abs(ours.get().astype("float64") - wanted)) / np.max(np.abs(wanted))


def as_list(grads):
    return list(grads) if isinstance(grads, tuple) else [grads]
