"""Top-1 and top-5 error (sections 2 and 6), with ties."""

from functools import partial

import numpy as np

from minialex.check.cases import SEED, Exercise, function_case
from minialex.evaluate import hits

HINTS = (
    "A row is a hit where fewer than k classes come before its label. Which come before it? Those with a larger logit; "
    "and of those with an equal one, the earlier classes.",
    "np.argsort(-logits, axis=1, kind='stable')[:, :k] has the k largest, equal ones in the order of their classes. "
    "Without 'stable' their order is anything.",
    "A NaN compares as False with everything: count the classes that come AFTER the label, and a NaN at the "
    "label makes no hit. The error is the share of rows that are no hits.",
)


def first_k(logits, t, k, *, order=None):
    """Whether the label is among the first k of an order, by default the right one."""
    order = np.argsort(-logits, axis=1, kind="stable") if order is None else order
    return (order[:, :k] == t[:, None]).any(axis=1)


def mistakes(logits, t, k, *, error):
    """Those of hits, or of the error that is made of them."""
    label = logits[np.arange(len(t)), t][:, None]
    backwards = np.argsort(logits, axis=1, kind="stable")[:, ::-1]
    N = len(t)

    def result(found):
        return 1 - found.mean() if error else found

    if np.isnan(label).any():
        yield "a NaN at the label counts as a hit", lambda: result(hits(logits, t, k) | np.isnan(label[:, 0]))
    if error:
        right = hits(logits, t, k)
        yield "this is the share of hits: the error is 1 less it", lambda: right.mean()
        yield "this is the number of errors: divide by N", lambda: (~right).sum()
        yield "this is the number of hits: the error is the share of the others", lambda: right.sum()
        yield "in per cent: the error is a share, 0 to 1", lambda: 100 * (1 - right.mean())
        yield "the share of hits in per cent", lambda: 100 * right.mean()
        yield "divided by the number of classes: divide by N", lambda: (~right).sum() / logits.shape[1]
        yield "divided by k", lambda: (1 - right.mean()) / k
        yield "divided by N - 1", lambda: (~right).sum() / (N - 1)
    else:
        yield "this says where the label is NOT among the k", lambda: ~hits(logits, t, k)
    for words, make in (
        (
            "ties: every class that equals the label's comes before it; of equal ones the earlier class comes first",
            lambda: (logits >= label).sum(axis=1) <= k,
        ),
        (
            "ties: no class that equals the label's comes before it; of equal ones the earlier class comes first",
            lambda: (logits > label).sum(axis=1) < k,
        ),
        (
            "ties: of equal classes the LATER one comes first, as argsort()[::-1] gives it",
            lambda: first_k(logits, t, k, order=backwards),
        ),
        ("the k smallest are taken: it should be the k largest", lambda: first_k(-logits, t, k)),
        ("k is not used: this is top-1", lambda: first_k(logits, t, 1)),
        ("k is not used: this is top-5", lambda: first_k(logits, t, 5)),
        ("one class too many: k + 1", lambda: first_k(logits, t, k + 1)),
        ("one class too few: k - 1", lambda: first_k(logits, t, k - 1)),
        (
            "the k-th place alone counts: all of the first k do",
            lambda: np.argsort(-logits, axis=1, kind="stable")[:, k - 1] == t,
        ),
    ):
        yield words, lambda make=make: result(make())


def _cases():
    rng = np.random.default_rng(SEED)
    places = np.repeat(np.arange(8), (13, 7, 5, 11, 3, 9, 2, 8))  # so that each mistake leads to another share
    logits = rng.standard_normal((len(places), 8))
    t = np.argsort(-logits, axis=1)[np.arange(len(places)), places]
    tied = rng.integers(0, 3, (37, 8)).astype(float)
    t_tied = rng.integers(0, 8, 37)
    missing = logits.copy()
    missing[[0, 4], t[[0, 4]]] = np.nan
    for about, given, labels, k, edge in (
        ("top-5", logits, t, 5, False),
        ("top-1", logits, t, 1, False),
        ("ties, top-3", tied, t_tied, 3, True),
        ("ties, top-1", tied, t_tied, 1, True),
        ("all logits equal, as a network's whose output is 0", 0 * tied, t_tied, 5, True),
        ("NaN at two labels", missing, t, 3, True),
        ("k = all classes", logits, t, 8, True),
    ):
        found = hits(given, labels, k)
        for function, want in (("hits", found), ("top_k_error", 1 - found.mean())):
            known = partial(mistakes, given, labels, k, error=function != "hits")
            yield function_case(
                function,
                f"{function}, {about}",
                dict(logits=given, t=labels, k=k),
                want,
                edge=edge,
                known=lambda name, known=known: known(),
                output=function,
            )


EXERCISE = Exercise("top_k", ("hits", "top_k_error"), HINTS, lambda: list(_cases()))
