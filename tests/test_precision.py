"""Mixed precision: casts and scales, steps that follow float32's, overflows that change nothing."""

import numpy as np
import pytest

from minialex import network, optim, precision, train
from minialex.backend import to_numpy
from minialex.evaluate import evaluate
from minialex.layers import LRN, BatchNorm, Conv, Dropout, Flatten, Linear, MapNorm, MaxPool, ReLU, Tanh
from minialex.precision import GROWTH, PRECISIONS, LossScale, cast, total, unscale
from minialex.rng import DROPOUT, INIT, generator
from tests.strict_cupy import StandIn

SHAPE, CLASSES = (22, 26, 3), 4


def layers(act, *pool):
    """A net with a layer of every kind."""
    return (
        *(Conv("conv1", 8, 5, stride=2, pad=2, sigma=0.02), act(), LRN(groups=2), *pool),
        *(Conv("conv2", 16, 3, pad=1, groups=2, sigma=0.1), BatchNorm("bn2"), act(), MapNorm(), Flatten()),
        *(Linear("fc3", 32, sigma=0.05, bias=1.0), act(), Dropout(), Linear("fc4", CLASSES, sigma=0.05)),
    )


NET, SMOOTH = layers(ReLU, MaxPool()), layers(Tanh)


def stripes(seed, count=32):
    """Images of stripes in four directions, their phase, colours and noise by chance; and their labels."""
    rng = np.random.default_rng(seed)
    t = rng.integers(CLASSES, size=count)
    angle, phase = t * np.pi / CLASSES, rng.uniform(0, 2 * np.pi, count)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    along = np.cos(angle)[:, None, None] * columns + np.sin(angle)[:, None, None] * rows
    wave = np.sin(1.2 * along + phase[:, None, None])[..., None] * rng.uniform(20, 100, (count, 1, 1, 3))
    return (wave + rng.normal(0, 40, (count, *SHAPE))).astype("float32"), t


def trained(net, dtype, steps, *, scale=1.0, rate=0.01, xp=np):
    """Parameters and state, losses, and how the parameters began."""
    params, state = network.init(net, SHAPE, generator(0, INIT), xp=xp)
    began, velocity, losses = {name: value.copy() for name, value in params.items()}, optim.init_velocity(params), []
    for step in range(steps):
        x, t = (xp.asarray(array) for array in stripes(step))
        how = {"rates": optim.Rates(rate, rate), "rng": generator(0, DROPOUT, 0, step), "scale": scale}
        loss, _, state = train.step(net, params, velocity, state, x.astype(dtype), t, **how)
        losses.append(float(loss))
    return params, state, losses, began


def change(params, began):
    return np.concatenate([(to_numpy(params[name]) - to_numpy(began[name])).reshape(-1) for name in params])


# Where nothing has a kink the difference is that of rounding; a pixel that is no more its window's largest, or a unit
# that is no more above 0, hands its gradient to another, or to none.
@pytest.mark.parametrize("net, tolerance", [(SMOOTH, 0.005), (NET, 0.03)], ids=["smooth", "kinks"])
def test_ten_steps_follow_float32(net, tolerance):
    params, state, losses, began = trained(net, "float32", 10, rate=0.001)
    params16, state16, losses16, _ = trained(net, "float16", 10, rate=0.001, scale=2.0**12)
    np.testing.assert_allclose(losses16, losses, rtol=5e-4)
    wanted, got = change(params, began), change(params16, began)
    assert 0 < np.linalg.norm(got - wanted) < tolerance * np.linalg.norm(wanted)
    for name, value in (params16 | state16).items():
        assert value.dtype == "float32", name
    for name in state:
        np.testing.assert_allclose(state16[name], state[name], rtol=0.005, atol=0.005)


