"""Overlapping max pooling (section 3.4): one window at a time, for all images and channels at once."""

import numpy as np


def max_pool_forward(x, *, kernel=3, stride=2):
    """y[n,i,j,c] = the largest of x[n, i*SH+u, j*SW+v, c] over u < KH, v < KW."""
    (KH, KW), (SH, SW) = both_ways(kernel), both_ways(stride)
    N, H, W, C = x.shape
    OH, OW = (H - KH) // SH + 1, (W - KW) // SW + 1
    y = np.zeros((N, OH, OW, C), x.dtype)
    place = np.zeros((N, OH, OW, C), int)  # of the first maximum, counted row by row
    for i in range(OH):
        for j in range(OW):
            window = x[:, i * SH : i * SH + KH, j * SW : j * SW + KW].reshape(N, KH * KW, C)
            y[:, i, j] = window.max(axis=1)
            place[:, i, j] = window.argmax(axis=1)  # the first, where several are equal
    return y, (x.shape, place, KW, (SH, SW))


def max_pool_backward(dy, cache):
    """Every window hands its dy to the pixel that was its maximum; a pixel may collect from several."""
    x_shape, place, KW, (SH, SW) = cache
    dx = np.zeros(x_shape, dy.dtype)
    n, c = np.arange(x_shape[0])[:, None], np.arange(x_shape[3])
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            row, column = i * SH + place[:, i, j] // KW, j * SW + place[:, i, j] % KW  # (N,C) each
            dx[n, row, column, c] += dy[:, i, j]  # within one window no pixel comes twice
    return dx


def both_ways(value):
    """An int or (vertical, horizontal), as the pair."""
    return (value, value) if isinstance(value, int) else value
