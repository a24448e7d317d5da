"""The kernels of max pooling: a NaN is handed on as NumPy does."""

import numpy as np

from minialex.kernels import fused


def test_the_first_nan_of_a_window_is_kept(xp):
    x = np.zeros((1, 3, 3, 4), "float32")
    x[0, 0, 2], x[0, 1, 1], x[0, 2, 0] = np.inf, np.nan, np.nan
    y, cache = fused.max_pool.forward(xp.asarray(x))
    dx = fused.max_pool.backward(xp.ones((1, 1, 1, 4), "float32"), cache).get()
    assert np.isnan(y.get()).all() and dx[0, 1, 1].tolist() == [1] * 4 and dx.sum() == 4
