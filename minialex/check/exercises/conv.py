"""Convolution (sections 3.2 and 3.5)."""

from functools import partial
from itertools import permutations

import numpy as np

from minialex.check.cases import SEED, Exercise, Pair, Probe
from minialex.check.exercises.scatter import (
    fewer,
    overwritten,
    scatter,
    sliced_to_minus_pad,
    windows_of,
    wrong_cuts,
    wrong_geometry,
)
from minialex.ops import conv_backward, conv_forward
from minialex.ops.windows import pad_pairs, pair

HINTS = (
    "Begin with loops over image, row and column: pad x, cut out the window x[n, i*SH : i*SH+KH, j*SW : j*SW+KW], and "
    "multiply it with all of W at once. Then let the groups in: maps of group g read the g-th block of channels.",
    "With every window as one row, (N*OH*OW, KH*KW*C/g), and W as (KH*KW*C/g, OC/g), a group's forward is one matrix "
    "product. Both must be flattened in one order: KH, KW, C.",
    "Backward undoes that product: dW is the rows transposed times dy, the gradient of the rows is dy times W "
    "transposed, db is a sum over images and positions. Each row's gradient is ADDED to the pixels it was read from, "
    "and the padding is cut off at the end.",
)

ORDER = "KH,KW,C"


def conv(x, W, b, **options):
    """y alone."""
    return conv_forward(x, W, b, **options)[0]


def reordered(W, order):
    """The kernel that acts in place of W where windows are flattened in another order of (KH,KW,C) than W is."""
    shape = [W.shape[axis] for axis in order]
    return W.reshape(*shape, W.shape[3]).transpose(*np.argsort(order), 3)


def wrong_orders():
    """(words, order) of the ways to flatten a window, beside the right one."""
    names = np.array(ORDER.split(","))
    for order in permutations(range(3)):
        if order != (0, 1, 2):
            yield f"flatten order: windows are flattened as ({','.join(names[list(order)])}) and W as ({ORDER})", order


