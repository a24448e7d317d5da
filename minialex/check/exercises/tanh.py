"""The tanh that Figure 1 compares ReLU with (section 3.1)."""

import numpy as np

from minialex.check.cases import SEED, Exercise, Pair, Probe
from minialex.ops import tanh_backward, tanh_forward

HINTS = (
    "NumPy has the function; the exercise is its gradient. exp(x) overflows at x = 1000: a quotient of powers "
    "does not do.",
    "The derivative of tanh can be written with tanh alone: look for it as a formula in y.",
    "tanh' = 1 - tanh^2. Keep y in the cache: no function is computed again in the backward.",
)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def forward_mistakes(x):
    """Known mistakes of the forward pass: (words, function that gives the wrong result)."""
    yield (
        "unstable for large x: exp overflows there, and a quotient of infinities is NaN",
        lambda: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    )
    yield "unstable for large x: exp overflows there", lambda: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)
    yield "the sigmoid 1/(1 + exp(-x)), not tanh", lambda: _sigmoid(x)
    yield "2 sigmoid(x) - 1 is tanh(x/2): the argument lacks a factor 2", lambda: np.tanh(x / 2)
    yield "tanh(2 x): the argument has a factor 2 too much", lambda: np.tanh(2 * x)
    yield "the scaled 1.7159 tanh(2x/3) of older networks: it should be plain tanh", lambda: 1.7159 * np.tanh(2 * x / 3)
    yield "x is cut off at -1 and 1, not bent", lambda: np.clip(x, -1, 1)
    yield "tan in place of tanh", lambda: np.tan(x)


def backward_mistakes(dy, x):
    """Known mistakes of the backward pass: (name of the gradient, words, function that gives the wrong one)."""
    y = np.tanh(x)
    for words, make in (
        ("1 - y in place of 1 - y^2: the square is missing", lambda: dy * (1 - y)),
        ("1 + y^2 in place of 1 - y^2", lambda: dy * (1 + y * y)),
        ("y (1 - y) is the sigmoid's derivative; that of tanh is 1 - y^2", lambda: dy * y * (1 - y)),
        ("1 - x^2 in place of 1 - y^2: the formula is in y", lambda: dy * (1 - x * x)),
        ("tanh is applied twice: y is tanh(x) already", lambda: dy * (1 - np.tanh(y) ** 2)),
        ("1 - y^2 alone: dy is not used", lambda: 1 - y * y),
        ("dy comes back as it is", lambda: dy),
        ("dy is multiplied with y: it should be multiplied with the slope 1 - y^2", lambda: dy * y),
        ("dy is taken into the square: it multiplies 1 - y^2", lambda: 1 - (dy * y) ** 2),
        ("the mask of a ReLU: tanh passes something everywhere", lambda: dy * (x > 0)),
    ):
        yield "dx", words, make


def probes():
    """The inputs that it is asked with, the edge cases last."""
    x = np.random.default_rng(SEED).standard_normal((3, 4, 2, 5))
    yield Probe("", {"x": x}, {})
    yield Probe("large x", {"x": x * 1000}, {}, edge=True)
    yield Probe("one axis", {"x": x[0, 0, 0]}, {}, edge=True)


PAIR = Pair("tanh", tanh_forward, tanh_backward, forward_mistakes, backward_mistakes)
EXERCISE = Exercise("tanh", ("tanh_forward", "tanh_backward"), HINTS, lambda: PAIR.cases(probes()))
