"""gradcheck passes what is right and says of every kind of mistake which one it is."""

from dataclasses import dataclass

import numpy as np
import pytest

from minialex import gradcheck


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def scaled_tanh_forward(x, gain, *, power=1):
    y = np.tanh(x) ** power * gain  # (N, C)
    return y, (x, gain, power)


def scaled_tanh_backward(dy, cache):
    x, gain, power = cache
    dx = dy * gain * power * np.tanh(x) ** (power - 1) * (1 - np.tanh(x) ** 2)
    return dx, (dy * np.tanh(x) ** power).sum(axis=0)


def arrays(rng, scale=1.0):
    return scale * rng.standard_normal((4, 3)), rng.standard_normal(3)


def wrong(backward, change):
    """backward with its gradients passed through `change`."""
    return lambda dy, cache: change(*backward(dy, cache))


def test_a_right_pair_agrees_far_below_the_limit(rng):
    errors = gradcheck.check_pair(scaled_tanh_forward, scaled_tanh_backward, arrays(rng), rng=rng)
    assert list(errors) == ["x", "gain"]
    assert max(errors.values()) < 1e-9


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
def test_the_step_follows_the_scale_of_the_array(rng, scale):
    cube = lambda x: ((x / scale) ** 3, x)  # noqa: E731
    backward = lambda dy, x: 3 * dy * x**2 / scale**3  # noqa: E731
    errors = gradcheck.check_pair(cube, backward, [scale * rng.standard_normal(9)], rng=rng)
    assert errors["x"] < 1e-9


def test_keywords_reach_forward(rng):
    gradcheck.assert_pair(scaled_tanh_forward, scaled_tanh_backward, arrays(rng), rng=rng, power=3)


def test_a_scalar_loss_and_constant_integer_labels(rng):
    def pick_forward(logits, t):
        return (logits[np.arange(len(t)), t] ** 2).mean(), (logits, t)

    def pick_backward(dloss, cache):
        logits, t = cache
        dlogits = np.zeros_like(logits)
        dlogits[np.arange(len(t)), t] = dloss * 2 * logits[np.arange(len(t)), t] / len(t)
        return dlogits

    logits, t = rng.standard_normal((3, 5)), np.array([4, 0, 4])
    errors = gradcheck.check_pair(pick_forward, pick_backward, (logits, t), rng=rng)
    assert list(errors) == ["logits"] and errors["logits"] < 1e-9


def test_arguments_without_a_name_go_by_position(rng):
    add = lambda *terms: (sum(terms), None)  # noqa: E731
    errors = gradcheck.check_pair(add, lambda dy, _: (dy, dy), (np.ones(3), np.ones(3)), rng=rng)
    assert list(errors) == [0, 1]


def test_a_gradient_that_is_zero_everywhere_is_right_when_it_is_zero(rng):
    five = lambda x: (x - x.mean() + 5 - (x - x.mean()), None)  # noqa: E731  5, but for rounding
    x = rng.standard_normal(50)
    assert gradcheck.check_pair(five, lambda dy, _: 0 * dy, [x], rng=rng)["x"] < 1e-7
    assert gradcheck.check_pair(five, lambda dy, _: 1e-3 * dy, [x], rng=rng)["x"] > 1e-5


@pytest.mark.parametrize("factor", [1 + 1e-5, -1.0, 0.0, 2.0])
def test_a_wrong_factor_is_seen_and_named(rng, factor):
    backward = wrong(scaled_tanh_backward, lambda dx, dgain: (dx, factor * dgain))
    errors = gradcheck.check_pair(scaled_tanh_forward, backward, arrays(rng), rng=rng)
    assert errors["x"] < 1e-9 and errors["gain"] > 1e-7
    with pytest.raises(AssertionError, match="gradient of gain: relative error .* backward gives .* finite"):
        gradcheck.assert_pair(scaled_tanh_forward, backward, arrays(rng), rng=rng)


def test_one_wrong_entry_is_located(rng):
    def spoil(dx, dgain):
        dx[2, 1] += 0.01
        return dx, dgain

    with pytest.raises(AssertionError, match=r"gradient of x: .* furthest off at \[2, 1\]"):
        gradcheck.assert_pair(scaled_tanh_forward, wrong(scaled_tanh_backward, spoil), arrays(rng), rng=rng)


def test_a_gradient_that_is_not_a_number_is_an_error(rng):
    backward = wrong(scaled_tanh_backward, lambda dx, dgain: (dx * np.nan, dgain))
    with pytest.raises(AssertionError, match="gradient of x: not finite"):
        gradcheck.assert_pair(scaled_tanh_forward, backward, arrays(rng), rng=rng)
    with pytest.raises(AssertionError, match="forward gives values that are not finite"):
        gradcheck.check_pair(lambda x: (x * np.nan, x), lambda dy, x: dy, [np.ones(3)], rng=rng)