def wrong_channels(C, groups):
    """(words, channels): which channels of x people read in place of 0, 1, 2, ... where there are groups."""
    if groups > 1:
        yield (
            "the channels are interleaved: group g reads a block of neighbouring channels, not each G-th",
            np.arange(C).reshape(-1, groups).T.ravel(),  # 0, G, 2G, ..., 1, G+1, ...
        )
        first = np.tile(np.arange(C // groups), groups)
        yield "every group reads the channels of the first: groups is not used for x", first
        yield "the groups of channels are exchanged", np.roll(np.arange(C), C // groups)


def forward_mistakes(x, W, b, *, stride=1, pad=0, groups=1):
    """Known mistakes of the forward pass: (words, function that gives the wrong result)."""
    right = dict(stride=stride, pad=pad, groups=groups)
    yield "the bias is not added", lambda: conv(x, W, 0 * b, **right)
    yield fewer(conv(x, W, b, **right))
    for flipped, words in (((0, 1), "both ways"), ((0,), "vertically"), ((1,), "horizontally")):
        turned = np.flip(W, flipped)
        yield (
            f"the kernel is flipped {words}: in deep learning it should not be",
            partial(conv, x, turned, b, **right),
        )
    for words, other_stride, other_pad in wrong_cuts(stride, pad):
        yield words, partial(conv, x, W, b, stride=other_stride, pad=other_pad, groups=groups)
    for words, channels in wrong_channels(x.shape[3], groups):
        yield words, partial(conv, x[..., channels], W, b, **right)
    if groups > 1:
        yield (
            "groups is not used: every map reads all channels, with the same weights for each group",
            lambda: conv(x, np.concatenate([W] * groups, axis=2), b, stride=stride, pad=pad),
        )
        maps = np.arange(W.shape[3]).reshape(groups, -1).T.ravel()
        yield (
            "the maps of the groups are interleaved in y: they stand block by block",
            lambda: conv(x, W, b, **right)[..., maps],
        )
        yield (
            "the maps of the groups are interleaved in y: they stand block by block",
            lambda: conv(x, W, 0 * b, **right)[..., maps] + b,
        )
        yield (
            "the maps are interleaved: map o belongs to group o // (OC/G), not o % G",
            lambda: conv(x, W[..., np.argsort(maps)], b[np.argsort(maps)], **right)[..., maps],
        )
    for words, order in wrong_orders():
        yield words, partial(conv, x, reordered(W, order), b, **right)
    yield "the kernel is transposed: rows and columns are exchanged", lambda: conv(x, W.swapaxes(0, 1), b, **right)
    yield (
        "the bias is multiplied by the number of channels: it should be added once",
        lambda: conv(x, W, b * W.shape[2], **right),
    )
    yield (
        "the bias is added once for each pixel of the window: it should be added once",
        lambda: conv(x, W, b * W[..., 0, 0].size, **right),
    )
    yield (
        "the bias is added once for each weight: it should be added once",
        lambda: conv(x, W, b * W[..., 0].size, **right),
    )
    yield (
        "padded with the pixels at the edge: the padding is zeros",
        lambda: conv(np.pad(x, ((0, 0), *pad_pairs(pad), (0, 0)), mode="edge"), W, b, stride=stride, groups=groups),
    )


def window_gradient(dy, W, groups):
    """dy (N,OH,OW,OC) -> the gradient of each window, (N,OH,OW,KH,KW,C)."""
    dys, Ws = np.split(dy, groups, axis=3), np.split(W, groups, axis=3)
    parts = [np.einsum("nijo,uvco->nijuvc", dyg, Wg) for dyg, Wg in zip(dys, Ws, strict=True)]
    return np.concatenate(parts, axis=-1)


def backward_mistakes(dy, x, W, b, *, stride=1, pad=0, groups=1):
    """Known mistakes of the backward pass: (name of the gradient, words, function that gives the wrong one)."""
    right = dict(stride=stride, pad=pad, groups=groups)
    windows = window_gradient(dy, W, groups)
    for words, make in overwritten(windows, x.shape, stride, pad):
        yield "dx", words, make
    for flipped in ((0, 1), (0,), (1,)):
        turned = np.flip(W, flipped)
        yield (
            "dx",
            "the kernel is flipped: each weight's gradient goes back to the pixel that it was multiplied with",
            lambda turned=turned: scatter(window_gradient(dy, turned, groups), x.shape, stride, pad),
        )
    for words, other_stride, other_pad in wrong_geometry(stride, pad):
        yield "dx", words, lambda s=other_stride, p=other_pad: scatter(windows, x.shape, s, p)
        yield "dW", words, lambda s=other_stride, p=other_pad: _dW(dy, x, W, s, p, groups)
    yield "dx", *sliced_to_minus_pad(windows, x.shape, stride, pad)
    yield (
        "dx",
        "the padding is cut off at the wrong end: row 0 is taken for the image's first",
        lambda: scatter(windows, x.shape, stride, pad, start=(0, 0)),
    )
    yield (
        "dx",
        "each pixel is averaged over its windows: they should be summed",
        lambda: scatter(windows, x.shape, stride, pad) / _counts(windows, x.shape, stride, pad),
    )
    for words, order in wrong_orders():
        turned = reordered(W, order)
        yield "dx", words, lambda turned=turned: scatter(window_gradient(dy, turned, groups), x.shape, stride, pad)
        yield "dW", words, lambda order=order: _reordered_dW(conv_backward(dy, _cache(x, W, b, right))[1], order)
    yield "dW", "the kernel's gradient is flipped", lambda: conv_backward(dy, _cache(x, W, b, right))[1][::-1, ::-1]
    for words, channels in wrong_channels(x.shape[3], groups):
        yield "dW", words, lambda c=channels: conv_backward(dy, _cache(x[..., c], W, b, right))[1]
        yield "dx", words, lambda c=channels: _read_from(conv_backward(dy, _cache(x, W, b, right))[0], c)
    if groups > 1:
        maps = np.arange(W.shape[3]).reshape(groups, -1).T.ravel()
        yield (
            "dW",
            "the maps of the groups are interleaved: they stand block by block",
            lambda: conv_backward(dy, _cache(x, W, b, right))[1][..., maps],
        )
    yield "db", "db is multiplied with x: the bias is added, whatever x is", lambda: dy.sum(axis=(0, 1, 2)) * x.sum()


def _read_from(dx, channels):
    """dx added to the channels that were read instead."""
    other = np.zeros_like(dx)
    np.add.at(other, (..., channels), dx)
    return other


def _counts(windows, x_shape, stride, pad):
    return np.maximum(scatter(np.ones(windows.shape), x_shape, stride, pad), 1)


def _cache(x, W, b, options):
    return conv_forward(x, W, b, **options)[1]


def _dW(dy, x, W, stride, pad, groups):
    """dW from the windows that another stride and pad would cut; as many of them as dy has."""
    windows = windows_of(x, W.shape[:2], pair(stride), pad)[:, : dy.shape[1], : dy.shape[2]]
    parts = zip(np.split(windows, groups, axis=-1), np.split(dy, groups, axis=-1), strict=True)
    return np.concatenate([np.einsum("nijuvc,nijo->uvco", cols, dyg) for cols, dyg in parts], axis=-1)


def _reordered_dW(dW, order):
    """dW flattened in another order than the one in which it is read."""
    return dW.transpose(*order, 3).reshape(dW.shape)


def probes():
    """The inputs that it is asked with, the edge cases last."""
    rng = np.random.default_rng(SEED)
    x, b = rng.standard_normal((3, 9, 7, 4)), rng.standard_normal(6)
    W, W2 = rng.standard_normal((3, 2, 4, 6)), rng.standard_normal((3, 2, 2, 6))
    yield Probe("the bare convolution", {"x": x, "W": W, "b": b}, dict(stride=1, pad=0, groups=1))
    yield Probe("stride 2", {"x": x, "W": W, "b": b}, dict(stride=2, pad=0, groups=1))
    yield Probe("stride 2, pad 1", {"x": x, "W": W, "b": b}, dict(stride=2, pad=1, groups=1))
    yield Probe("two groups", {"x": x, "W": W2, "b": b}, dict(stride=1, pad=0, groups=2))
    everything = dict(stride=(2, 3), pad=((1, 0), (0, 2)), groups=2)
    yield Probe("unequal strides and pads", {"x": x, "W": W2, "b": b}, everything)
    yield Probe("a kernel as large as the image", {"x": x[:, :3, :2], "W": W, "b": b}, {}, edge=True)
    yield Probe("one pixel, one image", {"x": x[:1], "W": W[:1, :1], "b": b}, dict(stride=3), edge=True)
    yield Probe(
        "a group a channel",
        {"x": x, "W": rng.standard_normal((3, 2, 1, 8)), "b": rng.standard_normal(8)},
        dict(pad=1, groups=4),
        edge=True,
    )


PAIR = Pair("conv", conv_forward, conv_backward, forward_mistakes, backward_mistakes)
EXERCISE = Exercise("conv", ("conv_forward", "conv_backward"), HINTS, lambda: PAIR.cases(probes()))
