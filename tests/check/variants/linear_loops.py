"""Loops over images and units; the cache is a list."""

import numpy as np


def linear_forward(x, W, b):
    y = np.zeros((x.shape[0], W.shape[1]))
    for n in range(x.shape[0]):
        for m in range(W.shape[1]):
            y[n, m] = np.sum(x[n] * W[:, m]) + b[m]
    return y, [x, W]


def linear_backward(dy, cache):
    x, W = cache
    dx, dW, db = np.zeros_like(x), np.zeros_like(W), np.zeros(W.shape[1])
    for n in range(x.shape[0]):
        for m in range(W.shape[1]):
            dx[n] += dy[n, m] * W[:, m]
            dW[:, m] += dy[n, m] * x[n]
            db[m] += dy[n, m]
    return dx, dW, db
