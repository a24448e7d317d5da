"""Local response normalisation and the max pooling behind it (sections 3.3 and 3.4), in one kernel each way:
lrn_pool.cu, the twin of minialex/ops/lrn.py and minialex/ops/pool.py.
"""

from minialex.backend import xp_of
from minialex.kernels.launch import launch
from minialex.kernels.lrn import TILE, constants_of, lrn_forward
from minialex.kernels.pool import max_pool_forward, window_sizes
from minialex.ops.checks import sums_type

POOLED_BYTES = 12288  # of x, in the type of sums, that a block takes into shared memory; lrn_pool.cu has the same


def lrn_max_pool_forward(x, *, n=5, k=2.0, alpha=1e-4, beta=0.75, groups=1, kernel=3, stride=2):
    """Local response normalisation and max pooling (3.3, 3.4): see ops.lrn.lrn_forward and ops.pool.max_pool_forward.

    The normalised maps are written only where a block cannot hold those of a single window.
    x (N,H,W,C) -> y (N,OH,OW,C) and the cache.
    """
    xp, constants, sizes = xp_of(x), constants_of(x, n, k, alpha, beta, groups), window_sizes(x, kernel, stride)
    x, wide = xp.ascontiguousarray(x), _windows_of_a_block(sizes, x.shape[3] // groups, x.dtype)
    if wide < 1:
        normalised, _ = lrn_forward(x, n=n, k=k, alpha=alpha, beta=beta, groups=groups)
        y, (place, *_) = max_pool_forward(normalised, kernel=kernel, stride=stride)
    else:
        shape = N, OH, OW, _ = len(x), *sizes[2:4], x.shape[3]
        y, place = xp.empty(shape, x.dtype), xp.empty(shape, xp.uint16)
        window, *others = constants
        grid = N * OH, -(-OW // wide), groups
        launch("lrn_pool", "lrn_max_pool_forward", grid, (x, y, place, *sizes, wide, *others), N=window)
    return y, (x, place, sizes, constants)


def lrn_max_pool_backward(dy, cache):
    """Gradient of normalisation and pooling. dy (N,OH,OW,C) -> dx (N,H,W,C)."""
    x, place, sizes, (window, C, *factors) = cache
    xp, (N, H, W, channels) = xp_of(dy, x), x.shape
    dx = xp.empty(x.shape, x.dtype)
    tile = _shared(W * channels // C, TILE // C) * C
    grid = N * H, -(-W * channels // tile)
    arrays = xp.ascontiguousarray(dy), place, x, dx
    launch("lrn_pool", "lrn_max_pool_backward", grid, (*arrays, *sizes, channels, tile, C, *factors), N=window)
    return dx


def _windows_of_a_block(sizes, C, dtype):
    """How many windows side by side a block takes, of C channels; 0 where it cannot hold one."""
    _, _, _, OW, KH, KW, _, SW = sizes
    size = 8 if sums_type(dtype) == "float64" else 4
    columns = POOLED_BYTES // (size * KH * C)  # of pixels, that fit
    return 0 if columns < KW else _shared(OW, (columns - KW) // SW + 1)


def _shared(count, most):
    """How many of `count` things each takes if they are shared out evenly, `most` to one."""
    return -(-count // -(-count // most))
