"""Loops over images, positions and places in the window."""

import numpy as np


def im2col(x, kernel, stride, pad):
    (KH, KW), (SH, SW), ((top, bottom), (left, right)) = kernel, both(stride), sides(pad)
    N, H, W, C = x.shape
    xp = np.zeros((N, H + top + bottom, W + left + right, C), x.dtype)
    xp[:, top : top + H, left : left + W] = x
    rows = []
    for n in range(N):
        for i in range((xp.shape[1] - KH) // SH + 1):
            for j in range((xp.shape[2] - KW) // SW + 1):
                rows.append(xp[n, i * SH : i * SH + KH, j * SW : j * SW + KW].ravel())
    return np.array(rows)


def col2im(cols, x_shape, kernel, stride, pad):
    (KH, KW), (SH, SW), ((top, bottom), (left, right)) = kernel, both(stride), sides(pad)
    N, H, W, C = x_shape
    xp = np.zeros((N, H + top + bottom, W + left + right, C))
    row = 0
    for n in range(N):
        for i in range((xp.shape[1] - KH) // SH + 1):
            for j in range((xp.shape[2] - KW) // SW + 1):
                xp[n, i * SH : i * SH + KH, j * SW : j * SW + KW] += cols[row].reshape(KH, KW, C)
                row += 1
    return xp[:, top : top + H, left : left + W]


def both(stride):
    return (stride, stride) if isinstance(stride, int) else stride


def sides(pad):
    return ((pad, pad), (pad, pad)) if isinstance(pad, int) else pad
