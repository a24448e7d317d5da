"""Numerical gradients for any pair and any layer record, this package's or a learner's, in float64.

A gradient is checked by random projection. For a random direction u of an argument x and a random
upstream gradient dy, the number <dx, u> must equal the derivative of <dy, y(x + h u)> at h = 0. One
random direction mixes every entry of dx, so that two evaluations do what a loop over the entries would
do in thousands. The derivative is taken by the five-point central difference, whose error is of the
order h^4: a right gradient agrees to about ten digits, a wrong one seldom to three.

Two things are the caller's business. Stay away from kinks: keep the inputs of a ReLU off zero and those
of a max pooling apart by more than the step, for there is no derivative to find. And choose inputs in
which every term shows: a random x, unequal sizes, more than one image.
"""

import inspect
from functools import partial
from typing import NamedTuple

import numpy as np

from minialex.backend import to_numpy, xp_of

DIRECTIONS = 3  # random directions tried for each argument; the worst one counts
LARGEST_SEARCH = 4096  # entries looked at one by one to locate a mistake


class Comparison(NamedTuple):
    """Relative error, and the two numbers that gave it: by backward and by finite differences."""

    error: float
    analytic: float
    numeric: float


def check_pair(forward, backward, arrays, *, rng, step=1e-5, **kwargs):
    """Return the relative error of each gradient of a pair, by the name of forward's array argument.

    forward(*arrays, **kwargs) gives (y, cache); backward(dy, cache) gives the gradients of the float64
    arrays in their order (of one alone, no tuple). Integer arrays, such as labels, are held constant.
    `step` is h as a fraction of an array's root mean square. Right gradients give errors below 1e-7.
    Raises ValueError for arrays of another dtype, and AssertionError if forward or backward is no pure
    function (two calls differ, or an argument is changed) or if a gradient has the wrong shape.
    """
    compared = _compare(partial(forward, **kwargs), backward, arrays, _names(forward, arrays), rng, step)
    return {name: comparison.error for name, comparison in compared.items()}


def assert_pair(forward, backward, arrays, *, rng, step=1e-5, tolerance=1e-7, **kwargs):
    """Raise AssertionError naming argument, error and both numbers, unless check_pair's errors are small."""
    names = _names(forward, arrays)
    _assert_close(partial(forward, **kwargs), backward, arrays, names, rng, step, tolerance)


def check_layer(layer, input_shape, *, rng, batch=3, train=True, ops=None, step=1e-5):
    """Return the relative error of each gradient of a layer record: of "x" and of every parameter.

    `layer` has init, forward and backward as minialex.layers documents them; `input_shape` is that of
    one image, without the batch; `ops` is the table of pairs that the record runs on (a learner's own
    record may need none). Raises as check_pair does, and AssertionError if the names of the gradients
    are not those of the parameters.
    """
    compared = _compare(*_layer_as_pair(layer, input_shape, rng, batch, train, ops), rng, step)
    return {name: comparison.error for name, comparison in compared.items()}


def assert_layer(layer, input_shape, *, rng, batch=3, train=True, ops=None, step=1e-5, tolerance=1e-7):
    """Raise AssertionError naming argument, error and both numbers, unless check_layer's errors are small."""
    _assert_close(*_layer_as_pair(layer, input_shape, rng, batch, train, ops), rng, step, tolerance)


def numerical_gradient(forward, arrays, i, dy, *, step=1e-5):
    """The gradient of <dy, y> for array number i, entry by entry: four calls of forward for each.

    forward(*arrays) gives (y, cache); dy is as y. `step` is h as a fraction of the array's root mean square.
    Returns a NumPy array as arrays[i], right to about ten digits of its largest entry.
    """
    numeric = np.empty(arrays[i].shape)
    for entry in np.ndindex(numeric.shape):
        one = np.zeros(numeric.shape)
        one[entry] = 1.0
        numeric[entry] = _slope(forward, arrays, i, xp_of(dy).asarray(one), dy, step)
    return numeric


