"""logaddexp.reduce, and p from the logarithms; the cache is a tuple."""

import numpy as np


def softmax_cross_entropy_forward(logits, t):
    total = np.logaddexp.reduce(logits, axis=1)
    loss = np.mean(total - np.take_along_axis(logits, t[:, None], axis=1)[:, 0])
    return loss, (np.exp(logits - total[:, None]), t)


def softmax_cross_entropy_backward(dloss, cache):
    p, t = cache
    dlogits = np.array(p)
    dlogits[np.arange(len(t)), t] -= 1.0
    return dlogits * dloss / len(t)
