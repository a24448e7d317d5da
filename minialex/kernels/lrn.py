"""Local response normalisation (section 3.3) in one kernel each way: lrn.cu, the twin of minialex/ops/lrn.py."""

from minialex.backend import xp_of
from minialex.kernels.launch import launch
from minialex.ops.checks import require
from minialex.ops.lrn import check

TILE = 1024  # numbers that a block takes into shared memory; lrn.cuh has the same


def lrn_forward(x, *, n=5, k=2.0, alpha=1e-4, beta=0.75, groups=1):
    """Local response normalisation across neighbouring maps (section 3.3): see ops.lrn.lrn_forward.

    Raises ValueError also for a group of more than 1024 channels, which no block can hold.
    """
    constants = constants_of(x, n, k, alpha, beta, groups)
    x = xp_of(x).ascontiguousarray(x)
    y = xp_of(x).empty(x.shape, x.dtype)
    _launch("lrn_forward", (x, y), *constants)
    return y, (x, *constants)


def lrn_backward(dy, cache):
    """Gradient of local response normalisation: see ops.lrn.lrn_backward. dy (N,H,W,C) -> dx (N,H,W,C)."""
    x, *constants = cache
    xp = xp_of(x, dy)
    dx = xp.empty(x.shape, x.dtype)
    _launch("lrn_backward", (xp.ascontiguousarray(dy), x, dx), *constants)
    return dx


def constants_of(x, n, k, alpha, beta, groups):
    """Maps in a window, maps in a group, k, alpha, beta: what every kernel of the normalisation takes."""
    check(x, n, k, groups)
    C = x.shape[3] // groups
    require(C <= TILE, f"lrn: {C} channels in a group, the kernel takes {TILE} at most")
    return min(n, 2 * C - 1), C, float(k), float(alpha), float(beta)  # a wider window holds no more maps


def _launch(name, arrays, n, C, *factors):
    x = arrays[0]
    tile = TILE // C * C  # whole pixels of one group, so that no window leaves its block
    launch("lrn", name, -(-x.size // tile), (*arrays, xp_of(x).int64(x.size), tile, C, *factors), N=n)
