"""Loops over single maps; the cache is a dict."""

import numpy as np


def lrn_forward(x, *, n=5, k=2.0, alpha=1e-4, beta=0.75, groups=1):
    C = x.shape[-1]
    per_group = C // groups
    s = np.zeros_like(x)
    for i in range(C):
        total = 0
        for j in range(i - n // 2, i + n // 2 + 1):
            if 0 <= j < C and j // per_group == i // per_group:
                total = total + x[..., j] ** 2
        s[..., i] = k + alpha * total
    y = x / s**beta
    return y, {"x": x, "s": s, "n": n, "alpha": alpha, "beta": beta, "groups": groups}


def lrn_backward(dy, cache):
    x, s, beta = cache["x"], cache["s"], cache["beta"]
    C = x.shape[-1]
    per_group = C // cache["groups"]
    dx = np.zeros_like(x)
    for i in range(C):
        dx[..., i] += dy[..., i] * s[..., i] ** -beta
        for j in range(i - cache["n"] // 2, i + cache["n"] // 2 + 1):
            if 0 <= j < C and j // per_group == i // per_group:
                ds = dy[..., j] * x[..., j] * -beta * s[..., j] ** (-beta - 1)
                dx[..., i] += ds * 2 * cache["alpha"] * x[..., i]
    return dx
