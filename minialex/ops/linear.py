"""A fully connected layer (section 3.5)."""

from minialex.ops.checks import require, require_float, require_shape, sums_type


def linear_forward(x, W, b):
    """A fully connected layer (section 3.5): y = x W + b.

    x (N,D), W (D,M), b (M,) -> y (N,M) and the cache.
    Raises ValueError for shapes or types that do not fit.
    """
    check(x, W, b)
    y = x @ W
    y += b
    return y, (x, W)


def linear_backward(dy, cache, *, need_dx=True):
    """Gradients of y = x W + b: dx = dy W^T; dW = x^T dy; db = sum of dy over the batch.

    dy (N,M) -> dx (N,D), or None where need_dx is False; dW (D,M); db (M,), which is float32 for float16.
    """
    x, W = cache
    return dy @ W.T if need_dx else None, x.T @ dy, dy.sum(axis=0, dtype=sums_type(dy.dtype))


def check(x, W, b):
    """Raise ValueError unless x (N,D), W (D,M) and b (M,) fit each other."""
    require(x.ndim == 2 and W.ndim == 2, f"linear: x {x.shape} and W {W.shape} need two axes each, (N,D) and (D,M)")
    require_float("linear", x=x, W=W, b=b)
    require_shape("linear", "W", W.shape, (x.shape[1], W.shape[1]), f"x has {x.shape[1]} units")
    require_shape("linear", "b", b.shape, W.shape[1:], "one bias a unit")
