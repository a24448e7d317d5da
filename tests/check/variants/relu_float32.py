"""Everything in float32, whatever comes in."""

import numpy as np


def relu_forward(x):
    y = np.maximum(x, 0).astype(np.float32)
    return y, y


def relu_backward(dy, cache):
    return (dy * (cache > 0)).astype(np.float32)
