"""The stages, in their order, up to the first that fails; and what is wrong without a name is located all the same."""

import numpy as np
import pytest

from minialex import ops
from minialex.check import NAMES, check_exercise
from tests.check.planted import SOLUTIONS, Planted


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dy, cache):
    return dy * (cache > 0)


def relu(forward=relu_forward, backward=relu_backward):
    return check_exercise("relu", {"relu_forward": forward, "relu_backward": backward})


def stages(report):
    return [(stage.name, stage.ok) for stage in report.stages]


def test_what_is_right_passes_every_stage():
    report = relu()
    names = ["imports", "shape and dtype", "forward", "inputs kept", "gradients", "edge cases"]
    assert stages(report) == [(name, True) for name in names]
    assert report.ok and report.state == "right" and str(report).endswith("all is right")


def test_a_function_that_is_missing():
    report = check_exercise("relu", {"relu_forward": relu_forward})
    assert stages(report) == [("imports", False)]
    assert "there is no relu_backward" in str(report)


def not_begun(*args):
    raise NotImplementedError


def test_neither_begun():
    report = relu(not_begun, not_begun)
    assert report.state == "not begun" and str(report).startswith("relu: not begun (test_run.py:")


def test_a_forward_can_be_right_before_the_backward_is_begun():
    report = relu(backward=not_begun)
    assert stages(report)[-2:] == [("inputs kept", True), ("gradients", False)]
    assert "not begun, its TODO still stands" in report.state


@pytest.mark.parametrize(
    "forward, stage, says",
    [
        (lambda x: np.maximum(x, 0), "shape and dtype", "relu_forward returns one ndarray, expected two: y, cache"),
        (lambda x: None, "shape and dtype", "relu_forward returns one NoneType, expected two: y, cache"),
        (lambda x: (None, x), "shape and dtype", "y is None, expected an array of shape (3,4,2,5)"),
        (lambda x: ([1.0], x), "shape and dtype", "y is a list, expected an array of shape (3,4,2,5)"),
        (lambda x: (np.maximum(x, 0).astype(int), x), "shape and dtype", "y: type int64, expected float64"),
        (lambda x: (np.maximum(x, 0).astype(str), x), "shape and dtype", "y: type <U32, expected float64"),
        (lambda x: (np.maximum(x, 0)[0], x), "shape and dtype", "y: shape (4,2,5), expected (3,4,2,5)"),
        (lambda x: (np.maximum(x, 0).T, x), "shape and dtype", "expected (3,4,2,5) -> transposed"),
        (lambda x: (x.clip(0) + 0.5, x), "forward", "y: FAIL 5.5e-02 -> every entry is 0.5 too large"),
        (lambda x: (x.clip(0) * np.random.default_rng().choice([1, 1 + 1e-12], x.shape), x), "inputs kept", "differ"),
        (lambda x: (np.maximum(x, 0, out=x), x), "inputs kept", "x: changed in place: work on a copy"),
        (lambda x, alpha: (x, x), "shape and dtype", "TypeError"),
    ],
)  # fmt: skip
def test_a_forward_that_is_wrong(forward, stage, says):
    report = relu(forward)
    assert stages(report)[-1] == (stage, False)
    assert says in str(report)


@pytest.mark.parametrize(
    "backward, stage, says",
    [
        (lambda dy, x: (dy, x), "gradients", "relu_backward returns 2 results, expected dx"),
        (lambda dy, x: None, "gradients", "dx is None, expected an array of shape (3,4,2,5)"),
        (lambda dy, x: np.multiply(dy, x > 0, out=dy), "gradients", "dy: changed in place"),
        (lambda dy, x: (dy * (x > 0))[:1], "gradients", "dx: shape (1,4,2,5), expected (3,4,2,5)"),
        (lambda dy, x: [dy * (x > 0)], "edge cases", ""),
        (lambda dy, x: dy * (x >= 0), "edge cases", "only where x is 0"),
    ],
)
def test_a_backward_that_is_wrong(backward, stage, says):
    report = relu(backward=backward)
    assert stages(report)[-1] == (stage, not says)
    assert says in str(report)


