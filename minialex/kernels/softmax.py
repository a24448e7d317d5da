"""Softmax with cross-entropy (section 3.5) in one kernel each way: softmax.cu, the twin of minialex/ops/softmax.py."""

from minialex.backend import xp_of
from minialex.kernels.launch import launch
from minialex.ops.checks import require, sums_type
from minialex.ops.softmax import check


def softmax_cross_entropy_forward(logits, t):
    """The mean cross-entropy (section 3.5): see ops.softmax.softmax_cross_entropy_forward.

    The loss of float16 is float32. A label that is none of 0..M-1 makes the loss NaN.
    """
    check(logits, t)
    xp, (N, M) = xp_of(logits, t), logits.shape
    require(M > 0, "softmax: logits have no classes")
    logits, t = xp.ascontiguousarray(logits), xp.ascontiguousarray(t, xp.int32)
    losses, maxima, totals = (xp.empty(N, sums_type(logits.dtype)) for _ in range(3))
    launch("softmax", "softmax_forward", N, (logits, t, losses, maxima, totals, M))
    return losses.mean(), (logits, t, maxima, totals)


def softmax_cross_entropy_backward(dloss, cache):
    """Gradient of the mean cross-entropy: see ops.softmax.softmax_cross_entropy_backward."""
    logits, t, maxima, totals = cache
    xp, (N, M) = xp_of(logits), logits.shape
    dloss = xp.full((), dloss, maxima.dtype)  # a number, or an array without axes that nobody should wait for
    dlogits = xp.empty((N, M), logits.dtype)
    launch("softmax", "softmax_backward", N, (logits, t, maxima, totals, dloss, dlogits, N, M))
    return dlogits
