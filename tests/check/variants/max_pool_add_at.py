"""Sliding windows, argmax and np.add.at; the cache is a dict."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def max_pool_forward(x, *, kernel=3, stride=2):
    KH, KW = np.broadcast_to(kernel, 2)
    SH, SW = np.broadcast_to(stride, 2)
    windows = sliding_window_view(x, (KH, KW), axis=(1, 2))[:, ::SH, ::SW]  # (N,OH,OW,C,KH,KW)
    flat = windows.reshape(*windows.shape[:4], -1)
    return flat.max(axis=-1), {"shape": x.shape, "place": flat.argmax(axis=-1), "KW": KW, "SH": SH, "SW": SW}


def max_pool_backward(dy, cache):
    dx = np.zeros(cache["shape"])
    n, i, j, c = np.indices(dy.shape)
    row = i * cache["SH"] + cache["place"] // cache["KW"]
    column = j * cache["SW"] + cache["place"] % cache["KW"]
    np.add.at(dx, (n, row, column, c), dy)
    return dx
