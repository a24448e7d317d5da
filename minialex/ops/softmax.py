"""Softmax with cross-entropy: the objective of section 3.5."""

from minialex.backend import get_backend, xp_of
from minialex.ops.checks import require, require_float, require_shape


def softmax_cross_entropy_forward(logits, t):
    """The mean over the batch of -log softmax(logits)[t], the objective of section 3.5.

    loss = 1/N sum_n ( log sum_m exp(logits[n,m]) - logits[n, t[n]] )

    logits  (N,M)
    t       (N,), the labels, integers 0..M-1
    Returns the loss, an array without axes (on a GPU, reading it as a number waits for the GPU), and the cache.
    Logits of any size are safe: each row's maximum is subtracted first. Raises ValueError for what does not fit.
    """
    check(logits, t)
    xp = xp_of(logits)
    shifted = logits - logits.max(axis=1, keepdims=True)
    exp = xp.exp(shifted)
    total = exp.sum(axis=1, keepdims=True)  # (N,1), between 1 and M
    picked = shifted[xp.arange(len(t)), t]
    loss = (xp.log(total[:, 0]) - picked).mean()
    return loss, (exp / total, t)


def softmax_cross_entropy_backward(dloss, cache):
    """Gradient of the mean cross-entropy: dlogits = dloss (p - onehot(t)) / N. The division by N is done here."""
    p, t = cache
    xp = xp_of(p)
    dlogits = p.copy()
    dlogits[xp.arange(len(t)), t] -= 1
    dlogits *= dloss / len(t)
    return dlogits


def softmax(logits):
    """Probabilities exp(logits) / sum exp(logits) along the last axis: (N,M) -> (N,M)."""
    exp = xp_of(logits).exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def check(logits, t):
    """Raise ValueError unless logits are (N,M), and t is (N,) integers: 0..M-1, which is looked at on NumPy alone."""
    require(logits.ndim == 2, f"softmax: logits have shape {logits.shape}, they need two axes (N,M)")
    require_float("softmax", logits=logits)
    require_shape("softmax", "t", t.shape, logits.shape[:1], "one label a row of logits")
    require(t.dtype.kind in "iu", f"softmax: t has type {t.dtype}, it needs integers")
    if xp_of(t) is get_backend("numpy"):  # on a GPU this look would make every step wait
        classes = logits.shape[1]
        require(
            bool((0 <= t).all() and (t < classes).all()),
            f"softmax: labels reach from {t.min()} to {t.max()}, they need 0..{classes - 1}",
        )
