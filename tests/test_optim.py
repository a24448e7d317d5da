"""The update rule of section 5 by hand, and the schedules."""

import tracemalloc
from math import inf

import numpy as np
import pytest

from minialex import optim
from minialex.optim import BLOCK, Plateau, Rates, Steps
from tests.strict_cupy import StandIn


def one(value, axes=2):
    return {"w": np.full((1,) * axes, value)}


def test_two_steps_by_hand_with_a_drop_of_the_rate_between():
    w, v = one(1.0), one(0.0)
    optim.update(w, v, one(2.0), Rates(0.1, 99.0, momentum=0.9, decay=0.5, bias_decay=99.0))
    assert v["w"].item() == pytest.approx(-0.25, rel=1e-14) and w["w"].item() == pytest.approx(0.75, rel=1e-14)
    optim.update(w, v, one(-1.0), Rates(0.01, 99.0, momentum=0.9, decay=0.5, bias_decay=99.0))
    # 0.9 * -0.25 - 0.01 * (0.5 * 0.75 - 1). With the rate outside, w would now be 0.73375.
    assert v["w"].item() == pytest.approx(-0.21875, rel=1e-14)
    assert w["w"].item() == pytest.approx(0.53125, rel=1e-14)


@pytest.mark.parametrize("axes, expected", [(1, 1 - 0.01 * (0.25 + 2)), (0, 0.75), (2, 0.75), (4, 0.75)])
def test_one_axis_makes_a_bias_with_its_own_rate_and_decay(axes, expected):
    w = one(1.0, axes)
    optim.update(w, one(0.0, axes), one(2.0, axes), Rates(0.1, 0.01, decay=0.5, bias_decay=0.25))
    assert w["w"].item() == pytest.approx(expected, rel=1e-14)


def test_momentum_and_decay_of_section_5():
    assert Rates(0.01, 0.02) == Rates(0.01, 0.02, momentum=0.9, decay=0.0005, bias_decay=0.0005)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_scaled_loss_is_divided_out_to_the_bit(dtype):
    """And small gradients of float16 are not lost by that: the smallest of these is 2^-14 / 2^20."""
    results, rng = [], np.random.default_rng(0)
    weights, gradients = rng.standard_normal((7, 5)), np.exp2(rng.integers(-14, 0, (7, 5)))
    scaled, scale = gradients.astype(dtype), 2.0**20
    for g, loss_scale in (scaled, scale), (np.float32(gradients / scale), 1.0):
        w, v = {"a.W": weights.astype("float32")}, {"a.W": np.ones((7, 5), "float32")}
        optim.update(w, v, {"a.W": g}, Rates(0.1, 99.0, decay=0.3, loss_scale=loss_scale))
        results.append((w["a.W"].dtype, w["a.W"].tobytes(), v["a.W"].tobytes()))
    assert results[0] == results[1]


@pytest.mark.parametrize("own, expected", [({}, 0.1), ({"a": 0.4}, 0.4), ({"a": None}, None)])
def test_every_rate_is_divided_by_the_loss_scale(own, expected):
    rates = Rates(0.1, 0.2, decay=0.5, layers=own, loss_scale=4.0)
    assert rates.of("a.W", np.zeros((1, 1))) == (expected and expected / 4, 2.0)


def two_layers(value):
    return {name: np.full((2,) * axes, value) for name, axes in [("a.W", 2), ("a.b", 1), ("b.W", 2), ("b.b", 1)]}


def test_a_layer_may_have_a_rate_of_its_own():
    w = two_layers(1.0)
    optim.update(w, two_layers(0.0), two_layers(2.0), Rates(0.1, 0.2, decay=0.5, bias_decay=0.25, layers={"a": 0.01}))
    expected = {"a.W": 1 - 0.01 * 2.5, "a.b": 1 - 0.01 * 2.25, "b.W": 1 - 0.1 * 2.5, "b.b": 1 - 0.2 * 2.25}
    assert {name: value.flat[0] for name, value in w.items()} == pytest.approx(expected, rel=1e-14)


def test_a_frozen_layer_is_not_updated_at_all():
    """Neither by its momentum nor by decay; and its momentum waits."""
    w, v = two_layers(1.0), two_layers(3.0)
    optim.update(w, v, two_layers(2.0), Rates(0.1, 0.1, decay=0.5, layers={"a": None}))
    for name in ("a.W", "a.b"):
        assert (w[name] == 1).all() and (v[name] == 3).all()
    assert (w["b.W"] != 1).all() and (w["b.b"] != 1).all() and (v["b.W"] != 3).all()


def test_a_rate_belongs_to_the_layer_of_that_very_name():
    rates = Rates(0.1, 0.2, layers={"conv1": None, "fc": 0.0})
    W, b = np.ones((1, 1)), np.ones(1)
    assert rates.of("conv1.W", W) == rates.of("conv1.b", b) == (None, 0.0005)
    assert rates.of("conv10.W", W)[0] == rates.of("conv.W", W)[0] == 0.1 and rates.of("conv11.b", b)[0] == 0.2
    assert rates.of("fc.W", W)[0] == 0.0, "a rate of 0 is no frozen layer: its momentum goes on"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, 2 * BLOCK + 3])
