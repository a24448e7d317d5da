"""Softmax with cross-entropy (section 3.5)."""

import numpy as np

from minialex.check.cases import SEED, Exercise, Pair, Probe
from minialex.check.mistakes import Looks
from minialex.ops import softmax, softmax_cross_entropy_backward, softmax_cross_entropy_forward

HINTS = (
    "loss = 1/N sum over n of (log sum over m of exp(logits[n,m]) - logits[n,t[n]]). Try it with logits of 1000: "
    "what is exp(1000)?",
    "Subtracting one number from all logits of a row changes no probability. Subtract each row's largest: then the "
    "largest power is 1. Take the logarithm of the sum, never of a probability, which may be 0.",
    "dlogits = dloss (p - onehot(t)) / N. Work on a copy of p, subtract 1 at [arange(N), t], and do not forget dloss.",
)
UNSTABLE = "unstable: exp overflows at logits of 1000; subtract each row's maximum first"


def _one_hot(logits, t):
    return np.eye(logits.shape[1])[t]


def forward_mistakes(logits, t):
    """Known mistakes of the forward pass: (words, function that gives the wrong result)."""
    N, M = logits.shape
    right = softmax_cross_entropy_forward
    rows = np.arange(N)
    if abs(logits).max() > 700:
        yield UNSTABLE, Looks(lambda got: not np.isfinite(got).all())
    yield "the sum over the batch: it should be the mean", lambda: right(logits, t)[0] * N
    yield "the mean over images and classes: it should be the mean over images", lambda: right(logits, t)[0] / M
    yield "divided by N twice", lambda: right(logits, t)[0] / N
    yield "the sign is wrong: this is the mean of log p, not of -log p", lambda: -right(logits, t)[0]
    yield "one loss for each image: take their mean", lambda: -np.log(softmax(logits)[rows, t])
    yield (
        "softmax runs over the batch: it runs over the classes, axis 1",
        lambda: -np.log(softmax(logits.T).T[rows, t]).mean(),
    )
    yield (
        "softmax runs over all logits at once: it runs over the classes of each image",
        lambda: -np.log(softmax(logits.reshape(1, -1)).reshape(N, M)[rows, t]).mean(),
    )
    yield "the logarithm is missing: this is the mean of -p", lambda: -softmax(logits)[rows, t].mean()
    yield "the logarithm is missing: this is the mean of p", lambda: softmax(logits)[rows, t].mean()
    yield "log2 in place of the natural logarithm", lambda: right(logits, t)[0] / np.log(2)
    yield "log10 in place of the natural logarithm", lambda: right(logits, t)[0] / np.log(10)
    yield "softmax is missing: the mean of -logits[t]", lambda: -logits[rows, t].mean()
    yield (
        "the label's logit is not subtracted: this is the mean of log sum exp",
        lambda: right(logits, t)[0] + logits[rows, t].mean(),
    )
    yield "softmax is applied twice", lambda: right(softmax(logits), t)[0]
    yield (
        "log p is summed over all classes: only the label's counts",
        lambda: -np.log(softmax(logits)).sum(axis=1).mean(),
    )
    yield (
        "the cross-entropy has a term for the other classes too, log(1 - p)",
        lambda: -(np.log(abs(1 - _one_hot(logits, t) - softmax(logits)))).sum(axis=1).mean(),
    )
    yield (
        "the square of p - onehot, not the cross-entropy",
        lambda: ((softmax(logits) - _one_hot(logits, t)) ** 2).sum(axis=1).mean(),
    )
    yield "the loss of the LAST image only", lambda: right(logits[-1:], t[-1:])[0]
    yield "the loss of the FIRST image only", lambda: right(logits[:1], t[:1])[0]
    if abs(logits).max() > 700:
        yield (
            "large losses are cut off: a small number is added to p, or p is clipped, before the logarithm; "
            "take log-sum-exp instead",
            Looks(lambda got: bool(got.ndim == 0 and 0 < got < right(logits, t)[0])),
        )


