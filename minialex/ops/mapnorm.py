"""The normalisation inside each map that the authors' code has after conv2, and the paper does not mention."""

from minialex.backend import xp_of
from minialex.ops.checks import require, require_float, require_images


def mapnorm_forward(x, *, size=5, k=1.0, alpha=1e-3 / 25, beta=0.75):
    """Response normalisation over neighbouring pixels of the same map (the authors' code beside section 3.3).

    s[i,j] = k + alpha * sum over the size x size pixels around (i,j), inside the map, of x^2;   y = x s^-beta

    x (N,H,W,C); size in pixels, odd -> y (N,H,W,C) and the cache.
    Raises ValueError for a shape, type or constant that does not fit.
    """
    require_images("mapnorm", x)
    require_float("mapnorm", x=x)
    require(size >= 1 and size % 2 == 1, f"mapnorm: size is {size}, it needs an odd number of pixels")
    require(k > 0, f"mapnorm: k is {k}, it needs to be above 0")
    s = k + alpha * _window_sum(x * x, size)
    return x * s**-beta, (x, s, size, alpha, beta)


def mapnorm_backward(dy, cache):
    """Gradient of the normalisation inside a map: that of LRN with pixels for maps.

    dx[p] = dy[p] s[p]^-beta - 2 alpha beta x[p] sum_{q around p} dy[q] x[q] s[q]^-(beta+1)
    """
    x, s, size, alpha, beta = cache
    direct = dy * s**-beta
    return direct - 2 * alpha * beta * x * _window_sum(direct * x / s, size)


def _window_sum(v, size):
    """The sum over the size x size pixels around each pixel: along columns first, then along rows."""
    half = size // 2
    N, H, W, C = v.shape
    padded = xp_of(v).zeros((N, H + 2 * half, W + 2 * half, C), v.dtype)
    padded[:, half : half + H, half : half + W] = v
    columns = sum(padded[:, i : i + H] for i in range(size))
    return sum(columns[:, :, j : j + W] for j in range(size))
