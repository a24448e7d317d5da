"""An axis for the groups, padding and sliding windows; the cache is an object."""

from types import SimpleNamespace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def over_window(v, n):
    """v (N,H,W,G,C/G) -> the sum over n neighbours along the last axis."""
    padded = np.pad(v, ((0, 0),) * 4 + ((n // 2, n // 2),))
    return sliding_window_view(padded, n, axis=-1).sum(axis=-1)


def lrn_forward(x, n=5, k=2.0, alpha=1e-4, beta=0.75, groups=1):
    a = x.reshape(*x.shape[:3], groups, -1)
    scale = k + alpha * over_window(np.square(a), n)
    b = a * np.power(scale, -beta)
    return b.reshape(x.shape), SimpleNamespace(a=a, scale=scale, n=n, alpha=alpha, beta=beta)


def lrn_backward(dout, c):
    d = dout.reshape(c.a.shape)
    inner = over_window(d * c.a * np.power(c.scale, -c.beta - 1), c.n)
    da = d * np.power(c.scale, -c.beta) - 2 * c.alpha * c.beta * c.a * inner
    return da.reshape(dout.shape)
