"""A mask for each window, as many write it: the first of equals is found with a cumulative sum."""

import numpy as np


def max_pool_forward(x, *, kernel=3, stride=2):
    KH, KW = (kernel,) * 2 if isinstance(kernel, int) else kernel
    SH, SW = (stride,) * 2 if isinstance(stride, int) else stride
    N, H, W, C = x.shape
    y = np.zeros((N, (H - KH) // SH + 1, (W - KW) // SW + 1, C), x.dtype)
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            y[:, i, j] = x[:, i * SH : i * SH + KH, j * SW : j * SW + KW].max(axis=(1, 2))
    return y, (x, y, KH, KW, SH, SW)


def max_pool_backward(dy, cache):
    x, y, KH, KW, SH, SW = cache
    dx = np.zeros_like(x)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            rows, columns = slice(i * SH, i * SH + KH), slice(j * SW, j * SW + KW)
            mask = x[:, rows, columns] == y[:, i, j][:, None, None]
            flat = mask.reshape(len(x), KH * KW, -1)
            mask = (flat & (flat.cumsum(axis=1) == 1)).reshape(mask.shape)
            dx[:, rows, columns] += mask * dy[:, i, j][:, None, None]
    return dx
