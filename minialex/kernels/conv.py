"""Convolution (sections 3.2 and 3.5): products of whole batches between the kernels of conv.cu and bias.cu, the twin of
minialex/ops/conv.py; and the same with the ReLU behind it (section 3.1).
"""

from minialex.backend import xp_of
from minialex.kernels.bias import add_bias, gradients
from minialex.kernels.launch import THREADS, launch, vector
from minialex.ops.checks import sums_type
from minialex.ops.conv import check
from minialex.ops.windows import output_size, pad_pairs, pair

ROWS = 2**30  # bytes of im2col's rows at once, at most: what a large batch needs more goes by slices of it


def conv_forward(x, W, b, *, stride=1, pad=0, groups=1):
    """Convolution (sections 3.2 and 3.5): see ops.conv.conv_forward."""
    return _forward(x, W, b, stride, pad, groups, relu=False)


def conv_backward(dy, cache, *, need_dx=True):
    """Gradients of the convolution: see ops.conv.conv_backward. dy (N,OH,OW,OC) -> dx (or None), dW, db.

    db is float32 for float16, as a sum of so many may pass the end of float16.
    """
    dy, groups = xp_of(dy).ascontiguousarray(dy), cache[3]
    db = dy.sum(axis=(1, 2), dtype=sums_type(dy.dtype)).sum(axis=0)  # image by image: many sums at a time
    return *_backward(_split(dy.reshape(-1, dy.shape[3]), groups), cache, need_dx), db


def conv_relu_forward(x, W, b, *, stride=1, pad=0, groups=1):
    """Convolution and the ReLU behind it (3.1), which is done on the way from the products to y."""
    y, cache = _forward(x, W, b, stride, pad, groups, relu=True)
    return y, (y, cache)


def conv_relu_backward(dy, cache, *, need_dx=True):
    """Gradients of the convolution and the ReLU behind it. dy (N,OH,OW,OC) -> dx (or None), dW, db."""
    y, cache = cache
    dys, db = gradients(dy, y, groups=cache[3])
    return *_backward(dys, cache, need_dx), db


def _forward(x, W, b, stride, pad, groups, relu):
    check(x, W, b, stride, pad, groups)
    xp = xp_of(x)
    x, b = xp.ascontiguousarray(x), xp.ascontiguousarray(b)
    sizes = _sizes(x.shape, W.shape, stride, pad)
    weights = _split(W.reshape(-1, len(b)), groups)
    y = xp.empty((len(x), *sizes[2:4], len(b)), x.dtype)
    for part in _parts(x, W, sizes):
        for g, Wg in enumerate(weights):
            add_bias(_im2col(x[part], sizes, groups, g) @ Wg, b, y[part], g, relu=relu)
    return y, (x, W, sizes, groups)


def _backward(dys, cache, need_dx):
    """dx (or None) and dW, from the gradient of each group's product, (N*OH*OW, OC/groups)."""
    x, W, sizes, groups = cache
    xp = xp_of(x)
    dx = xp.empty(x.shape, x.dtype) if need_dx else None
    weights = _split(W.reshape(-1, W.shape[3]), groups)
    dW = [xp.zeros(Wg.shape, sums_type(W.dtype)) for Wg in weights]
    pixels = sizes[2] * sizes[3]
    for part in _parts(x, W, sizes):
        for g in range(groups):
            dyg = dys[g][part.start * pixels : part.stop * pixels]
            dW[g] += _im2col(x[part], sizes, groups, g).T @ dyg  # the rows are let go before others are made
            if need_dx:
                _col2im(dyg @ weights[g].T, dx[part], sizes, groups, g)
    return dx, xp.concatenate(dW, axis=1).reshape(W.shape).astype(W.dtype, copy=False)


def _sizes(x_shape, W_shape, stride, pad):
    """H, W, OH, OW, KH, KW, SH, SW, and the padding above and to the left."""
    (H, W), (KH, KW) = x_shape[1:3], W_shape[:2]
    (SH, SW), (vertical, horizontal) = pair(stride), pad_pairs(pad)
    OH, OW = output_size(H, KH, SH, *vertical), output_size(W, KW, SW, *horizontal)
    return H, W, OH, OW, KH, KW, SH, SW, vertical[0], horizontal[0]


def _parts(x, W, sizes):
    """Slices of the batch, as many images to each, whose rows take no more than ROWS (one image may)."""
    _, _, OH, OW, KH, KW, *_ = sizes
    fitting = max(1, ROWS // (OH * OW * KH * KW * W.shape[2] * x.itemsize))
    length = -(-len(x) // max(1, -(-len(x) // fitting)))
    return [slice(start, start + length) for start in range(0, len(x), max(1, length))]


def _split(array, groups):
    """The columns of each group, contiguous, as CuPy's product would make them again and again."""
    xp = xp_of(array)
    return [xp.ascontiguousarray(part) for part in xp.split(array, groups, axis=1)]


def _im2col(x, sizes, groups, g):
    """The rows of group g: (N,H,W,C) -> (N*OH*OW, KH*KW*C/groups)."""
    (N, _, _, C), (_, _, OH, OW, KH, KW, *_) = x.shape, sizes
    rows = xp_of(x).empty((N * OH * OW, KH * KW * C // groups), x.dtype)
    _launch("conv_im2col", N * OH * KH, OW * KW, (x, rows), sizes, C, groups, g)
    return rows


def _col2im(rows, dx, sizes, groups, g):
    """Write the channels of group g of dx (N,H,W,C): the rows, each added back to its window."""
    N, H, W, C = dx.shape
    _launch("conv_col2im", N * H, W, (rows, dx), sizes, C, groups, g)


def _launch(name, lines, places, arrays, sizes, C, groups, g):
    """A block for each piece of each line, which has `places` of C/groups channels, V of them to a thread."""
    V = vector(C // groups, *arrays)
    H, W, *rest = sizes
    CG = C // groups // V
    launch("conv", name, (lines, -(-places * CG // THREADS)), (*arrays, H, W, C // V, *rest, CG, g * CG), V=V)
