"""In float32, as a learner who trains only."""

import numpy as np


def tanh_forward(x):
    y = np.tanh(x.astype("float32"))
    return y, (y,)


def tanh_backward(dy, cache):
    (y,) = cache
    return dy.astype("float32") - dy.astype("float32") * y * y
