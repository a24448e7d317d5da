"""A fully connected layer (section 3.5)."""

import numpy as np

from minialex.check.cases import SEED, Exercise, Pair, Probe
from minialex.ops import linear_backward, linear_forward

HINTS = (
    "Write the shapes beside the names: x (N,D), W (D,M), y (N,M). There is one product that fits.",
    "Each gradient has the shape of its array. Of dy (N,M), x (N,D) and W (D,M), which products give (D,M) and (N,D)?",
    "dW is a product in which N disappears, and with it the batch is summed. b is added to every row, so db collects "
    "dy from every row. Nothing is divided by N: the loss has done it.",
)


def forward_mistakes(x, W, b):
    """Known mistakes of the forward pass: (words, function that gives the wrong result)."""
    y = x @ W
    yield "the bias is not added", lambda: y
    yield "the bias is subtracted", lambda: y - b
    yield "the bias is added twice", lambda: y + 2 * b
    yield "the bias is multiplied by N: it should be added once to each row", lambda: y + len(x) * b
    yield "a ReLU is applied too: it should be a layer of its own", lambda: np.maximum(y + b, 0)
    yield "the sum over the units is a mean", lambda: y / x.shape[1] + b
    yield "the result is averaged over the batch", lambda: np.broadcast_to((y + b).mean(axis=0), y.shape)
    yield (
        "W is read in the order of (M,D): reshape where a transpose is needed",
        lambda: x @ W.reshape(W.shape[::-1]).T + b,
    )


def backward_mistakes(dy, x, W, b):
    """Known mistakes of the backward pass: (name of the gradient, words, function that gives the wrong one)."""
    yield from (
        ("dx", "W is reshaped where it is to be transposed", lambda: dy @ W.reshape(W.shape[::-1])),
        ("dW", "dW is reshaped where it is to be transposed", lambda: (dy.T @ x).reshape(W.shape)),
        (
            "dW",
            "x is averaged over the batch first: each image brings its own x and dy",
            lambda: np.outer(x.mean(axis=0), dy.sum(axis=0)),
        ),
        (
            "dW",
            "x and dy are summed over the batch before they are multiplied: each image brings its own pair",
            lambda: np.outer(x.sum(axis=0), dy.sum(axis=0)),
        ),
        ("dW", "x is not used", lambda: np.broadcast_to(dy.sum(axis=0), W.shape)),
        (
            "db",
            "every entry is the sum over the units too: db has one entry a unit",
            lambda: np.full(b.shape, dy.sum()),
        ),
        ("db", "db is multiplied with b", lambda: dy.sum(axis=0) * b),
        ("dx", "dx is multiplied with x", lambda: dy @ W.T * x),
    )


def probes():
    """The inputs that it is asked with, the edge cases last."""
    rng = np.random.default_rng(SEED)
    x, W, b = rng.standard_normal((3, 5)), rng.standard_normal((5, 4)), rng.standard_normal(4)
    yield Probe("", {"x": x, "W": W, "b": b}, {})
    yield Probe("one image", {"x": x[:1], "W": W, "b": b}, {}, edge=True)
    yield Probe("one unit", {"x": x, "W": W[:, :1], "b": b[:1]}, {}, edge=True)
    yield Probe("as many units as images", {"x": x[:, :3], "W": W[:3, :3], "b": b[:3]}, {}, edge=True)


PAIR = Pair("linear", linear_forward, linear_backward, forward_mistakes, backward_mistakes)
EXERCISE = Exercise("linear", ("linear_forward", "linear_backward"), HINTS, lambda: PAIR.cases(probes()))
