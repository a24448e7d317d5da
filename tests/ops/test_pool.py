from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st

from tests import oracles
from tests.ops.checks import (
    agrees_with_differences,
    agrees_with_loops,
    agrees_with_torch,
    generator,
    keeps_dtype,
    over,
    refuses,
)


class Case(NamedTuple):
    shape: tuple  # (N,H,W,C)
    kernel: object = 3
    stride: object = 2

    def distinct(self):
        """Multiples of 0.1 in random order: no ties, and no maximum changes under a small step."""
        numbers = generator().permutation(int(np.prod(self.shape))) - np.prod(self.shape) // 2
        return 0.1 * numbers.reshape(self.shape)

    def with_ties(self):
        return generator().integers(-1, 2, self.shape).astype("float64")

    def negative(self):
        """Ties too, and no value that a padding of zeros would not beat."""
        return generator().integers(-3, 0, self.shape).astype("float64")

    @property
    def options(self):
        return {"kernel": self.kernel, "stride": self.stride}


EXAMPLES = [
    Case((2, 7, 9, 3)),
    Case((2, 8, 6, 2)),  # windows that do not reach the border
    Case((1, 6, 8, 3), kernel=2, stride=2),  # no overlap
    Case((3, 7, 6, 2), kernel=3, stride=1),
    Case((2, 9, 7, 1), kernel=(2, 3), stride=(3, 1)),
    Case((2, 8, 10, 2), kernel=(4, 2), stride=(2, 3)),  # gaps between the windows of a row
    Case((1, 11, 9, 2), kernel=2, stride=4),
    Case((2, 3, 4, 2), kernel=(3, 4), stride=1),  # one window
    Case((1, 4, 3, 2), kernel=1, stride=1),
]


@st.composite
def cases(draw):
    kernel, stride, few = st.integers(1, 4), st.integers(1, 4), st.integers(1, 3)
    size = draw(kernel | st.tuples(kernel, kernel))
    H, W = (side + draw(st.integers(0, 6)) for side in oracles.pair(size))
    return Case((draw(few), H, W, draw(few)), size, draw(stride | st.tuples(stride, stride)))


def torch_pool(x, *, kernel, stride):
    import torch.nn.functional as F

    return F.max_pool2d(x.permute(0, 3, 1, 2), kernel, stride).permute(0, 2, 3, 1)


@over(cases(), EXAMPLES)
def test_agrees_with_loops(ops, case):
    x = case.distinct()
    agrees_with_loops(ops.max_pool, oracles.max_pool, oracles.max_pool_grad, [x], **case.options)


@over(cases(), EXAMPLES)
def test_first_of_equal_maxima_takes_the_gradient(ops, case):
    for x in case.with_ties(), case.negative(), np.full(case.shape, -5.0):
        agrees_with_loops(ops.max_pool, oracles.max_pool, oracles.max_pool_grad, [x], **case.options)


@over(cases(), EXAMPLES)
def test_agrees_with_differences(ops, case):
    agrees_with_differences(ops.max_pool, [case.distinct()], **case.options)


@pytest.mark.oracle
@over(cases(), EXAMPLES)
def test_agrees_with_torch(ops, case):
    for x in case.distinct(), case.distinct() - 1000.0:
        agrees_with_torch(ops.max_pool, torch_pool, [x], **case.options)


@over(cases(), EXAMPLES)
def test_keeps_dtype(ops, case):
    keeps_dtype(ops.max_pool, [case.distinct()], **case.options)


def test_defaults_are_the_overlapping_windows_of_the_paper(ops):
    x = EXAMPLES[0].distinct()
    assert np.array_equal(ops.max_pool.forward(x)[0], oracles.max_pool(x, kernel=3, stride=2))


def test_by_hand(ops):
    """The 5 is the maximum of both windows and collects from both; of the equal 3s the upper one counts."""
    x = np.array([[1, 5, 2], [0, 5, 3], [3, 3, 0]], dtype="float64").reshape(1, 3, 3, 1)
    y, cache = ops.max_pool.forward(x, kernel=2, stride=1)
    assert y.ravel().tolist() == [5, 5, 5, 5]
    dx = ops.max_pool.backward(np.array([1.0, 2.0, 4.0, 8.0]).reshape(y.shape), cache)
    assert dx.reshape(3, 3).tolist() == [[0, 3, 0], [0, 12, 0], [0, 0, 0]]


@pytest.mark.parametrize("kernel, more", [((256, 2), (257, 1)), ((2, 256), (1, 257))])
def test_a_window_may_have_256_pixels_along_an_axis(ops, kernel, more):
    """The place of a maximum along an axis is kept in a byte: the last of 256 must survive that."""
    x = np.zeros((1, *kernel, 1))
    x[0, -1, -1, 0] = 1.0
    _, cache = ops.max_pool.forward(x, kernel=kernel, stride=1)
    assert np.array_equal(ops.max_pool.backward(np.ones((1, 1, 1, 1)), cache), x)
    refuses(ops.max_pool.forward, np.zeros((1, 300, 300, 1)), kernel=more, stride=1, words=[more, 256])


@pytest.mark.parametrize("place", list(np.ndindex(3, 3)))
def test_a_nan_is_not_hidden(ops, place):
    x = np.zeros((1, 3, 3, 1))
    x[0][place] = np.nan
    assert np.isnan(ops.max_pool.forward(x)[0]).all()


def test_minus_infinity_is_a_value(ops):
    x = np.full((1, 3, 3, 1), -np.inf)
    y, cache = ops.max_pool.forward(x)
    assert y.item() == -np.inf
    dx = ops.max_pool.backward(np.full((1, 1, 1, 1), 7.0), cache)
    assert dx.ravel().tolist() == [7, 0, 0, 0, 0, 0, 0, 0, 0]


def test_what_does_not_fit_is_refused(ops):
    pool, x = ops.max_pool.forward, np.zeros((2, 5, 4, 3))
    refuses(pool, x[0], words=[x[0].shape, "(N,H,W,C)"])
    refuses(pool, x.astype("int64"), words=["int64", "floating-point"])
    refuses(pool, x, kernel=5, words=["window of 5", "got 4"])
    refuses(pool, x, kernel=(6, 2), words=["window of 6", "got 5"])
    refuses(pool, x, kernel=0, words=["kernel 0", "at least 1"])
    refuses(pool, x, stride=0, words=["stride 0", "at least 1"])
    refuses(pool, x, stride=(2, -1), words=["stride -1", "at least 1"])