def _names(forward, arrays):
    """The names of forward's first arguments; positions where it takes *args."""
    names = [
        name
        for name, parameter in inspect.signature(forward).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return [names[i] if i < len(names) else i for i in range(len(arrays))]


def _layer_as_pair(layer, input_shape, rng, batch, train, ops):
    """The record as forward(x, *parameters) and backward(dy, cache), with values and names for them."""
    params = layer.init(input_shape, rng)
    # Zeros and ones, as biases and gains begin, hide a forgotten factor: move every parameter a little.
    params = {name: value + 0.1 * _scale(value) * rng.standard_normal(value.shape) for name, value in params.items()}
    state = layer.init_state(input_shape) if hasattr(layer, "init_state") else {}
    x = rng.standard_normal((batch, *input_shape))
    seed = int(rng.integers(2**32))

    def forward(x, *values):
        values = dict(zip(params, values, strict=True))
        same_rng = np.random.default_rng(seed)  # the same dropout mask in every evaluation
        return layer.forward(values, x, state=state, train=train, rng=same_rng, ops=ops)

    def backward(dy, cache):
        dx, grads = layer.backward(dy, cache, ops=ops)
        _require(set(grads) == set(params), f"gradients for {sorted(grads)}, parameters {sorted(params)}")
        return dx, *(grads[name] for name in params)

    return forward, backward, (x, *params.values()), ("x", *params)


def _compare(forward, backward, arrays, names, rng, step):
    """{name: the worst Comparison over DIRECTIONS random directions} for each float64 array."""
    grads, dy, y = _gradients(forward, backward, arrays, names, rng)
    xp = xp_of(dy)
    compared = {}
    for i, dx in grads.items():
        floor = 1e-3 * _norm(dy * y) / _scale(arrays[i])  # what is smaller drowns in the rounding of y
        comparisons = []
        for _ in range(DIRECTIONS):
            u = xp.asarray(rng.standard_normal(dx.shape))
            analytic, numeric = _dot(dx, u), _slope(forward, arrays, i, u, dy, step)
            size = max(abs(analytic), abs(numeric), _norm(dx), floor) or 1.0
            comparisons.append(Comparison(abs(analytic - numeric) / size, analytic, numeric))
        compared[names[i]] = max(comparisons, key=lambda c: np.nan_to_num(c.error, nan=np.inf))
    return compared


def _gradients(forward, backward, arrays, names, rng):
    """{position: gradient} of the float64 arrays, with dy and y; run twice, as pure functions allow."""
    for name, array in zip(names, arrays, strict=True):
        if array.dtype.kind == "f" and array.dtype != "float64":
            raise ValueError(f"gradients are checked in float64: {name} is {array.dtype}")
    before = [array.copy() for array in arrays]
    y, cache = forward(*arrays)
    _require_unchanged(names, arrays, before, "forward")
    _require(np.isfinite(to_numpy(y)).all(), "forward gives values that are not finite")
    _require_same(forward(*arrays)[0], y, "forward gives another y in its second call")
    xp = xp_of(arrays[0])
    dy = xp.asarray(rng.standard_normal(y.shape))
    dy_before = dy.copy()
    grads = [dx.copy() for dx in _as_tuple(backward(dy, cache))]
    floats = [i for i, array in enumerate(arrays) if array.dtype.kind == "f"]
    _require(len(grads) == len(floats), f"backward gives {len(grads)} gradients for {len(floats)} arrays")
    for i, dx, again in zip(floats, grads, _as_tuple(backward(dy, cache)), strict=True):
        which, shape = f"gradient of {names[i]}", arrays[i].shape
        _require(dx.shape == shape, f"{which}: shape {dx.shape}, not {shape}")
        _require(np.isfinite(to_numpy(dx)).all(), f"{which}: not finite")
        _require_same(again, dx, f"{which}: another one in backward's second call")
    _require_unchanged(("dy", *names), (dy, *arrays), (dy_before, *before), "backward")
    return dict(zip(floats, grads, strict=True)), dy, y


def _slope(forward, arrays, i, u, dy, step):
    """d/dh of <dy, y> where argument i is moved by h u: five-point stencil, error of order h^4."""
    h = step * _scale(arrays[i])

    def moved(factor):
        return forward(*arrays[:i], arrays[i] + factor * h * u, *arrays[i + 1 :])[0]

    # Subtract before the product with dy: the rounding of a large <dy, y> would swamp the difference.
    return (8 * _dot(dy, moved(1) - moved(-1)) - _dot(dy, moved(2) - moved(-2))) / (12 * h)


def _assert_close(forward, backward, arrays, names, rng, step, tolerance):
    for name, (error, analytic, numeric) in _compare(forward, backward, arrays, names, rng, step).items():
        if not error < tolerance:  # said this way round, it catches a NaN
            raise AssertionError(
                f"gradient of {name}: relative error {error:.2g}, limit {tolerance:.2g}; along a random "
                f"direction backward gives {analytic:.10g}, finite differences {numeric:.10g}"
                + _worst_entry(forward, backward, arrays, names, name, rng, step)
            )


def _worst_entry(forward, backward, arrays, names, name, rng, step):
    """Where the gradient is most wrong, entry by entry, as words; none for an array too large for that."""
    i = list(names).index(name)
    grads, dy, _ = _gradients(forward, backward, arrays, names, rng)
    analytic = to_numpy(grads[i])
    if analytic.size > LARGEST_SEARCH:
        return ""
    numeric = numerical_gradient(forward, arrays, i, dy, step=step)
    worst = np.unravel_index(np.argmax(np.abs(analytic - numeric)), analytic.shape)
    where = ", ".join(str(int(k)) for k in worst)
    return f"; furthest off at [{where}]: {analytic[worst]:.6g} against {numeric[worst]:.6g}"


def _as_tuple(grads):
    return grads if isinstance(grads, tuple) else (grads,)


def _dot(a, b):
    return float(to_numpy((a * b).sum()))


def _norm(a):
    return _dot(a, a) ** 0.5


def _scale(array):
    """Root mean square of the entries; 1 where all are 0 or there are none."""
    return _norm(array) / max(array.size, 1) ** 0.5 or 1.0


def _require(condition, message):
    if not condition:
        raise AssertionError(message)


def _require_same(a, b, message):
    """a equals b but for the last bits, which may differ between two runs of a parallel sum."""
    a, b = to_numpy(a), to_numpy(b)
    _require(np.max(np.abs(a - b), initial=0.0) <= 1e-12 * np.max(np.abs(b), initial=0.0), message)


def _require_unchanged(names, arrays, copies, function):
    for name, array, copy in zip(names, arrays, copies, strict=True):
        _require(np.array_equal(to_numpy(array), to_numpy(copy)), f"{function} changes {name}")
