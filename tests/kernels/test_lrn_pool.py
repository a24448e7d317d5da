"""The kernels of normalisation with pooling: what a block cannot hold, and what is not a number."""

import numpy as np
import pytest

from minialex.kernels import fused
from minialex.ops import reference
from tests.kernels.cases import LIMITS, check, error, of


def test_windows_that_no_block_can_hold_go_over_the_normalised_maps(xp):
    case = of("lrn_max_pool", (1, 5, 6, 700), alpha=1.0)
    check(case, "float32", xp)
    with pytest.raises(ValueError, match="1025 channels in a group"):
        fused.lrn_max_pool.forward(xp.zeros((1, 3, 3, 1025), "float32"))


@pytest.mark.parametrize("channels", [340, 341, 342])
def test_the_widest_window_of_a_block(xp, channels):
    check(of("lrn_max_pool", (1, 5, 5, channels), alpha=1.0), "float32", xp)


@pytest.mark.parametrize("kernel, stride, words", [(9, 2, "a window of 9"), (3, 0, "stride 0")])
def test_windows_that_do_not_fit_are_refused(xp, kernel, stride, words):
    with pytest.raises(ValueError, match=words):
        fused.lrn_max_pool.forward(xp.zeros((1, 5, 5, 4), "float32"), kernel=kernel, stride=stride)


def test_the_first_of_equal_numbers_takes_the_gradient(xp):
    x = np.random.default_rng(0).integers(-1, 2, (2, 7, 9, 6)).astype("float32")
    x[0] = 0
    dy = np.random.default_rng(1).standard_normal((2, 3, 4, 6)).astype("float32")
    y, cache = fused.lrn_max_pool.forward(xp.asarray(x), alpha=1.0)
    dx = fused.lrn_max_pool.backward(xp.asarray(dy), cache)
    normalised, of_lrn = reference.lrn.forward(x.astype("float64"), alpha=1.0)
    want, of_pool = reference.max_pool.forward(normalised)
    want_dx = reference.lrn.backward(reference.max_pool.backward(dy.astype("float64"), of_pool), of_lrn)
    for ours, wanted in (y, want), (dx, want_dx):
        assert error(ours, wanted, "float32") <= LIMITS["float32"]


def test_a_nan_is_not_hidden(xp):
    x = np.zeros((1, 3, 3, 4), "float32")
    x[0, 0, 2], x[0, 1, 1], x[0, 2, 0] = 1e4, np.nan, np.nan
    y, cache = fused.lrn_max_pool.forward(xp.asarray(x))
    dx = fused.lrn_max_pool.backward(xp.ones((1, 1, 1, 4), "float32"), cache).get()
    assert np.isnan(y.get()).all() and np.isnan(dx[0, 1, 1]).all() and not dx[0, 0, 2].any()


def test_a_batch_of_none(xp):
    y, cache = fused.lrn_max_pool.forward(xp.zeros((0, 7, 7, 8), "float32"))
    assert y.shape == (0, 3, 3, 8) and fused.lrn_max_pool.backward(y, cache).shape == (0, 7, 7, 8)
