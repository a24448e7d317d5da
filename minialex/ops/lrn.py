"""Local response normalisation (section 3.3)."""

from minialex.backend import xp_of
from minialex.ops.checks import require, require_float, require_images


def lrn_forward(x, *, n=5, k=2.0, alpha=1e-4, beta=0.75, groups=1):
    """Local response normalisation across neighbouring maps (section 3.3).

    s[i] = k + alpha * sum_{j = max(0, i-n/2)}^{min(C-1, i+n/2)} x[j]^2;   y[i] = x[i] s[i]^-beta

    x       (N,H,W,C)
    n       maps in a window, odd
    alpha   factor of the SUM, as the paper prints it (others divide it by n)
    groups  parts of the channels whose windows do not reach into each other: 2 keeps LRN inside a tower
    Returns y (N,H,W,C) and the cache. Raises ValueError for a shape, type or constant that does not fit.
    """
    check(x, n, k, groups)
    s = k + alpha * _window_sum(x * x, n, groups)
    scale = s**-beta  # kept: a power costs more than all the rest of the backward pass
    return x * scale, (x, s, scale, n, alpha, beta, groups)


def lrn_backward(dy, cache):
    """Gradient of local response normalisation: map i is in the sum of each neighbour j of its window.

    dx[i] = dy[i] s[i]^-beta - 2 alpha beta x[i] sum_{j in W(i)} dy[j] x[j] s[j]^-(beta+1)

    dy (N,H,W,C) -> dx (N,H,W,C).
    """
    x, s, scale, n, alpha, beta, groups = cache
    direct = dy * scale
    return direct - 2 * alpha * beta * x * _window_sum(direct * x / s, n, groups)


def _window_sum(v, n, groups):
    """The sum of v over the n maps around each map, inside its group.

    n//2 zeros between the maps of one pixel and those of the next keep their windows apart, so that the sum is
    n additions of the whole flat array, shifted, instead of n additions of short rows.
    """
    C, half = v.shape[3] // groups, n // 2
    rows = v.reshape(-1, C)  # (N*H*W*groups, C)
    length = len(rows) * (C + half)
    flat = xp_of(v).zeros(length + 2 * half, v.dtype)
    flat[half : half + length].reshape(-1, C + half)[:, :C] = rows
    total = flat[:length] + flat[1 : 1 + length] if n > 1 else flat[:length]
    for shift in range(2, n):
        total += flat[shift : shift + length]
    return total.reshape(-1, C + half)[:, :C].reshape(v.shape)


def check(x, n, k, groups):
    """x and the constants make sense; ValueError where they do not."""
    require_images("lrn", x)
    require_float("lrn", x=x)
    require(n >= 1 and n % 2 == 1, f"lrn: n is {n}, it needs an odd number of maps")
    require(k > 0, f"lrn: k is {k}, it needs to be above 0")
    require(
        groups >= 1 and x.shape[3] % groups == 0,
        f"lrn: groups is {groups}, it needs to divide the {x.shape[3]} channels of x",
    )
