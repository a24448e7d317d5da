"""The exercises, one a file: its probes, its hints, and the mistakes known for it."""

from importlib import import_module

from minialex.check.cases import Exercise

NAMES = (
    "count", "resize", "softmax_cross_entropy", "top_k", "relu", "tanh", "lrn", "batchnorm", "mapnorm", "max_pool",
    "im2col", "conv", "linear", "ten_crops", "colour_noise", "dropout", "update", "schedule", "retrieval",
)  # fmt: skip  # in the order of the lessons


def exercise(name: str) -> Exercise:
    """The exercise of this name, one of NAMES; the others stay unread."""
    return import_module(f"minialex.check.exercises.{name}").EXERCISE
