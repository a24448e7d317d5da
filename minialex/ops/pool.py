"""Overlapping max pooling (section 3.4)."""

from minialex.backend import xp_of
from minialex.ops.checks import require, require_float, require_images
from minialex.ops.windows import output_size, pair


def max_pool_forward(x, *, kernel=3, stride=2):
    """Max pooling (section 3.4): the largest value of each window; kernel > stride makes windows overlap.

    y[n,i,j,c] = max_{u < KH, v < KW} x[n, i*SH+u, j*SW+v, c]

    It is the largest of what is the largest in each row: about KH + KW comparisons for a window, not KH KW.

    x       (N,H,W,C)
    kernel  pixels: an int or (vertical, horizontal); at most 256 along either axis
    stride  pixels between windows: an int or (vertical, horizontal)
    Returns y (N,OH,OW,C) with OH = floor((H - KH)/SH) + 1, and the cache.
    Raises ValueError for a shape, type, kernel or stride that does not fit.
    """
    check(x, kernel)
    (KH, KW), (SH, SW) = pair(kernel), pair(stride)
    down, across = _slices(x.shape[1], KH, SH, axis=1), _slices(x.shape[2], KW, SW, axis=2)
    rows, first_in_row = _largest(x, across)  # (N,H,OW,C)
    y, first_row = _largest(rows, down)  # (N,OH,OW,C)
    return y, ((x.shape, first_in_row, across), (rows.shape, first_row, down))


def max_pool_backward(dy, cache):
    """Gradient of max pooling: each window hands all of its gradient to its first maximum in row-major order.

    dx[argmax of window] += dy: a pixel that is the maximum of several windows collects from all of them.
    dy (N,OH,OW,C) -> dx (N,H,W,C).
    """
    in_rows, among_rows = cache
    return _hand_back(_hand_back(dy, *among_rows), *in_rows)


def _largest(x, slices):
    """The largest value of each window along one axis, and the place in the window of the first that is so large."""
    xp = xp_of(x)
    y = x[slices[0]]
    first = xp.zeros(y.shape, xp.uint8)
    for place, part in enumerate(slices[1:], start=1):
        candidate = x[part]
        first = xp.maximum(first, (candidate > y) * xp.uint8(place))
        y = xp.maximum(y, candidate)
    return y, first


def _hand_back(dy, x_shape, first, slices):
    """The gradient of _largest."""
    dx = xp_of(dy).zeros(x_shape, dy.dtype)
    for place, part in enumerate(slices):
        dx[part] += dy * (first == place)
    return dx


def _slices(size, kernel, stride, axis):
    """For each place in a window along one axis, the slice of x that holds that place of every window."""
    reach = stride * (output_size(size, kernel, stride) - 1) + 1
    return [(*[slice(None)] * axis, slice(place, place + reach, stride)) for place in range(kernel)]


def check(x, kernel):
    """x is a batch of maps, and the place of a pixel in its window fits in two bytes; ValueError where not."""
    require_images("max_pool", x)
    require_float("max_pool", x=x)
    require(max(pair(kernel)) <= 256, f"max_pool: a window of {kernel} pixels, it may have 256 along an axis")