def test_blocks_change_nothing(size, dtype):
    rng = np.random.default_rng(0)
    w, v, g = (rng.standard_normal((size, 1)).astype(dtype) for _ in range(3))
    params, velocity, grads = {"w": w.copy()}, {"w": v.copy()}, {"w": g.copy()}
    kept = params["w"], velocity["w"]
    optim.update(params, velocity, grads, Rates(0.1, 9.0, momentum=0.7, decay=0.3))
    v *= 0.7
    v -= 0.1 * (0.3 * w + g)
    np.testing.assert_array_equal(velocity["w"], v)
    np.testing.assert_array_equal(params["w"], w + v)
    np.testing.assert_array_equal(grads["w"], g)
    assert params["w"] is kept[0] and velocity["w"] is kept[1] and kept[0].dtype == dtype, "not in place"


def test_velocities_begin_at_zero():
    params = {"a.W": np.ones((2, 3), "float32"), "a.b": np.ones(3)}
    velocity = optim.init_velocity(params)
    assert list(velocity) == list(params)
    for name, value in velocity.items():
        assert value.shape == params[name].shape and value.dtype == params[name].dtype and not value.any()


def transposed():
    return np.arange(6.0).reshape(2, 3).T


def test_a_gradient_may_lie_in_any_order():
    w, v = {"w": np.zeros((3, 2))}, {"w": np.zeros((3, 2))}
    optim.update(w, v, {"w": transposed()}, Rates(1.0, 1.0))
    np.testing.assert_array_equal(w["w"], -transposed())


@pytest.mark.parametrize("w, v", [(transposed(), np.zeros((3, 2))), (np.zeros((3, 2)), transposed())])
def test_an_update_that_would_be_lost_is_refused(w, v):
    with pytest.raises(ValueError, match="fc.W: it and its velocity need to be C-contiguous"):
        optim.update({"fc.W": w}, {"fc.W": v}, {"fc.W": np.ones((3, 2))}, Rates(1.0, 1.0))


@pytest.mark.parametrize("v, g", [((2,), ()), ((2,), (1,)), ((2,), (2, 1)), ((1,), (2,))])
def test_another_shape_is_refused(v, g):
    with pytest.raises(ValueError, match=r"p.slope has shape \(2,\): it needs a velocity and a gradient so"):
        optim.update({"p.slope": np.ones(2)}, {"p.slope": np.ones(v)}, {"p.slope": np.ones(g)}, Rates(1.0, 1.0))


def test_where_memory_runs_out_nothing_has_been_updated(monkeypatch):
    def full(array):
        raise MemoryError

    w, v = two_layers(1.0), two_layers(3.0)
    monkeypatch.setattr(np, "empty_like", full)
    with pytest.raises(MemoryError):
        optim.update(w, v, two_layers(2.0), Rates(0.1, 0.1))
    assert all((w[name] == 1).all() and (v[name] == 3).all() for name in w)


def test_what_an_update_takes_is_as_large_as_the_largest_parameter():
    xp = StandIn()
    w, v, g = ({"a.W": xp.ones((100, 99)), "b.W": xp.ones((50, 50))} for _ in range(3))
    tracemalloc.start()
    optim.update(w, v, g, Rates(0.1, 0.1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 9900 * 8 <= peak < 9900 * 8 + 10_000


def test_nothing_to_update_is_no_error():
    optim.update({}, {}, {}, Rates(0.1, 0.1))
    optim.update(one(1.0), one(0.0), one(1.0), Rates(0.1, 0.1, layers={"": None}))


# Schedules


def test_steps():
    schedule = Steps((2, 4), factor=10)
    assert [schedule.scale(epoch, []) for epoch in range(6)] == [1, 1, 0.1, 0.1, 0.01, 0.01]
    assert Steps((1,), factor=4).scale(1, [0.9, 0.1]) == 0.25
    assert Steps(()).scale(50, []) == 1


def scales(schedule, errors):
    return [schedule.scale(epoch, errors[:epoch]) for epoch in range(len(errors) + 1)]


def test_plateau_drops_when_nothing_new_came():
    errors = [0.9, 0.8, 0.8, 0.85, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.76]
    # After two epochs that were no better (equal is no better); a drop starts the count anew, and three are all.
    expected = [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.001]
    assert scales(Plateau(patience=2, factor=10, drops=3), errors) == pytest.approx(expected)


def test_plateau_keeps_its_best_over_a_drop():
    errors = [0.5, 0.6, 0.6, 0.55, 0.55, 0.4, 0.45]
    assert scales(Plateau(patience=2, drops=3), errors) == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.01])


def test_plateau_stops_at_its_last_drop():
    assert scales(Plateau(patience=1, factor=2, drops=2), [0.5] * 6) == [1, 1, 0.5, 0.25, 0.25, 0.25, 0.25]
    assert Plateau().factor == 10 and Plateau().drops == 3
    assert Plateau(patience=1).scale(99, [0.5] * 99) == pytest.approx(1e-3)


def test_plateau_is_a_function_of_the_epochs_before():
    """What comes later is not looked at, and asking changes nothing: a resumed run has the same rates."""
    errors, schedule = [0.9, 0.8, 0.8, 0.8, 0.1, 0.2, 0.2, inf, 0.3], Plateau(patience=2)
    forwards = [schedule.scale(epoch, errors) for epoch in range(10)]
    backwards = [schedule.scale(epoch, errors[:epoch]) for epoch in reversed(range(10))]
    assert forwards == backwards[::-1] and len(set(forwards)) == 4


def test_warm_up():
    assert [optim.warm_up(step, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert optim.warm_up(0, 0) == optim.warm_up(0, 1) == 1
