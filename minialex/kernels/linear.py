"""A fully connected layer (section 3.5) and the ReLU behind it (section 3.1): matrix products between the kernels of
bias.cu, the twin of minialex/ops/linear.py and relu.
"""

from minialex.backend import xp_of
from minialex.kernels.bias import add_bias, gradients
from minialex.ops.linear import check


def linear_relu_forward(x, W, b):
    """y = max(0, x W + b): see ops.linear.linear_forward."""
    check(x, W, b)
    xp = xp_of(x)
    y = xp.empty((len(x), len(b)), x.dtype)
    add_bias(x @ W, xp.ascontiguousarray(b), y, relu=True)
    return y, (x, W, y)


def linear_relu_backward(dy, cache, *, need_dx=True):
    """Gradients of y = max(0, x W + b). dy (N,M) -> dx (N,D), or None where need_dx is False; dW (D,M); db (M,)."""
    x, W, y = cache
    dproducts, db = gradients(dy, y)
    return dproducts[0] @ W.T if need_dx else None, x.T @ dproducts[0], db
