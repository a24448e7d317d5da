"""Batch normalisation, the later alternative to section 3.3."""

from functools import partial

import numpy as np

from minialex.check.cases import SEED, Exercise, Pair, Probe
from minialex.ops import batchnorm_backward, batchnorm_forward

HINTS = (
    "Mean and variance have one value a channel: they are taken over all axes but the last, images included. The "
    "variance divides by the count, not by the count less one. eps stands under the root.",
    "dgamma and dbeta are the gradients of a product and of a sum: keep xhat = (x - mean) / std. In training, dx has "
    "three terms, for x also acts through the mean and through the variance of its channel.",
    "dx = gamma/std (dy - mean(dy) - xhat mean(dy xhat)), the means as in the forward. With mean and var given, these "
    "two means are absent: nothing flows through numbers that do not come from x.",
)


def _axes(x):
    return tuple(range(x.ndim - 1))


def _normal(x, gamma, beta, mean, var, eps):
    return gamma * (x - mean) / np.sqrt(var + eps) + beta


def forward_mistakes(x, gamma, beta, *, eps=1e-5, mean=None, var=None):
    """Known mistakes of the forward pass: (words, function that gives the wrong result)."""
    axes, given = _axes(x), mean is not None
    m, v = x.mean(axis=axes), x.var(axis=axes)
    count = x.size // x.shape[-1]
    if given:
        yield (
            "the batch's own mean and variance are used: mean and var are given (testing)",
            partial(_normal, x, gamma, beta, m, v, eps),
        )
        yield "the batch's own mean is used: mean is given", partial(_normal, x, gamma, beta, m, var, eps)
        yield "the batch's own variance is used: var is given", partial(_normal, x, gamma, beta, mean, v, eps)
        m, v = mean, var
    y = partial(_normal, x, gamma, beta)
    if not given:
        yield (
            "the variance divides by count - 1: the batch is normalised by the biased one",
            partial(y, m, v * count / (count - 1), eps),
        )
        yield (
            "the mean of x^2 in place of the variance: the mean is not subtracted there",
            partial(y, m, (x**2).mean(axis=axes), eps),
        )
        for over, words in (
            ((0,), "over the images alone, a mean for each pixel"),
            (axes[1:], "of each image by itself"),
            ((x.ndim - 1,), "over the channels of each pixel"),
            (tuple(range(1, x.ndim)), "of each image, over pixels and channels"),
            (tuple(range(x.ndim)), "over everything, channels included"),
        ):
            if over and over != axes:
                yield (
                    f"mean and variance are taken {words}: they should be one for each channel",
                    lambda over=over: y(x.mean(axis=over, keepdims=True), x.var(axis=over, keepdims=True), eps),
                )
        yield (
            "running statistics (mean 0, variance 1) are used in training: there the batch's own count",
            partial(y, 0, 1, eps),
        )
    yield "eps is left out", partial(y, m, v, 0.0)
    yield (
        "eps is added to the standard deviation: it stands under the root",
        lambda: gamma * (x - m) / (np.sqrt(v) + eps) + beta,
    )
    yield "eps is squared", partial(y, m, v, eps**2)
    yield "divided by the variance: the root is missing", lambda: gamma * (x - m) / (v + eps) + beta
    yield "var is taken for a standard deviation: the root is missing", lambda: gamma * (x - m) / v + beta
    yield (
        "multiplied by the standard deviation: it should be divided",
        lambda: gamma * (x - m) * np.sqrt(v + eps) + beta,
    )
    yield "the mean is not subtracted", partial(y, 0, v, eps)
    yield "not divided by the standard deviation", lambda: gamma * (x - m) + beta
    yield "gamma is left out", lambda: y(m, v, eps) / gamma - beta / gamma + beta
    yield "beta is left out", lambda: y(m, v, eps) - beta
    yield "gamma and beta are left out", lambda: (x - m) / np.sqrt(v + eps)
    yield "gamma and beta are exchanged", lambda: beta * (x - m) / np.sqrt(v + eps) + gamma
    yield "gamma multiplies beta too", lambda: gamma * ((x - m) / np.sqrt(v + eps) + beta)


