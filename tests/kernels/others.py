"""Kernels that are no pairs: the update and the preprocessing. Each is run, and checked against its array code."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from minialex import kernels, ops, optim
from minialex.data.augment import Patches, random_patches, ten_patches
from minialex.data.preprocess import Preprocessing
from minialex.optim import Rates
from tests.kernels.cases import LIMITS, error

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), dtype=np.uint8)
MEAN = np.random.default_rng(1).uniform(0, 255, (256, 256, 3)).astype("float32")
NOISE = np.random.default_rng(2).normal(0, 10, (3, 3))
RATES = Rates(0.1, 0.2, momentum=0.7, decay=0.3, bias_decay=0.05, layers={"frozen": None, "own": 0.01})
SHAPES = {"a.W": (3, 3, 2, 31), "a.b": (31,), "frozen.W": (5, 7), "frozen.b": (7,), "own.W": (256, 2), "own.b": (1,)}


class Other(NamedTuple):
    """run(dtype, xp) returns a list of arrays; check(dtype, xp) the largest error of them."""

    pair: str
    run: Callable
    check: Callable


def training(dtype, seed=0):
    """Parameters, velocities and gradients, these of `dtype`, as NumPy's arrays."""
    rng = np.random.default_rng(seed)
    wide = np.result_type(dtype, "float32")
    return [{name: rng.standard_normal(shape).astype(t) for name, shape in SHAPES.items()} for t in (wide, wide, dtype)]


def run_update(dtype, xp, rates=RATES):
    """Two steps; the parameters and the velocities."""
    params, velocity, grads = ({n: xp.asarray(a) for n, a in arrays.items()} for arrays in training(dtype))
    for _ in range(2):
        kernels.update(params, velocity, grads, rates)
    return [*params.values(), *velocity.values()]


def check_update(dtype, xp):
    params, velocity, grads = ({n: a.astype("float64") for n, a in arrays.items()} for arrays in training(dtype))
    for _ in range(2):
        optim.update(params, velocity, grads, RATES)
    wanted, wide = [*params.values(), *velocity.values()], np.result_type(dtype, "float32")
    errors = [error(ours, theirs, wide) for ours, theirs in zip(run_update(dtype, xp), wanted, strict=True)]
    assert max(errors) <= LIMITS["float32"], f"errors of parameters and velocities: {errors}"  # float32 for both types
    return max(errors)


def preprocessing(patches: Callable[[], Patches], noise=None, divisor=1.0, **options) -> Other:
    def apply(xp, function, images, dtype):
        plain = Preprocessing(xp.asarray(MEAN), **options)
        return function(plain, images, patches(), noise=noise, divisor=divisor, dtype=dtype)

    def run(dtype, xp):
        return [apply(xp, kernels.preprocess, xp.asarray(IMAGES), dtype)]

    def check(dtype, xp):
        wanted = apply(np, Preprocessing.apply, IMAGES, "float64")
        largest = error(run(dtype, xp)[0], wanted, dtype)
        assert largest <= LIMITS[dtype], f"an error of {largest}"
        return largest

    return Other("preprocess", run, check)


def random(size):
    return lambda: random_patches(3, size, np.random.default_rng(4))


def draw(draw_mask, dtype, xp):
    """Masks of several shapes and rates, one of them from the largest key."""
    largest = SimpleNamespace(integers=lambda high, dtype: high - 1)
    sizes = [((3, 4096), 0.5), ((2, 3, 4, 5), 0.1), ((7,), 0.0), ((0, 4), 0.9)]
    masks = [draw_mask(*size, np.random.default_rng(0), xp=xp, dtype=dtype) for size in sizes]
    return [*masks, draw_mask((300,), 0.3, largest, xp=xp)]


def run_dropout_mask(dtype, xp):
    return draw(kernels.dropout_mask, dtype, xp)


def check_dropout_mask(dtype, xp):
    """Bit for bit."""
    for ours, wanted in zip(run_dropout_mask(dtype, xp), draw(ops.dropout_mask, dtype, np), strict=True):
        assert ours.dtype == wanted.dtype and np.array_equal(ours.get(), wanted)
    return 0.0


OTHERS = {
    "dropout's masks": Other("dropout_mask", run_dropout_mask, check_dropout_mask),
    "update": Other("update", run_update, check_update),
    "patches": preprocessing(random(199)),
    "patches with all options": preprocessing(
        random(86), NOISE, 1.1, central=True, scale=(0.5, -2.0, 3.0), order="BGR"
    ),
    "whole images": preprocessing(random(256), NOISE),
    "ten patches": preprocessing(lambda: ten_patches(3, 21), order="BGR", scale=(0.5, 2.0, 3.0)),
    "one pixel": preprocessing(random(1), NOISE, central=True),
}
