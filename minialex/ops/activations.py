"""The activation functions of section 3.1: ReLU, and the tanh that Figure 1 compares it with."""

from minialex.backend import xp_of
from minialex.ops.checks import require_float


def relu_forward(x):
    """The rectified linear unit of section 3.1: y = max(0, x). x of any shape -> y of that shape, and the cache."""
    require_float("relu", x=x)
    y = xp_of(x).maximum(x, 0)
    return y, y  # y > 0 exactly where x > 0, and the next layer keeps y anyway


def relu_backward(dy, cache):
    """Gradient of max(0, x): dx = dy where x > 0, else 0. At the kink x = 0 it is 0."""
    y = cache
    return dy * (y > 0)


def tanh_forward(x):
    """The saturating unit that Figure 1 compares with: y = tanh(x). x of any shape -> y, and the cache."""
    require_float("tanh", x=x)
    y = xp_of(x).tanh(x)
    return y, y


def tanh_backward(dy, cache):
    """Gradient of tanh: dx = dy (1 - y^2)."""
    y = cache
    return dy * (1 - y * y)
