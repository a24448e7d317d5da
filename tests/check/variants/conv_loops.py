"""Every index a loop of its own; the cache is a dict."""

import numpy as np


def conv_forward(x, W, b, *, stride=1, pad=0, groups=1):
    sh, sw = stride if isinstance(stride, tuple) else (stride, stride)
    (top, bottom), (left, right) = pad if isinstance(pad, tuple) else ((pad, pad), (pad, pad))
    N, H, Wd, C = x.shape
    KH, KW, Cg, OC = W.shape
    xp = np.zeros((N, H + top + bottom, Wd + left + right, C))
    xp[:, top : top + H, left : left + Wd] = x
    OH = (H + top + bottom - KH) // sh + 1
    OW = (Wd + left + right - KW) // sw + 1
    y = np.zeros((N, OH, OW, OC))
    for i in range(OH):
        for j in range(OW):
            for o in range(OC):
                g = o // (OC // groups)
                for u in range(KH):
                    for v in range(KW):
                        pixel = xp[:, i * sh + u, j * sw + v, g * Cg : (g + 1) * Cg]
                        y[:, i, j, o] += pixel @ W[u, v, :, o]
                y[:, i, j, o] += b[o]
    return y, dict(xp=xp, W=W, sh=sh, sw=sw, top=top, left=left, H=H, Wd=Wd, groups=groups)


def conv_backward(dy, cache):
    xp, W, sh, sw = cache["xp"], cache["W"], cache["sh"], cache["sw"]
    KH, KW, Cg, OC = W.shape
    N, OH, OW, _ = dy.shape
    dxp, dW, db = np.zeros_like(xp), np.zeros_like(W), np.zeros(OC)
    for i in range(OH):
        for j in range(OW):
            for o in range(OC):
                g = o // (OC // cache["groups"])
                d = dy[:, i, j, o]
                db[o] += d.sum()
                for u in range(KH):
                    for v in range(KW):
                        place = (slice(None), i * sh + u, j * sw + v, slice(g * Cg, (g + 1) * Cg))
                        dxp[place] += np.outer(d, W[u, v, :, o])
                        dW[u, v, :, o] += d @ xp[place]
    top, left = cache["top"], cache["left"]
    return dxp[:, top : top + cache["H"], left : left + cache["Wd"]], dW, db
