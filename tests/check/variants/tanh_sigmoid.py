"""By the sigmoid, which is stable where exp(-2|x|) is; the cache is x."""

import numpy as np


def tanh_forward(x):
    e = np.exp(-2 * np.abs(x))
    return np.sign(x) * (1 - e) / (1 + e), x


def tanh_backward(dy, x):
    e = np.exp(-2 * np.abs(x))
    return dy * 4 * e / (1 + e) ** 2
