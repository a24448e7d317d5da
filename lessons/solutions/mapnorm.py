"""The normalisation inside a map that the authors' code has: a loop over the pixels, each with its square."""

import numpy as np


def mapnorm_forward(x, *, size=5, k=1.0, alpha=1e-3 / 25, beta=0.75):
    """s = k + alpha * sum of x^2 over the pixels around;   y = x / s^beta.  x (N,H,W,C) -> y (N,H,W,C), cache."""
    s = k + alpha * square_sum(x**2, size)
    return x * s**-beta, (x, s, size, alpha, beta)


def mapnorm_backward(dy, cache):
    """dx[p] = dy[p] s[p]^-beta - 2 alpha beta x[p] * sum over q of dy[q] x[q] s[q]^-(beta+1)."""
    x, s, size, alpha, beta = cache
    own = dy * s**-beta
    return own - 2 * alpha * beta * x * square_sum(dy * x * s ** -(beta + 1), size)


def square_sum(v, size):
    """The sum over the size x size pixels around each pixel, cut at the border of the map."""
    half = size // 2
    sums = np.empty_like(v)
    for i in range(v.shape[1]):
        for j in range(v.shape[2]):
            square = v[:, max(0, i - half) : i + half + 1, max(0, j - half) : j + half + 1]
            sums[:, i, j] = square.sum(axis=(1, 2))
    return sums
