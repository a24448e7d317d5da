"""The stages of a check, in their order, up to the first that fails."""

from collections.abc import Iterable, Mapping
from copy import deepcopy

import numpy as np

from minialex.check.cases import Case, Exercise
from minialex.check.compare import compare, fits, tolerance_of
from minialex.check.learner import Fault, Learner, NotBegun
from minialex.check.mistakes import diagnose
from minialex.check.report import Report, Stage


class Wrong(Exception):
    """A stage that failed; the arguments are its lines."""


def run(exercise: Exercise, learner: Learner, title: str) -> Report:
    """Check a learner's functions: imports, shape and dtype, values, inputs kept, gradients, edge cases."""
    checker = _Checker(exercise, learner)
    return collect(title, checker.stages(), checker.notes)


def collect(title: str, stages: Iterable, notes: Mapping) -> Report:
    """The report of (name, function) stages, up to the first whose function raises Wrong, Fault or NotBegun.

    notes: its keys, once the stages have run.
    """
    passed = []
    for name, stage in stages:
        try:
            stage()
        except NotBegun as error:
            if len(passed) <= 1:  # imports
                return Report(title, (), not_begun=str(error))
            lines = (f"{error}: not begun, its TODO still stands",)
        except (Fault, Wrong) as error:
            lines = error.args
        else:
            passed.append(Stage(name, True))
            continue
        return Report(title, (*passed, Stage(name, False, lines)), tuple(notes))
    return Report(title, tuple(passed), tuple(notes))


class _Checker:
    """One learner's answers to one exercise's cases."""

    def __init__(self, exercise, learner):
        self._exercise, self._learner = exercise, learner
        self._cases = exercise.cases()
        self.notes = {}  # its keys, in their order
        self._answers = {}  # of the first stage's cases

    def stages(self):
        """(name, function) of each stage; a function raises Wrong, Fault or NotBegun."""
        names = list(dict.fromkeys(case.stage for case in self._cases))
        first = [case for case in self._cases if case.stage == names[0]]
        yield "imports", self._imports
        yield "shape and dtype", lambda: self._shape(first[0])
        yield names[0], lambda: self._values(first)
        yield "inputs kept", lambda: self._kept(first)
        for name in names[1:]:
            yield name, lambda name=name: self._all_of([case for case in self._cases if case.stage == name])

    def _imports(self):
        missing = [name for name in self._exercise.functions if not self._learner.has(name)]
        if missing:
            raise Wrong(f"there is no {', '.join(missing)}")

    def _shape(self, case):
        """Of the simplest case alone: a wrong shape of a later one may come from a fault in one before it."""
        self._answers[0] = got, _ = self._ask(case)
        check_shapes(case, got, self.notes)

    def _values(self, cases):
        for i, case in enumerate(cases):
            self._answers[i] = got, _ = self._answers.get(i) or self._ask(case)
            check_shapes(case, got, self.notes)
            check_values(case, got)

    def _kept(self, cases):
        for i, case in enumerate(cases):
            got, changed = self._answers[i]
            check_unchanged(changed)
            again, _ = self._ask(case)
            for name, value in got.items():
                if not np.array_equal(np.asarray(value), np.asarray(again[name]), equal_nan=True):
                    raise Wrong(f"{name}: two calls with the same arguments differ", f"probe: {case.probe}")

    def _all_of(self, cases):
        for case in cases:
            got, changed = self._ask(case)
            check_unchanged(changed)
            check_shapes(case, got, self.notes)
            check_values(case, got)

    def _ask(self, case: Case):
        """The learner's answer as arrays, and the names of the inputs that were changed on the way."""
        inputs = {name: deepcopy(value) for name, value in case.inputs.items()}
        try:
            got = case.call(self._learner, **inputs)
        except Fault as error:
            raise Fault(*error.args, f"probe: {case.probe}") from None
        except (TypeError, ValueError, AttributeError) as error:  # what the code raises itself is a Fault
            raise Fault(f"the result is not of the kind that is asked for: {error}") from None
        changed = [
            name
            for name, value in inputs.items()
            if name not in case.changes and not _equal(_leaves(value), _leaves(case.inputs[name]))
        ]
        return {name: as_array(name, value, case.want[name]) for name, value in got.items()}, changed


def check_shapes(case, got, notes):
    """Raise Wrong for an answer of another shape or type than the case wants; note what is of another precision."""
    lines = []
    for name, want in case.want.items():
        value = got[name]
        if want.ndim and want.dtype.kind == "f" and value.dtype.kind != "f":
            lines.append(f"{name}: type {value.dtype}, expected {want.dtype}")
        elif value.shape != want.shape:
            said = _diagnosis(case, name, value)
            lines.append(f"{name}: shape {_shape(value)}, expected {_shape(want)}" + (f" -> {said}" if said else ""))
        elif want.dtype.kind == "f" and value.ndim and value.dtype != want.dtype:
            wider = value.dtype.itemsize > want.dtype.itemsize
            cost = "twice the memory in training" if wider else "compared to fewer digits"
            notes[f"{name} is {value.dtype} where the inputs are {want.dtype}: {cost}"] = None
    if lines:
        raise Wrong(*lines, f"probe: {case.probe}")


def check_values(case, got):
    """Raise Wrong for values that differ from what the case wants, with the mistake that explains it."""
    lines = []
    for name, want in case.want.items():
        tolerance = max(tolerance_of(got[name]), tolerance_of(want)) if case.tolerance is None else case.tolerance
        found = compare(name, got[name], want, places=case.places(name), groups=case.groups, tolerance=tolerance)
        if found:
            said = _diagnosis(case, name, got[name], tolerance)
            lines.append(f"{name}: FAIL {found.error:.1e} -> {said or 'no known mistake fits'}")
            lines.append(f"  {found.where}; {found.worst}")
    if lines:
        raise Wrong(*lines, f"probe: {case.probe}")


def _diagnosis(case, name, got, tolerance=None):
    for other, want in case.want.items():
        if other != name and np.unique(want).size > 1 and fits(got, want, tolerance_of(got)):
            return f"this is {other}: the results come in the order {', '.join(case.want)}"
    gradient = name.startswith("d") and len(name) > 1
    return diagnose(got, case.want[name], case.known(name), sizes=case.sizes, gradient=gradient, tolerance=tolerance)


def check_unchanged(changed):
    """Raise Wrong for inputs that were changed."""
    if changed:
        raise Wrong(f"{', '.join(changed)}: changed in place: work on a copy, or make a new array")


def as_array(name, value, want):
    """A learner's result as an array of numbers. Raises Wrong for what is none."""
    if not isinstance(value, np.ndarray | np.generic | float | int):
        kind = "None" if value is None else f"a {type(value).__name__}"
        raise Wrong(f"{name} is {kind}, expected an array of shape {_shape(want)}")
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise Wrong(f"{name}: type {array.dtype}, expected {want.dtype}")
    return array


def _leaves(value) -> list:
    """The arrays in a value, copied or not: itself, or those of a dict or a list."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, Mapping):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in _leaves(item)]
    return []


def _equal(arrays, others) -> bool:
    return len(arrays) == len(others) and all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(arrays, others, strict=True)
    )


def _shape(array) -> str:
    return str(array.shape).replace(" ", "")
