"""The momentum rule of section 5."""

import numpy as np

from minialex import optim
from minialex.check.cases import EDGES, RESULT, SEED, Case, Exercise
from minialex.optim import Rates

HINTS = (
    "For each name: w, v and g are arrays, and rates.of(name, w) gives the rate and the decay of this parameter: those "
    "of biases for an array with one axis.",
    "v <- momentum v - decay rate w - rate g, then w <- w + v, with the w from before the step in v. The rate stands "
    "inside v: what was gathered at an old rate is not scaled again.",
    "Change the arrays that are given: v *= momentum; v -= rate * (decay * w + g); w += v. `v = momentum * v` "
    "would make a new array that nobody sees. A rate of None means: leave w and v as they are.",
)


def step(w, v, g, rate, decay, momentum):
    """The rule itself: the new v and w."""
    v = momentum * v - decay * rate * w - rate * g
    return v, w + v


def _torch(w, v, g, rate, decay, momentum):
    v = momentum * v + g + decay * w
    return v, w - rate * v


def _rate_on_all(w, v, g, rate, decay, momentum):
    v = momentum * v - decay * w - g
    return v, w + rate * v


def _nesterov(w, v, g, rate, decay, momentum):
    v = momentum * v - rate * (decay * w + g)
    return v, w + momentum * v - rate * (decay * w + g)


STORE = (
    "`w = w + v` makes a new array; w += v changes the one that is given",
    "`v = ...` makes a new array; v *= momentum or v[...] = ... changes the one that is given",
)

WRONG = (
    ("the decay is missing in v, where it gathers momentum", lambda w, v, g, r, d, m: step(w, v, g, r, 0.0, m)),
    ("the decay has the wrong sign: it pulls w towards 0", lambda w, v, g, r, d, m: step(w, v, g, r, -d, m)),
    ("the decay is not multiplied by the rate", lambda w, v, g, r, d, m: step(w, v, g, r, d / r, m)),
    ("the decay is divided by 2", lambda w, v, g, r, d, m: step(w, v, g, r, d / 2, m)),
    ("the decay is multiplied by 2", lambda w, v, g, r, d, m: step(w, v, g, r, d * 2, m)),
    ("the decay acts on |w|: its sign is lost", lambda w, v, g, r, d, m: _from(m * v - d * r * abs(w) - r * g, w)),
    (
        "the decay acts on sign(w), as that of L1 does",
        lambda w, v, g, r, d, m: _from(m * v - d * r * np.sign(w) - r * g, w),
    ),
    ("the rate is outside v, as in PyTorch: v gathers g, and w - rate v; it differs when the rate drops", _torch),
    ("the rate is outside v: w + rate v", _rate_on_all),
    ("the rate is missing", lambda w, v, g, r, d, m: step(w, v, g, 1.0, d * r, m)),
    (
        "the rate is squared: it acts on v, and on w again",
        lambda w, v, g, r, d, m: (step(w, v, g, r, d, m)[0], w + r * step(w, v, g, r, d, m)[0]),
    ),
    ("the gradient has the wrong sign: the loss goes up", lambda w, v, g, r, d, m: step(w, v, -g, r, d, m)),
    (
        "the momentum has the wrong sign, or v holds what is subtracted",
        lambda w, v, g, r, d, m: step(w, v, g, r, d, -m),
    ),
    ("the momentum is missing", lambda w, v, g, r, d, m: step(w, v, g, r, d, 0.0)),
    ("v is kept whole: it should be multiplied by the momentum", lambda w, v, g, r, d, m: step(w, v, g, r, d, 1.0)),
    (
        "the gradient is multiplied by 1 - momentum: it counts in full",
        lambda w, v, g, r, d, m: _from(m * v - d * r * w - r * (1 - m) * g, w),
    ),
    (
        "gradient and decay are multiplied by 1 - momentum: they count in full",
        lambda w, v, g, r, d, m: step(w, v, g, r * (1 - m), d, m),
    ),
    ("v is multiplied by 1 - momentum", lambda w, v, g, r, d, m: step(w, v, g, r, d, 1 - m)),
    (
        "w takes the v from before the step: the new v is added",
        lambda w, v, g, r, d, m: (step(w, v, g, r, d, m)[0], w + v),
    ),
    (
        "v is subtracted from w: it should be added",
        lambda w, v, g, r, d, m: (step(w, v, g, r, d, m)[0], w - step(w, v, g, r, d, m)[0]),
    ),
    ("Nesterov's form: the paper's is w + v", _nesterov),
    (
        "v's sign is turned: v holds what is subtracted",
        lambda w, v, g, r, d, m: (m * v + d * r * w + r * g, w - (m * v + d * r * w + r * g)),
    ),
    ("w is the new v: w + v is stored in the wrong place", lambda w, v, g, r, d, m: (step(w, v, g, r, d, m)[0],) * 2),
)


