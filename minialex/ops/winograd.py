"""Convolution with fewer multiplications (Winograd's minimal filtering), for kernels of 3x3 and 5x5 with stride 1.

A row of m outputs under a kernel of r weights is a part of a product of two polynomials. Such a product can be had
from their values at n = m + r - 1 points: n multiplications instead of m r (Toom and Cook). With the same along both
axes of an image (Lavin and Gray: Fast algorithms for convolutional neural networks, 2015):

    V = B^T d B     for each tile d of n x n pixels; tiles lie m pixels apart
    U = G w G^T     for each kernel w, r x r
    M = V U         for each of the n x n values a matrix product over the channels: all the work is here
    y = A^T M A     m x m outputs for each tile

5x5 kernels take 64 multiplications for 4 x 4 outputs instead of 400, those of 3x3 take 16 for 2 x 2 instead of 36.
What it costs: the values are larger than what they come from, and the rounding error grows with them.
"""

from functools import cache
from typing import NamedTuple

from minialex.backend import xp_of
from minialex.ops.conv import check, conv_backward, conv_forward
from minialex.ops.windows import col2im, im2col, output_size, pad_pairs, pair

TILE = {(3, 3): 2, (5, 5): 4}  # m by kernel: with more, rounding grows faster than speed
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)  # small ones, whose powers stay small; one more lies at infinity
BLOCK = 2_500_000  # numbers in V and M at a time, so that they stay in a CPU's cache


def winograd_forward(x, W, b, *, stride=1, pad=0, groups=1):
    """Convolution (sections 3.2 and 3.5): what conv_forward gives, to rounding, from fewer multiplications.

    Arguments, results and errors are those of conv_forward, which also computes what is not in TILE.
    """
    if not applies(W.shape[:2], stride):
        return conv_forward(x, W, b, stride=stride, pad=pad, groups=groups)
    check(x, W, b, stride, pad, groups)
    tiling, (A, _, _) = Tiling.of(x.shape, W.shape, pad), _matrices(xp_of(x), W.shape[0], str(x.dtype))
    U = _kernel_values(W, groups)
    y = xp_of(x).empty((len(x), tiling.OH, tiling.OW, W.shape[3]), x.dtype)
    for part in _blocks(x, W, tiling):
        M = _tile_values(x[part], tiling, groups) @ U  # (groups,n*n,tiles,OC/groups)
        xp_of(x).add(tiling.join(A.T @ _flat(M), len(x[part])), b, out=y[part])
    return y, (x, W, stride, pad, groups)


def winograd_backward(dy, cache, *, need_dx=True):
    """Gradients of the convolution: the forward's steps undone in reverse, each by its transpose.

    dM = A dy A^T;  dU = V^T dM;  dW = G^T dU G;  dV = dM U^T;  dx = B dV B^T, where tiles overlap their sum

    dy (N,OH,OW,OC) -> dx (N,H,W,C), or None where need_dx is False; dW and db as W and b.
    """
    x, W, stride, pad, groups = cache
    if not applies(W.shape[:2], stride):
        return conv_backward(dy, cache, need_dx=need_dx)
    xp, tiling = xp_of(x), Tiling.of(x.shape, W.shape, pad)
    A, G, B = _matrices(xp, W.shape[0], str(x.dtype))
    Ut = _kernel_values(_transposed(W, groups), groups)  # (groups,n*n,OC/groups,C/groups)
    dx, dU = xp.empty_like(x) if need_dx else None, 0
    for part in _blocks(x, W, tiling):
        dM = (A @ tiling.cut(dy[part], groups)).reshape(groups, len(B), -1, Ut.shape[2])
        dU += _tile_values(x[part], tiling, groups).swapaxes(2, 3) @ dM
        if need_dx:
            dV = dM @ Ut  # (groups,n*n,tiles,C/groups)
            dd = B @ dV.transpose(2, 1, 0, 3).reshape(-1, len(B), x.shape[3])  # (tiles,n*n,C)
            dx[part] = col2im(dd, x[part].shape, (tiling.n, tiling.n), tiling.m, tiling.pad)
    dW = G.T @ dU.transpose(1, 2, 0, 3).reshape(len(B), -1)
    return dx, dW.reshape(W.shape), dy.sum(axis=(0, 1, 2))


def applies(kernel, stride) -> bool:
    """Whether the convolution of such a kernel and stride is computed in this way."""
    return pair(kernel) in TILE and pair(stride) == (1, 1)