def backward_mistakes(dloss, logits, t):
    """Known mistakes of the backward pass: (name of the gradient, words, function that gives the wrong one)."""
    N, M = logits.shape
    p, one_hot = softmax(logits), _one_hot(logits, t)
    if abs(logits).max() > 700:
        yield "dlogits", UNSTABLE, Looks(lambda got: not np.isfinite(got).all())
        finite = np.where(logits.max(axis=1, keepdims=True) > 709, 0, p)  # a finite power by an infinite sum is 0
        yield "dlogits", UNSTABLE, lambda: dloss * (finite - one_hot) / N
    for words, make in (
        ("the one-hot is not subtracted: this is p / N", lambda: dloss * p / N),
        ("not divided by N: the loss is a mean over the batch", lambda: dloss * (p - one_hot)),
        ("neither divided by N nor the one-hot subtracted", lambda: dloss * p),
        ("divided by N twice", lambda: dloss * (p - one_hot) / N**2),
        ("divided by the number of classes too", lambda: dloss * (p - one_hot) / N / M),
        ("divided by the number of classes, not by N", lambda: dloss * (p - one_hot) / M),
        ("dloss is not used", lambda: (p - one_hot) / N),
        ("dloss is not used, and the division by N is missing", lambda: p - one_hot),
        ("the sign is wrong: it should be p - onehot", lambda: dloss * (one_hot - p) / N),
        ("the one-hot is added: it should be subtracted", lambda: dloss * (p + one_hot) / N),
        ("the one-hot is divided by N, p is not", lambda: dloss * (p - one_hot / N)),
        ("p is divided by N, the one-hot is not: subtract first", lambda: dloss * (p / N - one_hot)),
        ("the gradient of -log p with respect to p: softmax is left out", lambda: dloss * -one_hot / p / N),
        (
            "only the label's entry has a gradient: the other classes have p",
            lambda: dloss * (p - one_hot) * one_hot / N,
        ),
        (
            "the softmax's own derivative p (1 - p) is multiplied in again",
            lambda: dloss * (p - one_hot) * p * (1 - p) / N,
        ),
        (
            "softmax runs over the batch: it runs over the classes, axis 1",
            lambda: dloss * (softmax(logits.T).T - one_hot) / N,
        ),
        (
            "1 is subtracted in whole columns, as p[:, t] -= 1 does: use p[arange(N), t]",
            lambda: dloss * (p - np.isin(np.arange(M), t)) / N,
        ),
        ("logits - onehot: softmax is left out", lambda: dloss * (logits - one_hot) / N),
    ):
        yield "dlogits", words, make


def places(name, logits, t):
    """Parts of a result in which errors may lie together: (words, mask)."""
    if name == "dlogits":
        yield "at the labels", _one_hot(logits, t) == 1
        yield "beside the labels", _one_hot(logits, t) == 0


def probes():
    """The inputs that it is asked with, the edge cases last."""
    rng = np.random.default_rng(SEED)
    logits, t = rng.standard_normal((3, 5)), np.array([3, 0, 3])
    yield Probe("", {"logits": logits, "t": t}, {})
    yield Probe("logits of 1000", {"logits": 1000 * logits, "t": t}, {}, edge=True)
    yield Probe("logits of -10000", {"logits": logits - 10000, "t": t}, {}, edge=True)
    yield Probe("one image", {"logits": logits[:1], "t": t[:1]}, {}, edge=True)


PAIR = Pair(
    "softmax_cross_entropy",
    softmax_cross_entropy_forward,
    softmax_cross_entropy_backward,
    forward_mistakes,
    backward_mistakes,
    places,
    output="loss",
)
EXERCISE = Exercise(
    "softmax_cross_entropy",
    ("softmax_cross_entropy_forward", "softmax_cross_entropy_backward"),
    HINTS,
    lambda: PAIR.cases(probes()),
)
