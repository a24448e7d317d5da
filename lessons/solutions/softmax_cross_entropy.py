"""Softmax with cross-entropy, written with logarithms of probabilities, so that none can overflow."""

import numpy as np


def softmax_cross_entropy_forward(logits, t):
    """loss = mean of -log p[n,t[n]].  logits (N,M), t (N,) -> loss, cache."""
    shifted = logits - logits.max(axis=1, keepdims=True)  # the largest power will be exp(0) = 1
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (N,M)
    loss = -log_p[np.arange(len(t)), t].mean()
    return loss, (log_p, t)


def softmax_cross_entropy_backward(dloss, cache):
    """dlogits = dloss (p - onehot(t)) / N."""
    log_p, t = cache
    p = np.exp(log_p)
    onehot = np.eye(p.shape[1], dtype=p.dtype)[t]  # (N,M)
    return dloss * (p - onehot) / len(t)
