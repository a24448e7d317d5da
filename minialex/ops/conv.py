"""Convolution as im2col and one matrix product for each group (sections 3.2 and 3.5)."""

from minialex.backend import xp_of
from minialex.ops.checks import require, require_float, require_images, require_shape, sums_type
from minialex.ops.windows import col2im, im2col, output_size, pad_pairs, pair


def conv_forward(x, W, b, *, stride=1, pad=0, groups=1):
    """Convolution, in deep learning's sense (the kernel is not flipped), of sections 3.2 and 3.5.

    y[n,i,j,o] = b[o] + sum_{u,v,c} xpad[n, i*SH+u, j*SW+v, c] W[u,v,c,o]

    With groups = G, the output maps of group g see only the g-th part of the channels: G = 2 is the
    paper's pair of GPUs that exchange nothing.

    x       (N,H,W,C)
    W       (KH,KW,C/groups,OC)
    b       (OC,)
    stride  pixels between windows: an int or (vertical, horizontal)
    pad     pixels of zeros: an int or ((top, bottom), (left, right))
    Returns y (N,OH,OW,OC) with OH = floor((H + top + bottom - KH)/SH) + 1, and the cache.
    Raises ValueError for shapes, types, stride, pad or groups that do not fit.
    """
    check(x, W, b, stride, pad, groups)
    xp = xp_of(x)
    N, H, Wd, _ = x.shape
    KH, KW, _, OC = W.shape
    (SH, SW), (vertical, horizontal) = pair(stride), pad_pairs(pad)
    OH, OW = output_size(H, KH, SH, *vertical), output_size(Wd, KW, SW, *horizontal)
    products = [
        im2col(xg, (KH, KW), stride, pad) @ Wg.reshape(-1, OC // groups)  # (N*OH*OW, OC/groups)
        for xg, Wg in zip(xp.split(x, groups, axis=3), xp.split(W, groups, axis=3), strict=True)
    ]
    y = _join(products, axis=1)
    y += b
    return y.reshape(N, OH, OW, OC), (x, W, stride, pad, groups)


def conv_backward(dy, cache, *, need_dx=True):
    """Gradients of the convolution: with rows = im2col(x), y = rows W + b.

    dW = rows^T dy;  db = sum of dy over images and positions;  dx = col2im(dy W^T)

    The rows are made again: kept, they would be the largest array of all. They and their gradient are as large, and
    never there at once.

    dy (N,OH,OW,OC) -> dx (N,H,W,C), or None where need_dx is False; dW and db as W and b, but db of float16 is float32.
    """
    x, W, stride, pad, groups = cache
    xp = xp_of(dy)
    KH, KW, Cg, OC = W.shape
    of_images = dy.reshape(len(dy), -1, OC).sum(axis=1, dtype=sums_type(dy.dtype))  # short sums, and many for a GPU
    db = of_images.sum(axis=0)
    dy = dy.reshape(-1, OC)  # (N*OH*OW, OC)
    parts = (xp.split(array, groups, axis=-1) for array in (x, W, dy))
    dx, dW = [], []
    for xg, Wg, dyg in zip(*parts, strict=True):
        dW.append((im2col(xg, (KH, KW), stride, pad).T @ dyg).reshape(Wg.shape))
        if need_dx:  # drows is dyg W^T, (N*OH*OW, KH*KW*Cg)
            dx.append(col2im(dyg @ Wg.reshape(-1, OC // groups).T, xg.shape, (KH, KW), stride, pad))
    return _join(dx, axis=3) if need_dx else None, _join(dW, axis=3), db


def _join(parts, axis):
    """The groups' parts side by side; a single one as it is, for it is large."""
    return parts[0] if len(parts) == 1 else xp_of(*parts).concatenate(parts, axis=axis)


def check(x, W, b, stride, pad, groups):
    """Raise ValueError unless x (N,H,W,C), W (KH,KW,C/groups,OC), b (OC,) and groups fit each other.

    stride and pad, in pixels, are looked at where the output's size is computed.
    """
    require_images("conv", x)
    require(W.ndim == 4, f"conv: W has shape {W.shape}, it needs four axes (KH,KW,C/groups,OC)")
    require_float("conv", x=x, W=W, b=b)
    C, (KH, KW, _, OC) = x.shape[3], W.shape
    require(
        groups >= 1 and C % groups == 0 and OC % groups == 0,
        f"conv: groups is {groups}, it needs to divide the {C} channels of x and the {OC} maps of W",
    )
    require_shape("conv", "W", W.shape, (KH, KW, C // groups, OC), f"{C} channels in {groups} groups")
    require_shape("conv", "b", b.shape, (OC,), "one bias a map")
