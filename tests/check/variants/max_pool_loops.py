"""Four loops and a search in each window; the cache is a list."""

import numpy as np


def max_pool_forward(x, *, kernel=3, stride=2):
    KH, KW = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    SH, SW = stride if isinstance(stride, tuple) else (stride, stride)
    N, H, W, C = x.shape
    y = np.full((N, (H - KH) // SH + 1, (W - KW) // SW + 1, C), -np.inf)
    for n, i, j, c in np.ndindex(y.shape):
        for u in range(KH):
            for v in range(KW):
                y[n, i, j, c] = max(y[n, i, j, c], x[n, i * SH + u, j * SW + v, c])
    return y, [x, y, (KH, KW), (SH, SW)]


def max_pool_backward(dy, cache):
    x, y, (KH, KW), (SH, SW) = cache
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        window = x[n, i * SH : i * SH + KH, j * SW : j * SW + KW, c]
        u, v = np.unravel_index(np.argmax(window), window.shape)
        dx[n, i * SH + u, j * SW + v, c] += dy[n, i, j, c]
    return dx
