"""im2col with sliding_window_view and one matrix product a group; the cache is a tuple."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def im2col(x, KH, KW, SH, SW):
    windows = sliding_window_view(x, (KH, KW), axis=(1, 2))[:, ::SH, ::SW]  # (N,OH,OW,C,KH,KW)
    N, OH, OW = windows.shape[:3]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(N * OH * OW, -1)


def conv_forward(x, W, b, stride=1, pad=0, groups=1):
    SH, SW = (stride, stride) if np.isscalar(stride) else stride
    pads = ((pad, pad), (pad, pad)) if np.isscalar(pad) else pad
    padded = np.pad(x, [(0, 0), pads[0], pads[1], (0, 0)])
    KH, KW, _, OC = W.shape
    OH = (padded.shape[1] - KH) // SH + 1
    OW = (padded.shape[2] - KW) // SW + 1
    outs = []
    for xg, Wg in zip(np.split(padded, groups, axis=3), np.split(W, groups, axis=3), strict=True):
        cols = im2col(xg, KH, KW, SH, SW)
        outs.append(cols @ Wg.reshape(-1, OC // groups))
    y = np.concatenate(outs, axis=1) + b
    return y.reshape(len(x), OH, OW, OC), (padded, W, SH, SW, pads, groups)


def conv_backward(dy, cache):
    padded, W, SH, SW, pads, groups = cache
    KH, KW, Cg, OC = W.shape
    N, OH, OW, _ = dy.shape
    dpadded, dWs = np.zeros(padded.shape, dy.dtype), []
    for g in range(groups):
        xg = padded[..., g * Cg : (g + 1) * Cg]
        Wg = W[..., g * OC // groups : (g + 1) * OC // groups]
        dyg = dy[..., g * OC // groups : (g + 1) * OC // groups].reshape(-1, OC // groups)
        cols = im2col(xg, KH, KW, SH, SW)
        dWs.append((cols.T @ dyg).reshape(Wg.shape))
        dcols = (dyg @ Wg.reshape(-1, OC // groups).T).reshape(N, OH, OW, KH, KW, Cg)
        for u in range(KH):
            for v in range(KW):
                dpadded[:, u : u + SH * OH : SH, v : v + SW * OW : SW, g * Cg : (g + 1) * Cg] += dcols[:, :, :, u, v]
    (top, bottom), (left, right) = pads
    dx = dpadded[:, top : padded.shape[1] - bottom, left : padded.shape[2] - right]
    return dx, np.concatenate(dWs, axis=3), dy.sum((0, 1, 2))
