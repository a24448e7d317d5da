"""What a learner's functions are asked: cases, each with its inputs, what is right, and the mistakes known for it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from minialex.check.learner import Fault

FORWARD, RESULT, GRADIENTS, EDGES = "forward", "result", "gradients", "edge cases"
SEED = 2012
UPSTREAM_SEED = 1998  # another one: were dy like x, what confuses them would look right


def _nothing(name: str) -> tuple:
    return ()


@dataclass(frozen=True)
class Case:
    """One question to a learner's functions.

    call(learner, **inputs) gives {name: result}; `want` is what is right. known(name) yields the pairs of
    `mistakes.diagnose`, places(name) those of `compare.compare`; both for the result of that name.
    """

    stage: str
    about: str
    inputs: Mapping
    call: Callable
    want: Mapping
    known: Callable[[str], Iterable] = _nothing
    places: Callable[[str], Iterable] = _nothing
    sizes: Mapping = field(default_factory=dict)  # what a constant factor may be, by name
    groups: int = 1
    tolerance: float | None = None
    changes: tuple = ()  # inputs that the function is there to change

    @property
    def probe(self) -> str:
        """The inputs in words: shapes of arrays, values of the rest."""
        shown = [
            f"{name} {_shapes(value)}" if _is_large(value) else f"{name}={value}" for name, value in self.inputs.items()
        ]
        return f"{self.about}; " * bool(self.about) + ", ".join(shown)


@dataclass(frozen=True)
class Exercise:
    """An exercise: the functions asked for, three hints that give more and more away, and its cases."""

    name: str
    functions: tuple[str, ...]
    hints: tuple[str, str, str]
    cases: Callable[[], list[Case]]


@dataclass(frozen=True)
class Probe:
    """Arguments of a forward, in its order: arrays, then options."""

    about: str
    arrays: Mapping
    options: Mapping = field(default_factory=dict)
    edge: bool = False
    gradient: bool = True


@dataclass(frozen=True)
class Pair:
    """A layer's right forward and backward, and the mistakes known for each.

    forward_mistakes(*arrays, **options) yields (words, make) for y; backward_mistakes(dy, *arrays, **options) yields
    (name of the gradient, words, make).
    """

    name: str
    forward: Callable
    backward: Callable
    forward_mistakes: Callable
    backward_mistakes: Callable
    places: Callable = lambda name, *arrays, **options: ()
    output: str = "y"

    def cases(self, probes: Iterable[Probe]) -> list[Case]:
        """Forward, gradients, then the edge cases, in which float32 comes last."""
        probes = list(probes)
        main, edges = [p for p in probes if not p.edge], [p for p in probes if p.edge]
        return [
            *(self._forward_case(probe) for probe in main),
            *(self._gradient_case(probe, GRADIENTS) for probe in main if probe.gradient),
            *(self._edge_case(probe) for probe in [*edges, _in_float32(main[0])]),
        ]

    def _forward_case(self, probe) -> Case:
        arrays = probe.arrays.values()
        return Case(
            stage=FORWARD,
            about=probe.about,
            inputs={**probe.arrays, **probe.options},
            call=lambda learner, **inputs: {self.output: self._run_forward(learner, probe, inputs)[0]},
            want={self.output: np.asarray(self.forward(*arrays, **probe.options)[0])},
            known=lambda name: self.forward_mistakes(*arrays, **probe.options),
            places=lambda name: self.places(name, *arrays, **probe.options),
            sizes=_sizes(probe),
            groups=probe.options.get("groups", 1),
        )

    def _gradient_case(self, probe, stage) -> Case:
        arrays = tuple(probe.arrays.values())
        names = [f"d{name}" for name, array in probe.arrays.items() if array.dtype.kind == "f"]
        y, cache = self.forward(*arrays, **probe.options)
        upstream = np.random.default_rng(UPSTREAM_SEED).standard_normal(np.shape(y))
        dy = np.asarray(upstream, dtype=arrays[0].dtype)

        def gradients(dy):
            return dict(zip(names, _as_tuple(self.backward(dy, cache)), strict=True))

        def call(learner, **inputs):
            _, own_cache = self._run_forward(learner, probe, inputs)
            got = learner.call(f"{self.name}_backward", inputs[f"d{self.output}"], own_cache)
            got = got if isinstance(got, tuple | list) else (got,)
            if len(got) != len(names):
                raise Fault(f"{self.name}_backward returns {len(got)} results, expected {', '.join(names)}")
            return dict(zip(names, got, strict=True))

        def known(name):
            for which, words, make in self.backward_mistakes(dy, *arrays, **probe.options):
                if which == name:
                    yield words, make
            yield from upstream_mistakes(name, dy, gradients, per_image=name == names[0])

        return Case(
            stage=stage,
            about=probe.about,
            inputs={**probe.arrays, **probe.options, f"d{self.output}": dy},
            call=call,
            want=gradients(dy),
            known=known,
            places=lambda name: self.places(name, *arrays, **probe.options),
            sizes={**_sizes(probe), **_positions(dy)},
            groups=probe.options.get("groups", 1),
        )

    def _edge_case(self, probe) -> Case:
        """Forward and, where the probe wants it, gradients in one case."""
        forward = replace(self._forward_case(probe), stage=EDGES)
        if not probe.gradient:
            return forward
        backward = self._gradient_case(probe, EDGES)

        def call(learner, **inputs):
            dy = inputs.pop(f"d{self.output}")
            y = forward.call(learner, **inputs)
            return {**y, **backward.call(learner, **inputs, **{f"d{self.output}": dy})}

        return replace(
            backward,
            call=call,
            want={**forward.want, **backward.want},
            known=lambda name: (forward if name == self.output else backward).known(name),
        )

    def _run_forward(self, learner, probe, inputs):
        arrays = [inputs[name] for name in probe.arrays]
        options = {name: inputs[name] for name in probe.options}
        got = learner.call(f"{self.name}_forward", *arrays, **options)
        if not (isinstance(got, tuple | list) and len(got) == 2):
            what = f"{len(got)} results" if isinstance(got, tuple | list) else f"one {type(got).__name__}"
            raise Fault(f"{self.name}_forward returns {what}, expected two: {self.output}, cache")
        return got


def upstream_mistakes(name, dy, gradients, *, per_image):
    """Mistakes in how a gradient depends on dy: parts of dy left out, or all of it; for any linear gradients(dy).

    per_image: the gradient has an entry for each image, as that of x, and is no sum over them.
    """

    def from_part(*index):
        part = np.zeros_like(dy)
        part[index] = dy[index]
        return gradients(part)[name]

    if dy.ndim:
        for index, which in ((-1, "LAST"), (0, "FIRST")):
            said = f"sum over the batch missing: gradient of the {which} image only"
            if per_image:
                said = f"only the {which} image has its gradient, the others have none"
            yield said, lambda index=index: from_part(index)
    if dy.ndim == 4:
        for index, which in ((-1, "LAST"), (0, "FIRST")):
            yield (
                f"sum over the positions missing: gradient of the {which} position only",
                lambda index=index: from_part(slice(None), index, index),
            )
            yield (
                f"sums over the batch and the positions missing: gradient of the {which} image's {which} position only",
                lambda index=index: from_part(index, index, index),
            )
    yield (
        "dy is not used: this is the gradient for an upstream gradient of ones",
        lambda: gradients(np.ones_like(dy))[name],
    )


def function_case(function: str, about: str, inputs: Mapping, want, *, edge=False, output="result", **rest) -> Case:
    """A case of a function that returns one array: called with the inputs by position, in their order."""

    def call(learner, **given):
        return {output: learner.call(function, *given.values())}

    stage = EDGES if edge else RESULT
    return Case(stage=stage, about=about, inputs=inputs, call=call, want={output: np.asarray(want)}, **rest)


def _in_float32(probe) -> Probe:
    def narrow(value):
        return value.astype("float32") if isinstance(value, np.ndarray) and value.dtype == "float64" else value

    arrays = {name: narrow(value) for name, value in probe.arrays.items()}
    options = {name: narrow(value) for name, value in probe.options.items()}
    return Probe("float32", arrays, options, edge=True)


def _sizes(probe) -> dict:
    return {"N": len(next(iter(probe.arrays.values())))}


def _positions(dy) -> dict:
    if dy.ndim != 4:
        return {}
    return {"the number of positions": dy[0, ..., 0].size, "the number of images times positions": dy[..., 0].size}


def _as_tuple(grads):
    return grads if isinstance(grads, tuple) else (grads,)


def _is_large(value) -> bool:
    """Whether only the shapes of it are worth showing."""
    if isinstance(value, Mapping | list):
        return any(_is_large(item) for item in (value.values() if isinstance(value, Mapping) else value))
    return isinstance(value, np.ndarray)


def _shapes(value) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} {_shapes(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shapes, value)) + "]"
    return str(value.shape).replace(" ", "")
