"""Batch normalisation: the chain rule through variance, mean and x, one step a line."""

import numpy as np


def batchnorm_forward(x, gamma, beta, *, eps=1e-5, mean=None, var=None):
    """y = gamma (x - mean) / sqrt(var + eps) + beta.  x (N,...,C), gamma (C,), beta (C,) -> y, cache."""
    axes = tuple(range(x.ndim - 1))  # all but the channels
    given = mean is not None
    if not given:
        mean, var = x.mean(axis=axes), x.var(axis=axes)
    std = np.sqrt(var + eps)
    xhat = (x - mean) / std
    return gamma * xhat + beta, (x, xhat, gamma, mean, std, axes, given)


def batchnorm_backward(dy, cache):
    """x acts directly, through the variance and through the mean; the last two only where they are the batch's."""
    x, xhat, gamma, mean, std, axes, given = cache
    dgamma, dbeta = (dy * xhat).sum(axis=axes), dy.sum(axis=axes)
    dxhat = dy * gamma
    dx = dxhat / std
    if not given:
        count = x.size // x.shape[-1]
        dvar = (dxhat * (x - mean)).sum(axis=axes) * -0.5 / std**3
        dmean = -dxhat.sum(axis=axes) / std  # that the variance has the mean too adds nothing: x - mean sums to 0
        dx = dx + dvar * 2 * (x - mean) / count + dmean / count
    return dx, dgamma, dbeta
