"""einsum; the cache is a dict, the gradients are a list."""

import numpy as np


def linear_forward(x, W, b):
    return np.einsum("nd,dm->nm", x, W) + b[None, :], {"x": x, "W": W}


def linear_backward(dy, cache):
    dx = np.einsum("nm,dm->nd", dy, cache["W"])
    dW = np.einsum("nm,nd->dm", dy, cache["x"])
    return [dx, dW, np.einsum("nm->m", dy)]
