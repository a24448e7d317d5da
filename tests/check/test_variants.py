"""Right code in other styles is right: loops, einsum, views, other caches, copies, float32 alone."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minialex.check import NAMES, check_exercise
from minialex.check.command import check_file
from tests import oracles

VARIANTS = sorted((Path(__file__).parent / "variants").glob("*.py"))


def exercise_of(path):
    return max((name for name in NAMES if path.stem.startswith(f"{name}_")), key=len)


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_right_code_in_another_style_is_right(path):
    report = check_file(exercise_of(path), path)
    assert report.ok, str(report)


def test_there_are_two_variants_of_each_exercise():
    counts = {name: sum(exercise_of(path) == name for path in VARIANTS) for name in NAMES}
    assert min(counts.values()) >= 2, counts


def test_float32_alone_is_told_and_is_not_wrong():
    report = check_file("relu", Path(__file__).parent / "variants" / "relu_float32.py")
    assert report.ok
    assert "note: y is float32 where the inputs are float64: compared to fewer digits" in str(report)


def test_float64_for_float32_is_told():
    def relu_forward(x):
        return np.maximum(x.astype("float64"), 0), x > 0

    report = check_exercise("relu", dict(relu_forward=relu_forward, relu_backward=lambda dy, cache: dy * cache))
    assert report.ok and "y is float64 where the inputs are float32: twice the memory in training" in str(report)


ORACLES = {
    "conv": (oracles.conv, oracles.conv_grad),
    "linear": (oracles.linear, oracles.linear_grad),
    "relu": (oracles.relu, oracles.relu_grad),
    "lrn": (oracles.lrn, oracles.lrn_grad),
    "max_pool": (oracles.max_pool, oracles.max_pool_grad),
    "mapnorm": (oracles.mapnorm, oracles.mapnorm_grad),
}


@pytest.mark.parametrize("name", ORACLES)
def test_the_naive_loops_are_right(name):
    """The checker's truth is the package's; this holds it once more to loops that nothing is taken from."""
    loops, loops_grad = ORACLES[name]

    def forward(*args, **kwargs):
        return np.asarray(loops(*args, **kwargs)), (args, kwargs)

    def backward(dy, cache):
        args, kwargs = cache
        return loops_grad(dy, *args, **kwargs)

    namespace = SimpleNamespace(**{f"{name}_forward": forward, f"{name}_backward": backward})
    report = check_exercise(name, namespace)
    assert report.ok, str(report)