def replaced(name, function, wrap):
    """The package's own functions, one of them changed."""
    names = {key: getattr(ops, key) for key in ops.__all__}
    return check_exercise(name, {**names, function: wrap(names[function])})


def spoil(place, by=0.5):
    """A wrong gradient that has no name: one place of the first result is off by another number for each entry."""

    def wrap(backward):
        def wrong(dy, cache):
            grads = backward(dy, cache)
            first = (grads if isinstance(grads, tuple) else (grads,))[0].copy()
            first[place] += by * np.cos(np.arange(first[place].size)).reshape(first[place].shape)
            return (first, *grads[1:]) if isinstance(grads, tuple) else first

        return wrong

    return wrap


@pytest.mark.parametrize(
    "name, place, says",
    [
        ("conv", np.s_[-1], "only the last image"),
        ("conv", np.s_[:, 0], "only the first row"),
        ("lrn", np.s_[..., [0, 9]], "only at the ends of the channel axis"),
        ("lrn", np.s_[..., 3:4], "only channel 3"),
        ("max_pool", np.s_[:, 2:4, 5], "only rows 2, 3, column 5"),
        ("linear", np.s_[:, 1], "only column 1"),
        ("batchnorm", np.s_[...], "everywhere"),
        ("mapnorm", np.s_[:, 0], "only at the border of the maps, where squares are cut"),
    ],
)
def test_a_mistake_without_a_name_is_located(name, place, says):
    report = replaced(name, f"{name}_backward", spoil(place))
    assert stages(report)[-1] == ("gradients", False)
    assert "dx: FAIL" in str(report) and "no known mistake fits" in str(report)
    assert says in str(report) and "worst at [" in str(report)


def test_a_mistake_in_one_group_is_located_there():
    def wrap(forward):
        def wrong(x, **options):
            y, cache = forward(x, **options)
            if options.get("groups") == 2:
                y = y.copy()
                y[..., 5:] += np.cos(np.arange(y[..., 5:].size)).reshape(y[..., 5:].shape)
            return y, cache

        return wrong

    assert "only the channels of group 2 of 2 (120 of 240 entries)" in str(replaced("lrn", "lrn_forward", wrap))


def test_a_mistake_at_ties_is_located_there():
    """The first maximum takes 0.3 of the gradient and the last 0.7: nobody's mistake."""
    first, last = "(flat.cumsum(axis=1) == 1)", "(flat[:, ::-1].cumsum(axis=1)[:, ::-1] == 1)"
    wrong = f"(flat & {first}) * 0.3 + (flat & {last}) * 0.7"
    planted = Planted("max_pool", "max_pool_masks", f"(flat & {first})", f"({wrong})", "")
    exec(compile(planted.source(), "ties.py", "exec"), names := {"__name__": "ties"})
    report = check_exercise("max_pool", names)
    assert "no known mistake fits" in str(report) and "only at ties" in str(report)


def test_all_wrong_gradients_of_a_case_are_told_at_once():
    def wrap(backward):
        return lambda dy, cache: tuple(-grad for grad in backward(dy, cache))

    text = str(replaced("linear", "linear_backward", wrap))
    assert all(f"{name}: FAIL 2.0e+00 -> every entry is x-1: the sign is wrong" in text for name in ("dx", "dW", "db"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("result", [None, 5, "text", [], (None, None), {}, np.ones((1, 1)), (np.zeros(3), np.zeros(3))])
def test_whatever_functions_return_is_told_in_a_report(name, result):
    namespace = {"Plateau": lambda **options: result}
    source = (SOLUTIONS / f"{name}.py").read_text(encoding="utf-8")
    exec(compile(source, "right.py", "exec"), right := {"__name__": "right"})
    namespace |= {key: (lambda *args, **kwargs: result) for key, value in right.items() if callable(value)}
    report = check_exercise(name, namespace)
    assert not report.ok and not report.not_begun
    assert all(line for line in report.stages[-1].lines)


def test_another_exercise_is_an_error():
    with pytest.raises(ValueError, match="there is no exercise 'lenet': choose count, "):
        check_exercise("lenet", ops)
