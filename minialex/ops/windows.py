"""Sliding windows: output size, padding, im2col and its transpose, col2im."""

from numbers import Integral

from minialex.backend import xp_of
from minialex.ops.checks import sums_type


def pair(value) -> tuple[int, int]:
    """An int or a (vertical, horizontal) pair, as the pair."""
    if isinstance(value, Integral):  # NumPy's whole numbers too
        return value, value
    vertical, horizontal = value
    return vertical, horizontal


def pad_pairs(pad) -> tuple[tuple[int, int], tuple[int, int]]:
    """`pad` as ((top, bottom), (left, right)): an int means as much on every side."""
    pairs = ((pad, pad), (pad, pad)) if isinstance(pad, Integral) else tuple(tuple(side) for side in pad)
    if min(size for side in pairs for size in side) < 0:
        raise ValueError(f"pad is {pad}: it needs sizes of 0 or more")
    return pairs


def output_size(size: int, kernel: int, stride: int, before: int = 0, after: int = 0) -> int:
    """Positions of a window along one axis: floor((size + before + after - kernel) / stride) + 1 (section 3.5).

    Raises ValueError where the window does not fit once, or kernel or stride is below 1.
    """
    if kernel < 1 or stride < 1:
        raise ValueError(f"kernel {kernel} and stride {stride}: both need to be at least 1")
    if size + before + after < kernel:
        raise ValueError(
            f"a window of {kernel} needs at least {kernel} pixels, got {size} + {before + after} of padding"
        )
    return (size + before + after - kernel) // stride + 1


def zero_pad(x, pad):
    """x (N,H,W,C) with `pad` rows and columns of zeros around each image."""
    (top, bottom), (left, right) = pad_pairs(pad)
    if top == bottom == left == right == 0:
        return x
    N, H, W, C = x.shape
    padded = xp_of(x).zeros((N, top + H + bottom, left + W + right, C), x.dtype)
    padded[:, top : top + H, left : left + W] = x
    return padded


def im2col(x, kernel, stride, pad):
    """Every window of x as one row, so that a convolution becomes one matrix product.

    x (N,H,W,C), kernel (KH,KW) -> (N*OH*OW, KH*KW*C), in the order of a weight's own axes (KH,KW,C).
    """
    KH, KW = kernel
    SH, SW = pair(stride)
    windows = xp_of(x).lib.stride_tricks.sliding_window_view(zero_pad(x, pad), (KH, KW), axis=(1, 2))
    windows = windows[:, ::SH, ::SW].transpose(0, 1, 2, 4, 5, 3)  # (N,OH,OW,KH,KW,C), a view: nothing is copied yet
    return windows.reshape(-1, KH * KW * x.shape[3])


def col2im(cols, x_shape, kernel, stride, pad):
    """The transpose of im2col: each row is added back to the window that it was read from; overlaps sum.

    They sum in float32 where cols is float16.
    cols (N*OH*OW, KH*KW*C) -> (N,H,W,C).
    """
    N, H, W, C = x_shape
    (KH, KW), (SH, SW) = kernel, pair(stride)
    (top, bottom), (left, right) = pad_pairs(pad)
    OH, OW = output_size(H, KH, SH, top, bottom), output_size(W, KW, SW, left, right)
    cols = cols.reshape(N, OH, OW, KH, KW, C)
    padded = xp_of(cols).zeros((N, top + H + bottom, left + W + right, C), sums_type(cols.dtype))
    for i in range(KH):
        for j in range(KW):  # all windows at once: within one (i, j) no two of them share a pixel
            padded[:, i : i + SH * OH : SH, j : j + SW * OW : SW] += cols[:, :, :, i, j]
    return padded[:, top : top + H, left : left + W].astype(cols.dtype, copy=False)
