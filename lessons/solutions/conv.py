"""Convolution (sections 3.2 and 3.5): one window at a time, for all images, channels and maps at once."""

import numpy as np


def conv_forward(x, W, b, *, stride=1, pad=0, groups=1):
    """y[n,i,j,o] = b[o] + sum over u, v, c of xpad[n, i*SH+u, j*SW+v, c] * W[u,v,c,o]."""
    (SH, SW), pads = both_ways(stride), all_sides(pad)
    xpad = np.pad(x, ((0, 0), *pads, (0, 0)))  # (N,H+top+bottom,W+left+right,C)
    KH, KW, Cg, OC = W.shape
    OH = (xpad.shape[1] - KH) // SH + 1
    OW = (xpad.shape[2] - KW) // SW + 1
    y = np.zeros((len(x), OH, OW, OC), x.dtype)
    for channels, maps in parts(groups, Cg, OC):
        for i in range(OH):
            for j in range(OW):
                window = xpad[:, i * SH : i * SH + KH, j * SW : j * SW + KW, channels]  # (N,KH,KW,C/groups)
                y[:, i, j, maps] = np.einsum("nuvc,uvco->no", window, W[..., maps])
    return y + b, (xpad, W, (SH, SW), pads, groups)


def conv_backward(dy, cache):
    """Each output hands its gradient to the weights and to the pixels of its window."""
    xpad, W, (SH, SW), ((top, bottom), (left, right)), groups = cache
    KH, KW, Cg, OC = W.shape
    dxpad, dW = np.zeros_like(xpad), np.zeros_like(W)
    for channels, maps in parts(groups, Cg, OC):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                rows, columns = slice(i * SH, i * SH + KH), slice(j * SW, j * SW + KW)
                dW[..., maps] += np.einsum("nuvc,no->uvco", xpad[:, rows, columns, channels], dy[:, i, j, maps])
                dxpad[:, rows, columns, channels] += np.einsum("no,uvco->nuvc", dy[:, i, j, maps], W[..., maps])
    H, width = xpad.shape[1] - top - bottom, xpad.shape[2] - left - right
    return dxpad[:, top : top + H, left : left + width], dW, dy.sum(axis=(0, 1, 2))


def parts(groups, Cg, OC):
    """The channels and the maps of each group, as slices."""
    maps = OC // groups
    return [(slice(g * Cg, (g + 1) * Cg), slice(g * maps, (g + 1) * maps)) for g in range(groups)]


def both_ways(stride):
    """An int or (vertical, horizontal), as the pair."""
    return (stride, stride) if isinstance(stride, int) else stride


def all_sides(pad):
    """An int or ((top, bottom), (left, right)), as the pairs."""
    return ((pad, pad), (pad, pad)) if isinstance(pad, int) else pad
