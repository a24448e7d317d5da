"""A learner's layer that has no twin here: its gradients against numerical ones, and what these tell of a mistake."""

import inspect

import numpy as np

from minialex.check.cases import GRADIENTS, SEED, UPSTREAM_SEED, Case, upstream_mistakes
from minialex.check.learner import SECONDS, Fault, Learner
from minialex.check.report import Report
from minialex.check.run import Wrong, as_array, check_shapes, check_unchanged, check_values, collect
from minialex.gradcheck import LARGEST_SEARCH, numerical_gradient

TOLERANCE = 1e-6  # numerical gradients are right to about nine digits


def check_pair(forward, backward, arrays, *, seconds: float = SECONDS, **options) -> Report:
    """Check a layer of one's own against numerical gradients, and say which mistake was made.

    forward(*arrays, **options) gives (y, cache); backward(dy, cache) the gradients of the float arrays, in their order.
    arrays: float64 arrays (integer ones, such as labels, are held constant), or shapes, filled at random; each has
    4096 entries at most. Take unequal sizes, more than one image, and stay off kinks.
    Returns a report: `.ok`, and `str` of it says what is wrong. Raises ValueError for other arrays.
    """
    rng = np.random.default_rng(SEED)
    arrays = [array if isinstance(array, np.ndarray) else rng.standard_normal(array) for array in arrays]
    for array in arrays:
        if array.dtype.kind == "f" and (array.dtype != "float64" or array.size > LARGEST_SEARCH):
            raise ValueError(
                f"an array is {array.dtype} with {array.size} entries: "
                f"numerical gradients need float64, and {LARGEST_SEARCH} entries at most"
            )
    checker = _PairChecker(forward, backward, dict(zip(_names(forward, arrays), arrays, strict=True)), options, seconds)
    title = f"{getattr(forward, '__name__', 'forward')}, {getattr(backward, '__name__', 'backward')}"
    return collect(title, checker.stages(), {})


class _PairChecker:
    """The stages of one pair."""

    def __init__(self, forward, backward, arrays, options, seconds):
        self._forward, self._backward = forward, backward
        self._arrays, self._options = arrays, options
        self._learner = Learner({}, seconds=seconds)
        self._y = None

    def stages(self):
        yield "forward", self._runs
        yield "inputs kept", self._keeps
        yield GRADIENTS, self._gradients

    def _runs(self):
        self._y = self._outputs(self._copies())
        if self._y.dtype != "float64":
            raise Wrong(f"y is {self._y.dtype}: numerical gradients need float64, as the arrays are")
        if not np.isfinite(self._y).all():
            raise Wrong(f"y: {int((~np.isfinite(self._y)).sum())} of {self._y.size} entries are not finite")

    def _keeps(self):
        copies = self._copies()
        again = self._outputs(copies)
        changed = [n for n, copy in zip(self._arrays, copies, strict=True) if not np.array_equal(copy, self._arrays[n])]
        check_unchanged(changed)
        if not np.array_equal(again, self._y):
            raise Wrong("y: two calls with the same arguments differ: random numbers need to come in as arguments")

    def _gradients(self):
        dy = np.asarray(np.random.default_rng(UPSTREAM_SEED).standard_normal(self._y.shape))
        floats = [name for name, array in self._arrays.items() if array.dtype.kind == "f"]
        case = self._case(dy, floats)
        got = self._answers(dy.copy(), floats, case)
        check_shapes(case, got, {})
        check_values(case, got)

    def _answers(self, dy, floats, case):
        _, cache = self._call(self._copies())
        before = dy.copy()
        grads = self._learner.run(self._backward, dy, cache)
        grads = grads if isinstance(grads, tuple | list) else (grads,)
        check_unchanged([] if np.array_equal(dy, before) else ["dy"])
        if len(grads) != len(floats):
            raise Fault(f"backward returns {len(grads)} results, expected {', '.join('d' + name for name in floats)}")
        named = {f"d{name}": grad for name, grad in zip(floats, grads, strict=True)}
        return {name: as_array(name, grad, case.want[name]) for name, grad in named.items()}

    def _case(self, dy, floats) -> Case:
        """What is right, numerically; and what is known to go wrong with any gradient."""
        return Case(
            stage=GRADIENTS,
            about="",
            inputs={**self._arrays, **self._options, "dy": dy},
            call=self._call,
            want={f"d{name}": self._numerical(name, dy) for name in floats},
            known=lambda name: upstream_mistakes(
                name,
                dy,
                lambda part: {name: self._numerical(name[1:], part)},
                per_image=name[1:] == floats[0] and np.shape(self._arrays[floats[0]])[:1] == dy.shape[:1],
            ),
            sizes={"N": len(dy)} if dy.ndim else {},
            tolerance=TOLERANCE,
        )

    def _numerical(self, name, dy):
        """The gradient of <dy, y> for one array. One call with a time limit for the many of forward."""
        position = list(self._arrays).index(name)
        return numerical_gradient(lambda *arrays: self._call(arrays), list(self._arrays.values()), position, dy)

    def _outputs(self, arrays):
        y, _ = self._call(arrays)
        return as_array("y", y, np.empty(()))

    def _call(self, arrays):
        got = self._learner.run(self._forward, *arrays, **self._options)
        if not (isinstance(got, tuple | list) and len(got) == 2):
            raise Fault("forward needs to return two results: y, cache")
        return got

    def _copies(self):
        return [array.copy() for array in self._arrays.values()]


def _names(forward, arrays) -> list[str]:
    """The names of forward's first arguments; positions where it takes *args."""
    parameters = inspect.signature(forward).parameters.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [names[i] if i < len(names) else str(i) for i in range(len(arrays))]
