"""Overlapping max pooling (section 3.4) in one kernel each way: pool.cu, the twin of minialex/ops/pool.py."""

from minialex.backend import xp_of
from minialex.kernels.launch import THREADS, launch, vector
from minialex.ops.pool import check
from minialex.ops.windows import output_size, pair


def max_pool_forward(x, *, kernel=3, stride=2):
    """Max pooling (section 3.4): see ops.pool.max_pool_forward."""
    sizes = _, _, OH, OW, *_ = window_sizes(x, kernel, stride)
    N, C = len(x), x.shape[3]
    xp, x = xp_of(x), xp_of(x).ascontiguousarray(x)
    y, place = xp.empty((N, OH, OW, C), x.dtype), xp.empty((N, OH, OW, C), xp.uint16)
    _launch("max_pool_forward", N * OH, OW, C, (x, y, place), sizes)
    return y, (place, x.shape, sizes)


def max_pool_backward(dy, cache):
    """Gradient of max pooling: see ops.pool.max_pool_backward. dy (N,OH,OW,C) -> dx (N,H,W,C)."""
    place, (N, H, W, C), sizes = cache
    xp = xp_of(dy, place)
    dx = xp.empty((N, H, W, C), dy.dtype)
    _launch("max_pool_backward", N * H, W, C, (xp.ascontiguousarray(dy), place, dx), sizes)
    return dx


def window_sizes(x, kernel, stride):
    """H, W, OH, OW, KH, KW, SH, SW of windows over x (N,H,W,C); ValueError where they do not fit."""
    check(x, kernel)
    (H, W), (KH, KW), (SH, SW) = x.shape[1:3], pair(kernel), pair(stride)
    return H, W, output_size(H, KH, SH), output_size(W, KW, SW), KH, KW, SH, SW


def _launch(name, rows, pixels, C, arrays, sizes):
    """A block for each piece of each of the rows, which have `pixels` of C channels, V of them to a thread."""
    V = vector(C, *arrays)
    H, W, *rest = sizes
    grid = rows, -(-pixels * C // (V * THREADS))
    launch("pool", name, grid, (*arrays, H, W, C // V, *rest), V=V)
