"""The closed form, channels last as a matrix; the cache is a dict."""

import numpy as np


def batchnorm_forward(x, gamma, beta, *, eps=1e-5, mean=None, var=None):
    rows = x.reshape(-1, x.shape[-1])
    train = mean is None
    mu = rows.mean(0) if train else mean
    sigma2 = ((rows - mu) ** 2).mean(0) if train else var
    inv = 1.0 / np.sqrt(sigma2 + eps)
    xhat = (rows - mu) * inv
    return (xhat * gamma + beta).reshape(x.shape), {"xhat": xhat, "inv": inv, "gamma": gamma, "train": train}


def batchnorm_backward(dy, cache):
    d, xhat = dy.reshape(cache["xhat"].shape), cache["xhat"]
    dgamma, dbeta = (d * xhat).sum(0), d.sum(0)
    if not cache["train"]:
        return (d * cache["gamma"] * cache["inv"]).reshape(dy.shape), dgamma, dbeta
    m = len(d)
    dx = cache["gamma"] * cache["inv"] / m * (m * d - dbeta - xhat * dgamma)
    return dx.reshape(dy.shape), dgamma, dbeta
