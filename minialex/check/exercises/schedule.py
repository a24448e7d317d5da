"""The learning rate that is divided by ten where the validation error stops falling (section 5)."""

from functools import partial

import numpy as np

from minialex.check.cases import EDGES, RESULT, Case, Exercise
from minialex.optim import Plateau

HINTS = (
    "Walk through errors[:epoch], those of the epochs before this one, and keep three numbers: the lowest error "
    "so far, how many epochs brought no lower one, and how often the rate was dropped.",
    "An epoch that only equals the lowest error brought nothing new. When the count of idle epochs reaches `patience`, "
    "drop the rate and begin to count anew; the lowest error stays.",
    "After `drops` drops there is no further one. The result is factor ** -dropped, computed from the start in every "
    "call: nothing is kept between calls.",
)


def scales(
    errors,
    patience,
    factor,
    drops,
    *,
    known=0,
    equal=False,
    previous=False,
    forget=False,
    keep_waiting=False,
    again=False,
    limit=True,
    restart=False,
    never_reset=False,
    stop_at_limit=False,
):
    """The factor on the rate in each epoch; the keywords are what people get wrong.

    known: so many errors more than the rule may know.
    """
    results = []
    for epoch in range(len(errors) + 1):
        best, waited, dropped, last = np.inf, 0, 0, np.inf
        for error in errors[: max(0, epoch + known)]:
            better = error <= best if equal else error < (last if previous else best)
            last = error
            if better:
                best = error
                waited = waited if never_reset else 0
                dropped = 0 if restart else dropped
            else:
                waited += 1
            due = waited >= patience if again else waited == patience
            if due and (dropped < drops or not limit):
                dropped += 1
                waited = waited if keep_waiting else 0
                best = np.inf if forget else best
        results.append(float(factor) ** -dropped)
    return np.array(results)


WRONG = (
    ("an epoch whose error equals the lowest counts as better: only a lower one does", dict(equal=True)),
    ("the error is compared with that of the epoch before: compare with the lowest so far", dict(previous=True)),
    ("the lowest error is forgotten at a drop: it stays", dict(forget=True)),
    (
        "the count of idle epochs is not begun anew at a drop: the rate drops in every epoch after",
        dict(keep_waiting=True, again=True),
    ),
    (
        "one drop in a stall only: the count of idle epochs is not begun anew at a drop",
        dict(keep_waiting=True),
    ),
    (
        "the count of idle epochs is not begun anew at a better epoch: they must follow each other",
        dict(never_reset=True),
    ),
    ("the number of drops has no limit", dict(limit=False)),
    ("the rate goes back up when the error falls again: a drop stays", dict(restart=True)),
    ("it looks at the error of this very epoch, which is not known when it begins: errors[:epoch]", dict(known=1)),
    ("the last error is not looked at: errors[:epoch] are all known", dict(known=-1)),
    ("it looks at all errors, those of later epochs too: errors[:epoch]", dict(known=10**6)),
)


def mistakes(errors, patience, factor, drops):
    """Known mistakes: (words, function that gives the wrong result)."""
    yield (
        "the rate drops one epoch too early: patience - 1 idle epochs",
        partial(scales, errors, patience - 1, factor, drops),
    )
    yield (
        "the rate drops one epoch too late: patience + 1 idle epochs",
        partial(scales, errors, patience + 1, factor, drops),
    )
    for words, change in WRONG:
        yield words, partial(scales, errors, patience, factor, drops, **change)
    right = scales(errors, patience, factor, drops)
    dropped = np.round(-np.log(right) / np.log(factor))
    yield "the rate is multiplied by the factor: it should be divided", lambda: 1 / right
    yield "the rate never drops", lambda: np.ones_like(right)
    yield "this counts the drops: the result is factor ** -drops", lambda: dropped
    yield (
        "drops are divided one after the other, not multiplied: factor ** -drops",
        lambda: 1 / np.maximum(1, factor * dropped),
    )
    yield "patience is not used: the rate drops after 5 idle epochs always", partial(scales, errors, 5, factor, drops)
    for other in (2.0, 10.0):
        if other != factor:
            yield f"factor is not used: the rate is divided by {other:g}", lambda other=other: other**-dropped
    yield "one drop too many", partial(scales, errors, patience, factor, drops + 1)
    yield "one drop too few", partial(scales, errors, patience, factor, drops - 1)


def _case(stage, about, errors, patience, factor, drops):
    def call(learner, errors, patience, factor, drops):
        plateau = learner.call("Plateau", patience=patience, factor=factor, drops=drops)
        return {"scale": np.array([float(learner.run(plateau.scale, e, errors)) for e in range(len(errors) + 1)])}

    right = Plateau(patience, factor, drops)
    return Case(
        stage=stage,
        about=about,
        inputs=dict(errors=errors, patience=patience, factor=factor, drops=drops),
        call=call,
        want={"scale": np.array([right.scale(epoch, errors) for epoch in range(len(errors) + 1)])},
        known=lambda name: mistakes(errors, patience, factor, drops),
    )


def _cases():
    stalls = [0.9, 0.8, 0.7, 0.75, 0.72, 0.74, 0.76, 0.6, 0.62, 0.61, 0.5, 0.55, 0.53, 0.54, 0.52, 0.56]
    equal = [0.9, 0.8, 0.8, 0.8, 0.8, 0.7, 0.75, 0.72, 0.7, 0.71]
    endless = [0.9, *[0.95] * 19]
    yield _case(RESULT, "no better epoch for long", endless, 3, 4.0, 3)
    yield _case(RESULT, "stalls and better epochs", stalls, 3, 10.0, 3)
    yield _case(RESULT, "epochs that equal the lowest", equal, 3, 10.0, 3)
    yield _case(EDGES, "always better", [0.9, 0.8, 0.7, 0.6, 0.5], 1, 10.0, 3)
    yield _case(EDGES, "no epoch yet", [], 3, 10.0, 3)
    yield _case(EDGES, "patience 1", stalls, 1, 10.0, 2)


EXERCISE = Exercise("schedule", ("Plateau",), HINTS, lambda: list(_cases()))
