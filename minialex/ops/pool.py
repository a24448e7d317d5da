"""Overlapping max pooling (section 3.4)."""

from minialex.backend import xp_of
from minialex.ops.checks import require, require_float, require_images
from minialex.ops.windows import output_size, pair


def max_pool_forward(x, *, kernel=3, stride=2):
    """Max pooling (section 3.4): the largest value of each window; kernel > stride makes windows overlap.

    y[n,i,j,c] = max_{u < KH, v < KW} x[n, i*SH+u, j*SW+v, c]

    x       (N,H,W,C)
    kernel  pixels: an int or (vertical, horizontal); at most 256 in a window
    stride  pixels between windows: an int or (vertical, horizontal)
    Returns y (N,OH,OW,C) with OH = floor((H - KH)/SH) + 1, and the cache.
    Raises ValueError for a shape, type, kernel or stride that does not fit.
    """
    require_images("max_pool", x)
    require_float("max_pool", x=x)
    slices = _slices(x.shape, kernel, stride)
    require(len(slices) <= 256, f"max_pool: a window of {kernel} has {len(slices)} pixels, it may have 256")
    xp = xp_of(x)
    y = x[slices[0]]
    first = xp.zeros(y.shape, xp.uint8)  # which pixel of the window holds its (first) maximum
    for place, part in enumerate(slices[1:], start=1):
        candidate = x[part]
        first = xp.maximum(first, (candidate > y) * xp.uint8(place))
        y = xp.maximum(y, candidate)
    return y, (x.shape, first, kernel, stride)


def max_pool_backward(dy, cache):
    """Gradient of max pooling: each window hands all of its gradient to its first maximum in row-major order.

    dx[argmax of window] += dy: a pixel that is the maximum of several windows collects from all of them.
    dy (N,OH,OW,C) -> dx (N,H,W,C).
    """
    x_shape, first, kernel, stride = cache
    dx = xp_of(dy).zeros(x_shape, dy.dtype)
    for place, part in enumerate(_slices(x_shape, kernel, stride)):
        dx[part] += dy * (first == place)
    return dx


def _slices(x_shape, kernel, stride):
    """For each place in a window, the slice of x that holds that place of every window, in row-major order."""
    (KH, KW), (SH, SW) = pair(kernel), pair(stride)
    OH, OW = output_size(x_shape[1], KH, SH), output_size(x_shape[2], KW, SW)
    return [
        (slice(None), slice(i, i + SH * (OH - 1) + 1, SH), slice(j, j + SW * (OW - 1) + 1, SW))
        for i in range(KH)
        for j in range(KW)
    ]