def test_finite_differences_that_are_not_a_number_are_an_error(rng):
    root = lambda x: (np.sqrt(x) if (x == 1).all() else x * np.nan, x)  # noqa: E731
    with pytest.raises(AssertionError, match="gradient of x: relative error nan"):
        gradcheck.assert_pair(root, lambda dy, x: dy / 2, [np.ones(3)], rng=rng)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda dx, dgain: (dx[:2], dgain), r"gradient of x: shape \(2, 3\), not \(4, 3\)"),
        (lambda dx, dgain: dx, "1 gradients for 2 arrays"),
        (lambda dx, dgain: (dgain, dx), "gradient of x: shape"),
    ],
)
def test_gradients_of_the_wrong_shape_or_number(rng, change, message):
    with pytest.raises(AssertionError, match=message):
        gradcheck.check_pair(scaled_tanh_forward, wrong(scaled_tanh_backward, change), arrays(rng), rng=rng)


def test_impure_functions_are_errors(rng):
    def check(forward, backward, message):
        with pytest.raises(AssertionError, match=message):
            gradcheck.check_pair(forward, backward, [rng.standard_normal(6)], rng=rng)

    def in_place(x):
        x *= 2
        return x.copy(), None

    def changes_dy(dy, cache):
        dy *= 2
        return dy.copy()

    def changes_cache(dy, cache):
        cache *= 2
        return dy * cache

    check(lambda x: (x * rng.standard_normal(6), None), lambda dy, _: dy, "forward gives another y")
    check(in_place, lambda dy, _: dy, "forward changes x")
    check(lambda x: (np.sin(x), x), changes_dy, "another one in backward's second call|backward changes dy")
    check(lambda x: (x * x, x.copy()), changes_cache, "gradient of x: another one in backward's second call")


def test_only_float64_is_checked(rng):
    with pytest.raises(ValueError, match="x is float32"):
        gradcheck.check_pair(lambda x: (x, None), lambda dy, _: dy, [np.ones(3, "float32")], rng=rng)


@dataclass(frozen=True)
class Gain:
    """y = x gain + offset on the last axis, halved in testing; a mistake can be asked for."""

    name: str
    mistake: str = ""

    def init(self, input_shape, rng):
        C = input_shape[-1]
        return {f"{self.name}.gain": np.ones(C), f"{self.name}.offset": np.zeros(C)}

    def forward(self, params, x, *, state, train, rng, ops):
        gain = params[f"{self.name}.gain"] * (1.0 if train else 0.5)
        return x * gain + params[f"{self.name}.offset"], (x, gain, train)

    def backward(self, dy, cache, *, ops, need_dx=True):
        x, gain, train = cache
        axes = tuple(range(dy.ndim - 1))
        grads = {f"{self.name}.gain": (dy * x).sum(axes) * (1.0 if train else 0.5), f"{self.name}.offset": dy.sum(axes)}
        if self.mistake == "missing":
            del grads[f"{self.name}.offset"]
        return dy if self.mistake == "no gain" else dy * gain, grads


@pytest.mark.parametrize("train", [True, False])
def test_a_record_is_checked_by_the_names_of_its_parameters(rng, train):
    errors = gradcheck.check_layer(Gain("g"), (3, 2, 4), rng=rng, train=train)
    assert list(errors) == ["x", "g.gain", "g.offset"]
    assert max(errors.values()) < 1e-9
    gradcheck.assert_layer(Gain("g"), (4,), rng=rng, batch=1, train=train)


def test_a_factor_that_begins_as_one_is_missed_all_the_same(rng):
    assert gradcheck.check_layer(Gain("g", "no gain"), (5,), rng=rng)["x"] > 1e-3
    with pytest.raises(AssertionError, match="gradient of x"):
        gradcheck.assert_layer(Gain("g", "no gain"), (5,), rng=rng)


def test_a_record_without_a_gradient_for_a_parameter(rng):
    with pytest.raises(AssertionError, match="g.offset"):
        gradcheck.check_layer(Gain("g", "missing"), (5,), rng=rng)


@dataclass(frozen=True)
class Noisy:
    """Dropout's kind of layer: it draws from the generator that it is given, and keeps a running state."""

    def init(self, input_shape, rng):
        return {}

    def init_state(self, input_shape):
        return {"noisy.mean": np.full(input_shape, 0.5)}

    def forward(self, params, x, *, state, train, rng, ops):
        mask = rng.random(x.shape) < 0.5
        return (x - state["noisy.mean"]) * mask, mask

    def backward(self, dy, cache, *, ops, need_dx=True):
        return dy * cache, {}


def test_a_record_that_draws_sees_the_same_draws_and_its_state(rng):
    assert gradcheck.check_layer(Noisy(), (6,), rng=rng)["x"] < 1e-9