class Tiling(NamedTuple):
    """How one convolution's outputs are cut into tiles of m x m, each under n x n pixels of the padded image."""

    m: int
    n: int
    OH: int
    OW: int
    pad: tuple  # the convolution's own, and what the last tiles reach beyond it

    @classmethod
    def of(cls, x_shape, W_shape, pad):
        """The tiling of images x under kernels W."""
        (_, H, W, _), r, m = x_shape, W_shape[0], TILE[W_shape[:2]]
        (top, bottom), (left, right) = pad_pairs(pad)
        OH, OW = output_size(H, r, 1, top, bottom), output_size(W, r, 1, left, right)
        return cls(m, m + r - 1, OH, OW, ((top, bottom + -OH % m), (left, right + -OW % m)))

    @property
    def grid(self):
        """Tiles (vertically, horizontally) in an image."""
        return -(-self.OH // self.m), -(-self.OW // self.m)

    def join(self, tiles, N):
        """tiles (groups,m*m,N*TH*TW*OC/groups) -> outputs (N,OH,OW,OC)."""
        (TH, TW), m = self.grid, self.m
        tiles = tiles.reshape(len(tiles), m, m, N, TH, TW, -1).transpose(3, 4, 1, 5, 2, 0, 6)
        return tiles.reshape(N, TH * m, TW * m, -1)[:, : self.OH, : self.OW]

    def cut(self, dy, groups):
        """The transpose of join: dy (N,OH,OW,OC) -> (groups,m*m,N*TH*TW*OC/groups), zeros where dy ends."""
        (TH, TW), m, (N, _, _, OC) = self.grid, self.m, dy.shape
        whole = xp_of(dy).zeros((N, TH * m, TW * m, OC), dy.dtype)
        whole[:, : self.OH, : self.OW] = dy
        tiles = whole.reshape(N, TH, m, TW, m, groups, -1).transpose(5, 2, 4, 0, 1, 3, 6)
        return tiles.reshape(groups, m * m, -1)


def _tile_values(x, tiling, groups):
    """V = B^T d B: x (N,H,W,C) -> (groups,n*n,N*TH*TW,C/groups)."""
    n, C = tiling.n, x.shape[3]
    _, _, B = _matrices(xp_of(x), n + 1 - tiling.m, str(x.dtype))
    d = im2col(x, (n, n), tiling.m, tiling.pad).reshape(-1, n * n, C)  # (tiles,n*n,C)
    return (B.T @ d).reshape(len(d), n * n, groups, -1).transpose(2, 1, 0, 3)


def _kernel_values(W, groups):
    """U = G w G^T: W (r,r,C/groups,OC) -> (groups,n*n,C/groups,OC/groups)."""
    r, _, Cg, _ = W.shape
    _, G, _ = _matrices(xp_of(W), r, str(W.dtype))
    return (G @ W.reshape(r * r, -1)).reshape(len(G), Cg, groups, -1).transpose(2, 0, 1, 3)


def _transposed(W, groups):
    """Kernels that lead back from outputs to inputs: W (r,r,C/groups,OC) -> (r,r,OC/groups,C)."""
    r, _, Cg, OC = W.shape
    return W.reshape(r, r, Cg, groups, -1).transpose(0, 1, 4, 3, 2).reshape(r, r, OC // groups, -1)


def _flat(M):
    """(groups,n*n,tiles,OC/groups) -> (groups,n*n,tiles*OC/groups)."""
    return M.reshape(*M.shape[:2], -1)


def _blocks(x, W, tiling):
    """Slices of a few images."""
    TH, TW = tiling.grid
    images = max(1, BLOCK // (tiling.n**2 * TH * TW * (x.shape[3] + W.shape[3])))
    return [slice(start, start + images) for start in range(0, len(x), images)]


@cache
def _matrices(xp, r, dtype):
    """A (n*n,m*m), G (n*n,r*r) and B (n*n,n*n), each for both axes at once: vec(A^T M A) is A.T @ vec(M)."""
    m = TILE[r, r]
    points = POINTS[: m + r - 2]
    evaluate = (_powers(points, m), _powers(points, r), _lagrange(points))
    A, G, Bt = (xp.array(_kronecker(matrix), dtype) for matrix in evaluate)
    return A, G, xp.ascontiguousarray(Bt.T)


def _powers(points, length):
    """The matrix that takes a polynomial's coefficients to its values at the points and at infinity."""
    return [[p**k for k in range(length)] for p in points] + [[0.0] * (length - 1) + [1.0]]


def _lagrange(points):
    """The polynomials that are 1 at one point and 0 at the others; and that of infinity, 0 at all of them."""
    rows = []
    for p in points:
        others = [q for q in points if q != p]
        scale = 1.0
        for q in others:
            scale *= p - q
        rows.append([c / scale for c in _with_roots(others)] + [0.0])
    return [*rows, _with_roots(points)]


def _with_roots(roots):
    """The coefficients of prod (X - root), the constant first."""
    coefficients = [1.0]
    for root in roots:
        shifted, scaled = [0.0, *coefficients], [-root * c for c in coefficients] + [0.0]
        coefficients = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return coefficients


def _kronecker(matrix):
    """The matrix that works on both axes of an image at once, its pixels in one row."""
    return [[a * b for a in above for b in below] for above in matrix for below in matrix]
