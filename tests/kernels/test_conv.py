"""The kernels of the convolution: batches in slices, and none."""

import numpy as np
import pytest

from minialex.kernels import conv, fused


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_in_slices_of_the_batch(xp, monkeypatch, groups):
    """Five images at once, and by two, two and one."""
    rng = np.random.default_rng(0)
    x, W, b, dy = (
        xp.asarray(rng.standard_normal(shape).astype("float32"))
        for shape in [(5, 6, 5, 4), (3, 3, 4 // groups, 6), (6,), (5, 4, 3, 6)]
    )
    image = 4 * 3 * W[..., 0].nbytes
    results = []
    for limit in 5 * image, 2 * image:
        monkeypatch.setattr(conv, "ROWS", limit)
        y, cache = fused.conv.forward(x, W, b, groups=groups)
        results.append([array.get() for array in (y, *fused.conv.backward(dy, cache))])
    for whole, sliced in zip(*results, strict=True):
        np.testing.assert_allclose(sliced, whole, rtol=0, atol=1e-5)
    assert len(conv._parts(x, W, cache[2])) == 3


def test_rows_larger_than_the_limit_go_image_by_image(xp, monkeypatch):
    monkeypatch.setattr(conv, "ROWS", 1)
    x, W = xp.zeros((2, 3, 3, 1), "float32"), xp.zeros((1, 1, 1, 1), "float32")
    assert conv._parts(x, W, (3, 3, 3, 3, 1, 1)) == [slice(0, 1), slice(1, 2)]


def test_a_convolution_of_no_images(xp):
    y, cache = fused.conv.forward(*(xp.zeros(s, "float32") for s in [(0, 5, 5, 4), (3, 3, 4, 8), (8,)]))
    dx, dW, db = fused.conv.backward(y, cache)
    assert y.shape == (0, 3, 3, 8) and dx.shape == (0, 5, 5, 4) and not dW.get().any() and not db.get().any()