def _from(v, w):
    return v, w + v


def _case(stage, about, params, velocity, grads, rates):
    """One step; the results are every w and v."""
    new = {"params": _copies(params), "velocity": _copies(velocity)}
    optim.update(**new, grads=grads, rates=rates)

    def call(learner, params, velocity, grads, rates):
        learner.call("update", params, velocity, grads, rates)
        return _results(params, velocity)

    def known(result):
        name, is_v = result.removeprefix("velocity of "), result.startswith("velocity")
        w, v, g = params[name], velocity[name], grads[name]
        rate, decay = rates.of(name, w)
        of_weights, of_biases = (rates.weights, rates.decay), (rates.biases, rates.bias_decay)
        other, kind = (of_weights, "weights") if w.ndim == 1 else (of_biases, "biases")
        if rate is None:
            yield (
                "a frozen layer moves: where its rate is None, neither momentum nor decay acts",
                lambda: step(w, v, g, 0.0, decay, rates.momentum)[not is_v],
            )
            yield (
                "a frozen layer moves: its rate is None",
                lambda: step(w, v, g, other[0], decay, rates.momentum)[not is_v],
            )
            rate = of_biases[0] if w.ndim == 1 else of_weights[0]
            yield "a frozen layer moves: its rate is None", lambda: step(w, v, g, rate, decay, rates.momentum)[not is_v]
        for words, change in (
            (f"the rate and the decay of the {kind} are used", other),
            (f"the rate of the {kind} is used", (other[0], decay)),
            (f"the decay of the {kind} is used", (rate, other[1])),
        ):
            yield words, lambda change=change: step(w, v, g, *change, rates.momentum)[not is_v]
        yield f"{'v' if is_v else 'w'} is as it was: {STORE[is_v]}", lambda: v if is_v else w
        for words, wrong in WRONG:
            yield words, lambda wrong=wrong: wrong(w, v, g, rate, decay, rates.momentum)[not is_v]

    return Case(
        stage=stage,
        about=about,
        inputs=dict(params=params, velocity=velocity, grads=grads, rates=rates),
        call=call,
        want=_results(**new),
        known=known,
        changes=("params", "velocity"),
    )


def _copies(arrays):
    return {name: array.copy() for name, array in arrays.items()}


def _results(params, velocity):
    return {**params, **{f"velocity of {name}": v for name, v in velocity.items()}}


def _cases():
    rng = np.random.default_rng(SEED)

    def arrays(*shapes):
        return {f"fc{6 + i // 2}.{'Wb'[i % 2]}": rng.standard_normal(shape) for i, shape in enumerate(shapes)}

    def three(*shapes):
        return dict(params=arrays(*shapes), velocity=arrays(*shapes), grads=arrays(*shapes))

    one_rate = dict(momentum=0.9, decay=0.2, bias_decay=0.2)
    yield _case(RESULT, "a layer's weights", **three((3, 4)), rates=Rates(0.3, 0.3, **one_rate))
    biases = Rates(0.3, 0.4, momentum=0.8, decay=0.2, bias_decay=0.05)
    yield _case(RESULT, "weights and biases, with rates and decays of their own", **three((3, 4), (4,)), rates=biases)
    still = three((3, 4))
    still["velocity"] = _copies({name: 0 * v for name, v in still["velocity"].items()})
    yield _case(EDGES, "the first step, from v = 0", **still, rates=Rates(0.3, 0.3, **one_rate))
    frozen = Rates(0.3, 0.4, momentum=0.8, decay=0.2, bias_decay=0.05, layers={"fc6": None})
    yield _case(EDGES, "layer fc6 is frozen", **three((3, 4), (4,), (4, 2), (2,)), rates=frozen)


EXERCISE = Exercise("update", ("update",), HINTS, lambda: list(_cases()))