def backward_mistakes(dy, x, gamma, beta, *, eps=1e-5, mean=None, var=None):
    """Known mistakes of the backward pass: (name of the gradient, words, function that gives the wrong one)."""
    axes, count, given = _axes(x), x.size // x.shape[-1], mean is not None
    m, v = (mean, var) if given else (x.mean(axis=axes), x.var(axis=axes))
    std = np.sqrt(v + eps)
    xhat = (x - m) / std
    of_dy, of_both = dy.mean(axis=axes), (dy * xhat).mean(axis=axes)
    if given:
        yield (
            "dx",
            "the terms through the batch's statistics are there: mean and var are given, nothing flows through",
            lambda: gamma / std * (dy - of_dy - xhat * of_both),
        )
    through = 0 if given else of_dy + xhat * of_both
    for words, make in (
        (
            "both terms through the batch's statistics are missing: x also acts through mean and variance",
            lambda: gamma / std * dy,
        ),
        ("the term mean(dy) is missing: x also acts through the mean", lambda: gamma / std * (dy - xhat * of_both)),
        (
            "the term xhat mean(dy xhat) is missing: x also acts through the variance",
            lambda: gamma / std * (dy - of_dy),
        ),
        ("the terms through the batch's statistics have the wrong sign", lambda: gamma / std * (dy + through)),
        ("xhat mean(dy xhat) has the wrong sign", lambda: gamma / std * (dy - of_dy + xhat * of_both)),
        (
            "xhat mean(dy xhat) is multiplied by x - mean, not by xhat",
            lambda: gamma / std * (dy - of_dy - (x - m) * of_both),
        ),
        ("mean(dy xhat) is not multiplied by xhat", lambda: gamma / std * (dy - of_dy - of_both)),
        ("sums in place of the means: divide by the count", lambda: gamma / std * (dy - count * through)),
        ("the means divide by N alone, not by N and the pixels", lambda: gamma / std * (dy - count / len(x) * through)),
        ("the means divide by count - 1", lambda: gamma / std * (dy - count / (count - 1) * through)),
        (
            "the means are taken over the images alone",
            lambda: gamma / std * (dy - dy.mean(axis=0) - xhat * (dy * xhat).mean(axis=0)),
        ),
        (
            "a factor 2 too much in the term through the variance",
            lambda: gamma / std * (dy - of_dy - 2 * xhat * of_both),
        ),
        ("gamma is left out", lambda: (dy - through) / std),
        ("the division by std is missing", lambda: gamma * (dy - through)),
        ("divided by the variance: it should be the standard deviation", lambda: gamma / std**2 * (dy - through)),
        ("multiplied by std: it should be divided", lambda: gamma * std * (dy - through)),
        ("eps is left out", lambda: _dx_without_eps(dy, x, gamma, m, v, given)),
    ):
        yield "dx", words, make
    for words, make in (
        ("x in place of xhat: dgamma = sum of dy xhat", lambda: (dy * x).sum(axis=axes)),
        ("x - mean in place of xhat: dgamma = sum of dy xhat", lambda: (dy * (x - m)).sum(axis=axes)),
        ("y in place of xhat: dgamma = sum of dy xhat", lambda: (dy * (gamma * xhat + beta)).sum(axis=axes)),
        ("multiplied by gamma: dgamma = sum of dy xhat", lambda: (dy * xhat).sum(axis=axes) * gamma),
        ("the mean of dy xhat: it should be the sum", lambda: of_both),
        ("the mean over the images: it should be the sum", lambda: (dy * xhat).sum(axis=axes) / len(x)),
        ("dgamma and dbeta are exchanged", lambda: dy.sum(axis=axes)),
        ("xhat is left out", lambda: xhat.sum(axis=axes)),
    ):
        yield "dgamma", words, make
    for words, make in (
        ("the mean of dy: it should be the sum", lambda: of_dy),
        ("the mean over the images: it should be the sum", lambda: dy.sum(axis=axes) / len(x)),
        ("dgamma and dbeta are exchanged", lambda: (dy * xhat).sum(axis=axes)),
        ("multiplied by gamma: dbeta = sum of dy", lambda: dy.sum(axis=axes) * gamma),
        ("multiplied by beta: dbeta = sum of dy", lambda: dy.sum(axis=axes) * beta),
    ):
        yield "dbeta", words, make


def _dx_without_eps(dy, x, gamma, m, v, given):
    axes, std = _axes(x), np.sqrt(v)
    xhat = (x - m) / std
    through = 0 if given else dy.mean(axis=axes) + xhat * (dy * xhat).mean(axis=axes)
    return gamma / std * (dy - through)


def probes():
    """The inputs that it is asked with, the edge cases last."""
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((3, 4, 2, 5)) * 2 + rng.standard_normal(5)
    arrays = {"x": x, "gamma": rng.standard_normal(5), "beta": rng.standard_normal(5)}
    statistics = dict(mean=rng.standard_normal(5), var=rng.random(5) + 0.5)
    yield Probe("training", arrays, dict(eps=0.3))
    yield Probe("testing, with mean and var", arrays, dict(eps=0.3, **statistics))
    yield Probe("after a fully connected layer", {**arrays, "x": x[:, 0, 0]}, dict(eps=0.3), edge=True)
    constant = np.where(np.arange(5) == 2, 1.0, x)
    yield Probe("a channel of equal values", {**arrays, "x": constant}, {}, edge=True)


PAIR = Pair("batchnorm", batchnorm_forward, batchnorm_backward, forward_mistakes, backward_mistakes)
EXERCISE = Exercise("batchnorm", ("batchnorm_forward", "batchnorm_backward"), HINTS, lambda: PAIR.cases(probes()))
