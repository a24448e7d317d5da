"""Batch normalisation (Ioffe and Szegedy 2015), the later alternative to section 3.3."""

from minialex.backend import xp_of
from minialex.ops.checks import require, require_float, require_shape


def batchnorm_forward(x, gamma, beta, *, eps=1e-5, mean=None, var=None):
    """Batch normalisation over all axes but the last, the later alternative to section 3.3.

    y = gamma (x - mean) / sqrt(var + eps) + beta

    x            (N,...,C)
    gamma, beta  (C,)
    mean, var    (C,): given, the testing form with running statistics; None, the batch's own mean and biased
                 variance, which the gradient then flows through
    Returns y and the cache, which carries the batch's statistics. Raises ValueError for what does not fit.
    """
    _check(x, gamma, beta, mean, var)
    of_batch = mean is None
    if of_batch:
        mean = _mean(x)
        var = _mean((x - mean) ** 2)
    std = xp_of(x).sqrt(var + eps)
    xhat = (x - mean) / std
    return gamma * xhat + beta, (xhat, gamma, std, mean, var, of_batch)


def batchnorm_backward(dy, cache):
    """Gradients of batch normalisation.

    dgamma = sum dy xhat;  dbeta = sum dy;  dx = gamma/std (dy - mean(dy) - xhat mean(dy xhat))

    The two means are the gradient through the batch's statistics: with given ones they are absent.
    dy (N,...,C) -> dx as x, dgamma (C,), dbeta (C,).
    """
    xhat, gamma, std, _, _, of_batch = cache
    count = dy.size // dy.shape[-1]
    mean_dy, mean_dy_xhat = _mean(dy), _mean(dy * xhat)
    dx = dy - mean_dy - xhat * mean_dy_xhat if of_batch else dy
    return gamma / std * dx, mean_dy_xhat * count, mean_dy * count


def batch_statistics(cache):
    """What running statistics are made of: the mean (C,), the biased variance (C,) and the values averaged, a count."""
    xhat, _, _, mean, var, _ = cache
    return mean, var, xhat.size // xhat.shape[-1]


def _mean(v):
    """The mean over all axes but the last, image by image first: float32 sums stay short and so exact enough."""
    by_image = v.reshape(len(v), -1, v.shape[-1]).mean(axis=1)  # (N,C)
    return by_image.mean(axis=0)


def _check(x, gamma, beta, mean, var):
    require(x.ndim >= 2, f"batchnorm: x has shape {x.shape}, it needs two axes or more (N,...,C)")
    require((mean is None) == (var is None), "batchnorm: mean and var need to be given both or neither")
    given = {} if mean is None else {"mean": mean, "var": var}
    require_float("batchnorm", x=x, gamma=gamma, beta=beta, **given)
    for name, array in {"gamma": gamma, "beta": beta, **given}.items():
        require_shape("batchnorm", name, array.shape, x.shape[-1:], "one value a channel")
