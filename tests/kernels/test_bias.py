"""The kernels of bias and ReLU: what is not a number, the kink, and sums of many pixels."""

import numpy as np
import pytest

from minialex.kernels import bias, fused


@pytest.mark.parametrize("relu", [False, True])
def test_what_is_not_a_number_is_handed_on(xp, relu):
    product = np.array([[np.nan, -1, -np.inf], [1, np.inf, -0.5]], "float32")
    y = xp.empty((2, 3), "float32")
    bias.add_bias(xp.asarray(product), xp.ones(3, "float32"), y, relu=relu)
    want = product + np.float32(1)
    np.testing.assert_array_equal(y.get(), np.maximum(want, 0) if relu else want)


def test_nothing_passes_where_y_is_0(xp):
    y = xp.asarray(np.array([[0, 1e-30, 2], [3, 0, 0]], "float32"))
    dy = xp.asarray(np.array([[np.nan, 5, 6], [7, np.inf, 8]], "float32"))
    dproduct, db = bias.gradients(dy, y)
    assert dproduct.get().tolist() == [[[0, 5, 6], [7, 0, 0]]] and db.get().tolist() == [7, 5, 6]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("count, channels, groups", [(0, 8, 2), (1, 8, 2), (5000, 3, 1), (3000, 48, 2), (40, 2080, 1)])
def test_sums_over_any_number_of_pixels(xp, dtype, count, channels, groups):
    """Of whole numbers, which leave nothing to rounding; they pass the end of float16 where it is the type."""
    rng = np.random.default_rng(0)
    y, dy = rng.integers(-1, 2, (count, channels)), rng.integers(0, 100, (count, channels))
    dproduct, db = bias.gradients(*(xp.asarray(array.astype(dtype)) for array in (dy, y)), groups)
    want = dy * (y > 0)
    assert db.dtype == "float32" and dproduct.dtype == dtype
    np.testing.assert_array_equal(db.get(), want.sum(axis=0))
    np.testing.assert_array_equal(dproduct.get(), np.stack(np.split(want, groups, axis=1)))


def test_a_gradient_may_be_a_view(xp):
    rng = np.random.default_rng(0)
    W, dy = rng.standard_normal((3, 3, 4, 6)).astype("float32"), rng.standard_normal((5, 4, 2, 6)).astype("float32")
    _, cache = fused.conv_relu.forward(xp.ones((2, 7, 6, 4), "float32"), xp.asarray(W), xp.ones(6, "float32"))
    view = xp.asarray(dy).transpose(2, 0, 1, 3)
    results = [fused.conv_relu.backward(each, cache) for each in (view, xp.ascontiguousarray(view))]
    for ours, theirs in zip(*results, strict=True):
        assert ours.get().tobytes() == theirs.get().tobytes()
