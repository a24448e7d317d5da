"""Local response normalisation (section 3.3): a loop over the maps, each with its window."""

import numpy as np


def lrn_forward(x, *, n=5, k=2.0, alpha=1e-4, beta=0.75, groups=1):
    """s[i] = k + alpha * sum over j of x[j]^2;   y[i] = x[i] / s[i]^beta.  x (N,H,W,C) -> y (N,H,W,C), cache."""
    s = k + alpha * window_sum(x**2, n, groups)
    return x * s**-beta, (x, s, n, alpha, beta, groups)


def lrn_backward(dy, cache):
    """dx[i] = dy[i] s[i]^-beta - 2 alpha beta x[i] * sum over j of dy[j] x[j] s[j]^-(beta+1)."""
    x, s, n, alpha, beta, groups = cache
    own = dy * s**-beta
    through_neighbours = window_sum(dy * x * s ** -(beta + 1), n, groups)
    return own - 2 * alpha * beta * x * through_neighbours


def window_sum(v, n, groups):
    """The sum over the n maps around each map, cut at the ends of its group.  v (N,H,W,C) -> (N,H,W,C)."""
    share = v.shape[3] // groups
    sums = np.empty_like(v)
    for i in range(v.shape[3]):
        start = i // share * share  # where i's group begins
        low, high = max(start, i - n // 2), min(start + share, i + n // 2 + 1)
        sums[..., i] = v[..., low:high].sum(axis=-1)
    return sums
