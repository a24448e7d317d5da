"""Every window as a row, and back (section 3.5): one loop over the positions, in either direction."""

import numpy as np


def im2col(x, kernel, stride, pad):
    """x (N,H,W,C) -> (N*OH*OW, KH*KW*C): each row a window, flattened in the order row, column, channel."""
    N, H, W, C = x.shape
    xpad = np.pad(x, ((0, 0), *all_sides(pad), (0, 0)))
    windows = [xpad[:, rows, columns].reshape(N, -1) for rows, columns in positions(x.shape, kernel, stride, pad)]
    return np.stack(windows, axis=1).reshape(-1, kernel[0] * kernel[1] * C)  # (N,OH*OW,...) -> (N*OH*OW,...)


def col2im(cols, x_shape, kernel, stride, pad):
    """cols (N*OH*OW, KH*KW*C) -> (N,H,W,C): the same windows, added."""
    N, H, W, C = x_shape
    (top, bottom), (left, right) = all_sides(pad)
    xpad = np.zeros((N, top + H + bottom, left + W + right, C), cols.dtype)
    windows = cols.reshape(N, -1, *kernel, C)  # (N,OH*OW,KH,KW,C)
    for number, (rows, columns) in enumerate(positions(x_shape, kernel, stride, pad)):
        xpad[:, rows, columns] += windows[:, number]
    return xpad[:, top : top + H, left : left + W]


def positions(x_shape, kernel, stride, pad):
    """The rows and columns of every window, position by position."""
    (_, H, W, _), (KH, KW), ((top, bottom), (left, right)) = x_shape, kernel, all_sides(pad)
    SH, SW = (stride, stride) if isinstance(stride, int) else stride
    OH, OW = (H + top + bottom - KH) // SH + 1, (W + left + right - KW) // SW + 1
    return [(slice(i * SH, i * SH + KH), slice(j * SW, j * SW + KW)) for i in range(OH) for j in range(OW)]


def all_sides(pad):
    """An int or ((top, bottom), (left, right)), as the pairs."""
    return ((pad, pad), (pad, pad)) if isinstance(pad, int) else pad