def test_a_device_computes_the_bits_of_numpy():
    xp = StandIn()
    params, state, losses, _ = trained(NET, "float16", 2, scale=2.0**12)
    params_, state_, losses_, _ = trained(NET, "float16", 2, scale=2.0**12, xp=xp)
    assert losses_ == losses
    for name, value in (params | state).items():
        np.testing.assert_array_equal(to_numpy((params_ | state_)[name]), value, err_msg=name)


def test_it_learns_as_float32_does():
    scores = []
    for dtype, scale in [("float32", 1.0), ("float16", 2.0**12)]:
        params, state, _, _ = trained(NET, dtype, 50, scale=scale)
        scores.append(evaluate(NET, params, state, [stripes(1000, 200)]))
    plain, mixed = scores
    assert plain.top1 > 0.95 and mixed.top1 > plain.top1 - 0.02


def test_a_scale_that_is_not_divided_away_would_show():
    began = trained(SMOOTH, "float16", 0)[0]
    one, other = (change(trained(SMOOTH, "float16", 1, scale=s)[0], began) for s in (2.0**8, 2.0**12))
    assert 0 < np.linalg.norm(one - other) < 0.005 * np.linalg.norm(one)


def test_a_check_that_says_no_leaves_all_as_it_was():
    net = NET
    params, state = network.init(net, SHAPE, generator(0, INIT), xp=np)
    velocity, (x, t) = optim.init_velocity(params), stripes(0)
    before = {name: value.tobytes() for name, value in (params | state).items()}
    how = {"rates": optim.Rates(0.01, 0.01), "rng": generator(0, DROPOUT)}
    _, _, after = train.step(net, params, velocity, state, x, t, **how, check=lambda loss, logits, grads: False)
    assert {name: value.tobytes() for name, value in (params | after).items()} == before
    assert not any(value.any() for value in velocity.values())


def test_the_scale_halves_on_overflow_and_doubles_after_good_steps():
    scale = LossScale()
    assert scale == LossScale(65536.0, 0)
    assert scale.after(True) == LossScale(65536.0, 1)
    assert LossScale(4.0, 7).after(False) == LossScale(2.0, 0)
    assert LossScale(4.0, GROWTH - 2).after(True) == LossScale(4.0, GROWTH - 1)
    assert LossScale(4.0, GROWTH - 1).after(True) == LossScale(8.0, 0)


def test_the_precisions():
    assert list(PRECISIONS) == ["float32", "float64", "mixed"]
    assert [name for name, one in PRECISIONS.items() if one.mixed] == ["mixed"]
    assert PRECISIONS["mixed"] == precision.Precision("float32", "float16")


def test_casting_and_unscaling():
    params = {"a.W": np.float32([[1, 2.0001], [3e-9, 4]]), "a.b": np.float32([5])}
    assert all(cast(params, "float32")[name] is value for name, value in params.items())
    assert cast(params, "float16")["a.W"].dtype == "float16" and params["a.W"].dtype == "float32"
    grads = {"a.W": np.float16([[2**-14, 1], [60000, -1]]), "a.b": np.float32([3])}
    assert unscale(grads, 1.0, params) is grads
    small = unscale(grads, 2.0**16, params)
    assert {value.dtype.name for value in small.values()} == {"float32"}
    assert small["a.W"][0, 0] == 2.0**-30, "it would be 0 in float16"
    assert small["a.b"][0] == 3 * 2.0**-16


@pytest.mark.filterwarnings("ignore:invalid value")
def test_the_total_is_finite_where_all_are():
    grads = {"a.W": np.full((300, 500), 65504, "float16"), "a.b": np.float32([1, -1])}
    assert total(grads) == np.float32(65504 * 150_000) and total(grads).dtype == "float32"
    for name, place, bad in [("a.W", (0, 0), np.inf), ("a.W", (299, 499), np.nan), ("a.b", 1, -np.inf)]:
        worse = {key: value.copy() for key, value in grads.items()}
        worse[name][place] = bad
        assert not np.isfinite(total(worse))
    worse["a.W"][0, 0] = np.inf  # beside -inf: their sum is no number
    assert not np.isfinite(total(worse))
