"""A fully connected layer with its ReLU in one kernel: what it refuses, and a layer that hands no gradient on."""

import numpy as np
import pytest

from minialex.kernels import fused


def test_what_does_not_fit_is_refused(xp):
    with pytest.raises(ValueError, match=r"linear: b has shape \(4,\), it needs \(5,\)"):
        fused.linear_relu.forward(*(xp.zeros(shape, "float32") for shape in [(2, 3), (3, 5), (4,)]))


def test_dx_is_left_out_where_nobody_wants_it(xp):
    x, W, b = (xp.asarray(np.ones(shape, "float32")) for shape in [(2, 3), (3, 5), (5,)])
    y, cache = fused.linear_relu.forward(x, W, b)
    dx, dW, db = fused.linear_relu.backward(xp.ones((2, 5), "float32"), cache, need_dx=False)
    assert dx is None and (y.get() == 4).all() and (dW.get() == 2).all() and (db.get() == 2).all()
