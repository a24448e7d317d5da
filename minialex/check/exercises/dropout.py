"""Dropout (section 4.2)."""

import numpy as np

from minialex.check.cases import SEED, Exercise, Pair, Probe
from minialex.check.mistakes import Looks
from minialex.ops import dropout_backward, dropout_forward

HINTS = (
    "Four cases: training or testing (mask is None), each as in the paper or inverted. Fill in the table of the four "
    "factors that x is multiplied by, before you write code.",
    "p is the probability to be set to 0. On average a fraction 1-p of the units is there in training: the paper "
    "multiplies by that in testing, the inverted form divides by it in training.",
    "In all four cases y is x times a factor. Keep that factor: the backward is dy times the same one. No new mask is "
    "drawn there, and nothing is scaled again.",
)


def _masked(source, mask=None):
    """Whether an array is `source`, by one factor, with zeros where `mask` has none (anywhere, without a mask)."""

    def test(got):
        kept = (got != 0) & (source != 0)
        if got.shape != source.shape or kept.all() or not kept.any():
            return False
        ratios = got[kept] / source[kept]
        return bool(np.allclose(ratios, ratios[0], rtol=1e-4)) and (mask is None or bool((kept != (mask != 0)).any()))

    return Looks(test)


def _factors(mask, p, inverted):
    """(words, factor) of what people multiply by."""
    if mask is None:
        yield "not scaled in testing: the paper multiplies by 1 - p there", 1.0
        yield "scaled by p in testing: p is the probability to be 0, and 1 - p stays", p
        yield "scaled in training AND in testing: inverted dropout leaves x as it is in testing", 1 - p
        yield "divided by 1 - p in testing", 1 / (1 - p)
        yield "scaled twice: (1 - p)^2", (1 - p) ** 2
        yield "everything is 0 in testing", 0.0
        return
    yield "not masked", 1.0
    yield "the mask is the wrong way round: 1 means that a unit stays", 1.0 - mask
    yield "the mask is the wrong way round, and scaled", (1.0 - mask) / (1 - p)
    if inverted:
        yield "not divided by 1 - p: inverted dropout scales in training", mask
        yield "multiplied by 1 - p: inverted dropout divides by it in training", mask * (1 - p)
        yield "divided by p: what stays is a fraction 1 - p", mask / p
        yield "scaled twice: divided by (1 - p)^2", mask / (1 - p) ** 2
        yield "scaled, not masked", 1 / (1 - p)
    else:
        yield "divided by 1 - p in training: that is the inverted form, the paper scales in testing", mask / (1 - p)
        yield "scaled in training AND in testing: the paper scales by 1 - p in testing alone", mask * (1 - p)
        yield "divided by p in training: the paper scales in testing alone", mask / p
        yield "multiplied by p in training: the paper scales in testing alone", mask * p


def forward_mistakes(x, *, mask, p=0.5, inverted=False):
    """Known mistakes of the forward pass: (words, function that gives the wrong result)."""
    for words, factor in _factors(mask, p, inverted):
        yield words, lambda factor=factor: x * factor
    if mask is None:
        yield "a mask is applied in testing: mask=None means that all units take part", _masked(x)
    else:
        yield "a mask of your own is drawn: use the one that is given", _masked(x, mask)


def backward_mistakes(dy, x, *, mask, p=0.5, inverted=False):
    """Known mistakes of the backward pass: (name of the gradient, words, function that gives the wrong one)."""
    yield (
        "dx",
        "dx is not dy times the factor: this is x times it",
        lambda: x * dropout_forward(dy, mask=mask, p=p, inverted=inverted)[1],
    )
    for words, factor in _factors(mask, p, inverted):
        yield "dx", f"{words} (in the backward)", lambda factor=factor: dy * factor
    if mask is None:
        yield "dx", "a mask is applied in testing", _masked(dy)
    else:
        yield (
            "dx",
            "the mask is redrawn in the backward: the units that were 0 get a gradient; keep the forward's",
            (_masked(dy, mask)),
        )
        yield "dx", "the mask is where x > 0, not the forward's", lambda: dy * (x > 0)


def places(name, x, *, mask, p=0.5, inverted=False):
    """Parts of a result in which errors may lie together: (words, mask)."""
    if mask is not None:
        yield "where the mask is 0", mask == 0
        yield "where the mask is 1", mask == 1


def probes():
    """The inputs that it is asked with, the edge cases last."""
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((3, 4, 5))
    mask = rng.random(x.shape) >= 0.3
    yield Probe("training, as in the paper", {"x": x}, dict(mask=mask, p=0.3))
    yield Probe("testing, as in the paper", {"x": x}, dict(mask=None, p=0.3))
    yield Probe("training, inverted", {"x": x}, dict(mask=mask, p=0.3, inverted=True))
    yield Probe("testing, inverted", {"x": x}, dict(mask=None, p=0.3, inverted=True))
    yield Probe("p = 0", {"x": x}, dict(mask=np.ones(x.shape), p=0.0, inverted=True), edge=True)
    yield Probe("a mask of numbers, not of True and False", {"x": x}, dict(mask=mask.astype(float)), edge=True)
    yield Probe("everything dropped", {"x": x}, dict(mask=np.zeros(x.shape), inverted=True), edge=True)


PAIR = Pair("dropout", dropout_forward, dropout_backward, forward_mistakes, backward_mistakes, places)
EXERCISE = Exercise("dropout", ("dropout_forward", "dropout_backward"), HINTS, lambda: PAIR.cases(probes()))
