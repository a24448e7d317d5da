import numpy as np
import pytest
from hypothesis import strategies as st

from tests import oracles
from tests.ops.checks import (
    agree,
    agrees_with_differences,
    agrees_with_loops,
    agrees_with_torch,
    generator,
    keeps_dtype,
    over,
    refuses,
)

EXAMPLES = [(3, 4), (2, 3, 4, 5), (7,), (1, 1)]
SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


def off_the_kink(case):
    """Values of either sign, none within 0.1 of 0."""
    x = generator().standard_normal(case)
    return x + np.copysign(0.1, x)


def with_zeros(case):
    return generator().integers(-2, 3, case).astype("float64")


@over(SHAPES, EXAMPLES)
def test_relu_agrees_with_loops(ops, case):
    agrees_with_loops(ops.relu, oracles.relu, oracles.relu_grad, [off_the_kink(case)])
    agrees_with_loops(ops.relu, oracles.relu, oracles.relu_grad, [with_zeros(case)])


@over(SHAPES, EXAMPLES)
def test_tanh_agrees_with_loops(ops, case):
    agrees_with_loops(ops.tanh, oracles.tanh, oracles.tanh_grad, [off_the_kink(case)])


@over(SHAPES, EXAMPLES)
def test_agree_with_differences(ops, case):
    agrees_with_differences(ops.relu, [off_the_kink(case)])
    agrees_with_differences(ops.tanh, [off_the_kink(case)])


@pytest.mark.oracle
@over(SHAPES, EXAMPLES)
def test_agree_with_torch(ops, case):
    agrees_with_torch(ops.relu, lambda x: x.relu(), [off_the_kink(case)])
    agrees_with_torch(ops.relu, lambda x: x.relu(), [with_zeros(case)])
    agrees_with_torch(ops.tanh, lambda x: x.tanh(), [off_the_kink(case)])


@over(SHAPES, EXAMPLES)
def test_keep_dtype(ops, case):
    keeps_dtype(ops.relu, [off_the_kink(case)])
    keeps_dtype(ops.tanh, [off_the_kink(case)])


def test_relu_by_hand(ops):
    y, cache = ops.relu.forward(np.array([-2.0, 0.0, 3.0]))
    assert y.tolist() == [0.0, 0.0, 3.0]
    assert ops.relu.backward(np.array([5.0, 6.0, 7.0]), cache).tolist() == [0.0, 0.0, 7.0]


def test_tanh_saturates(ops):
    y, cache = ops.tanh.forward(np.array([-1e4, 0.0, 1e4]))
    assert y.tolist() == [-1.0, 0.0, 1.0]
    agree(ops.tanh.backward(np.array([5.0, 6.0, 7.0]), cache), [0.0, 6.0, 0.0])


def test_tanh_is_flat_from_here_on(ops):
    """Of the even numbers; in float32 an odd one lies on the edge."""
    x = np.arange(0, 30, 2)
    for dtype, first in ("float32", 10), ("float64", 20):
        _, cache = ops.tanh.forward(x.astype(dtype))
        slopes = ops.tanh.backward(np.ones(len(x), dtype), cache)
        assert x[slopes == 0].tolist() == list(range(first, 30, 2))


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_a_nan_is_not_hidden(ops, name):
    y, _ = getattr(ops, name).forward(np.array([1.0, np.nan]))
    assert np.isnan(y).tolist() == [False, True]


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_integers_are_refused(ops, name):
    refuses(getattr(ops, name).forward, np.arange(3), words=[name, "int64", "floating-point"])
