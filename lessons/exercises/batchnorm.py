"""Exercise: batch normalisation (beside section 3.3, lessons 05 and 12).

Check it with `python -m minialex check batchnorm`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def batchnorm_forward(x, gamma, beta, *, eps=1e-5, mean=None, var=None):
    """y = gamma xhat + beta,   xhat = (x - mean) / sqrt(var + eps)

    mean and var have one value a channel: those of this batch over all axes but the last (var divides by the count,
    not by the count less one); or, in testing, those that are given.

    x            (N,...,C): (N,H,W,C), or (N,C)
    gamma, beta  (C,)
    mean, var    (C,), or None both
    Returns y as x, and a cache: what your backward needs.
    """
    raise NotImplementedError("TODO")


def batchnorm_backward(dy, cache):
    """dgamma = sum of dy xhat;   dbeta = sum of dy
    dx = gamma/std (dy - mean(dy) - xhat mean(dy xhat))      with mean and var of the batch
    dx = gamma/std dy                                        with mean and var that were given

    std = sqrt(var + eps); sums and means are over all axes but the last.

    dy (N,...,C) -> dx as x, dgamma (C,), dbeta (C,)
    """
    raise NotImplementedError("TODO")
