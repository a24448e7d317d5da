"""The rectified linear unit (section 3.1)."""

import numpy as np

from minialex.check.cases import SEED, Exercise, Pair, Probe
from minialex.ops import relu_backward, relu_forward

HINTS = (
    "Forward is one call of NumPy: the larger of x and 0, entry by entry. Do not write into x.",
    "Backward needs to know where x was above 0. Keep x, or y: y > 0 at exactly the same places.",
    "The mask comes from the forward's x, never from dy: a gradient may be negative and must still pass. A comparison "
    "gives True and False, which count as 1 and 0 in a product. At x = 0 the gradient is 0.",
)


def forward_mistakes(x):
    """Known mistakes of the forward pass: (words, function that gives the wrong result)."""
    yield "the magnitude: negative values become 0", lambda: abs(x)
    yield (
        "negative values are kept in part, as a leaky ReLU does: here they become 0",
        lambda: np.where(x > 0, x, 0.01 * x),
    )
    yield "this is the smaller of x and 0: it should be the larger", lambda: np.minimum(x, 0)
    yield "x comes back as it is", lambda: x
    yield "this is the mask x > 0: y is x there", lambda: (x > 0).astype(x.dtype)
    yield "large values are cut off at 1: ReLU has no upper end", lambda: np.clip(x, 0, 1)
    yield "large values are cut off at 6: ReLU has no upper end", lambda: np.clip(x, 0, 6)
    yield "this is the smooth log(1 + exp(x)): ReLU has a kink", lambda: np.log1p(np.exp(x))


def backward_mistakes(dy, x):
    """Known mistakes of the backward pass: (name of the gradient, words, function that gives the wrong one)."""
    for words, make in (
        ("the mask is that of dy, not of x: where x > 0 negative gradients should pass too", lambda: dy * (dy > 0)),
        ("the masks of dy and of x are both applied: that of x alone decides", lambda: dy * (dy > 0) * (x > 0)),
        ("the mask is >= 0: at x = 0 the gradient is 0", lambda: dy * (x >= 0)),
        ("dy comes back as it is: where x <= 0 nothing passes", lambda: dy),
        ("the mask is the wrong way round", lambda: dy * (x <= 0)),
        ("the mask is the wrong way round", lambda: dy * (x < 0)),
        ("this is the mask alone: dy is not used", lambda: (x > 0).astype(x.dtype)),
        ("dy is multiplied with y: the slope is 1 wherever x > 0", lambda: dy * np.maximum(x, 0)),
        ("dy is multiplied with x: the slope is 1 where x > 0, else 0", lambda: dy * x),
        ("ReLU is applied to dy in place of the mask, and the sign is wrong", lambda: -dy * (dy > 0)),
        ("where x <= 0 a part of the gradient passes, as with a leaky ReLU", lambda: np.where(x > 0, dy, 0.01 * dy)),
        ("the sign of x is the slope, as for the magnitude", lambda: dy * np.sign(x)),
        ("at x = 0 the slope is 1/2: here it is 0", lambda: dy * np.where(x == 0, 0.5, x > 0)),
    ):
        yield "dx", words, make


def places(name, x):
    """Parts of a result in which errors may lie together: (words, mask)."""
    yield "where x is 0", x == 0
    yield "where x < 0", x < 0
    yield "where x > 0", x > 0


def probes():
    """The inputs that it is asked with, the edge cases last."""
    x = np.random.default_rng(SEED).standard_normal((3, 4, 2, 5)) * 4
    yield Probe("", {"x": x}, {})
    with_zeros = np.where(abs(x) < 2, 0.0, x)
    yield Probe("zeros among x", {"x": with_zeros}, {}, edge=True)
    yield Probe("one axis", {"x": x[0, 0, 0]}, {}, edge=True)


PAIR = Pair("relu", relu_forward, relu_backward, forward_mistakes, backward_mistakes, places)
EXERCISE = Exercise("relu", ("relu_forward", "relu_backward"), HINTS, lambda: PAIR.cases(probes()))
