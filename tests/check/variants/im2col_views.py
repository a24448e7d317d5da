"""sliding_window_view, and its transpose by np.add.at on the pixels' numbers."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def im2col(x, kernel, stride, pad):
    pads = ((pad, pad), (pad, pad)) if isinstance(pad, int) else pad
    SH, SW = (stride, stride) if isinstance(stride, int) else stride
    xp = np.pad(x, [(0, 0), *pads, (0, 0)])
    windows = sliding_window_view(xp, kernel, axis=(1, 2))[:, ::SH, ::SW]
    return np.moveaxis(windows, 3, 5).reshape(-1, kernel[0] * kernel[1] * x.shape[3])


def col2im(cols, x_shape, kernel, stride, pad):
    numbers = np.arange(1, np.prod(x_shape) + 1).reshape(x_shape)  # 0 is padding
    sums = np.zeros(np.prod(x_shape) + 1, cols.dtype)
    np.add.at(sums, im2col(numbers, kernel, stride, pad), cols)
    return sums[1:].reshape(x_shape)
