"""Top-1 and top-5 error on the central crop (section 6)."""

from collections.abc import Iterable
from dataclasses import dataclass

from minialex import network
from minialex.backend import xp_of
from minialex.ops import Ops, reference


@dataclass(frozen=True)
class Score:
    """The mean loss, and the shares of images whose label is the likeliest class, or among the five likeliest."""

    loss: float
    top1: float
    top5: float


def evaluate(layers, params, state, batches: Iterable, *, ops: Ops = reference) -> Score:
    """The score of a network over batches of images x (N,H,W,C) and labels t (N,), in its testing form.

    A smaller batch counts for as many images as it has. Raises ValueError where there is no batch.
    """
    sums, count = [0.0, 0.0, 0.0], 0
    for x, t in batches:
        logits, _ = network.forward(layers, params, x, state=state, train=False, ops=ops)
        loss, _ = ops.softmax_cross_entropy.forward(logits, t)
        values = (loss * len(t), correct(logits, t, 1), correct(logits, t, 5))
        sums = [total + float(value) for total, value in zip(sums, values, strict=True)]
        count += len(t)
    if not count:
        raise ValueError("nothing to evaluate: there was no batch")
    return Score(*(total / count for total in sums))


def correct(logits, t, k: int):
    """How many rows of logits (N,M) have their label t (N,) among the k largest: top-k of section 2.

    Of equal logits the earlier class comes first, on any backend.
    """
    best = xp_of(logits).argsort(-logits, axis=1, kind="stable")[:, :k]  # (N,k)
    return (best == t[:, None]).sum()
