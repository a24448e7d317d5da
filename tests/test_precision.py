"""Mixed precision: casts and scales, steps that follow float32's, overflows that change nothing."""

import numpy as np
import pytest

from minialex import network, optim, precision, train
from minialex.backend import to_numpy
from minialex.evaluate import evaluate
from minialex.kernels import fuse, fused
from minialex.layers import LRN, BatchNorm, Conv, Dropout, Flatten, Linear, MapNorm, MaxPool, ReLU, Tanh
from minialex.ops import Pair, fast, reference
from minialex.ops.windows import col2im
from minialex.precision import GROWTH, PRECISIONS, LossScale, cast, mixed, total
from minialex.rng import DROPOUT, INIT, generator
from tests.emulation.raw_module import missing
from tests.ops.checks import as_tuple
from tests.ops.checks import generator as seeded
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


def trained(net, dtype, steps, *, scale=1.0, rate=0.01, xp=np, ops=reference):
    """Parameters and state, losses, and how the parameters began."""
    params, state = network.init(net, SHAPE, generator(0, INIT), xp=xp)
    began, velocity, losses = {name: value.copy() for name, value in params.items()}, optim.init_velocity(params), []
    for step in range(steps):
        x, t = (xp.asarray(array) for array in stripes(step))
        how = {"rates": optim.Rates(rate, rate), "rng": generator(0, DROPOUT, 0, step)}
        how |= {"scale": scale, "ops": mixed(ops, xp)}
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


def test_a_device_that_multiplies_in_float16_follows_numpy():
    """There products and their sums over windows are rounded to float16 on the way."""
    xp = StandIn()
    began = trained(NET, "float16", 0)[0]
    params, _, losses, _ = trained(NET, "float16", 2, scale=2.0**12)
    params_, _, losses_, _ = trained(NET, "float16", 2, scale=2.0**12, xp=xp)
    np.testing.assert_allclose(losses_, losses, rtol=5e-4)
    wanted, got = change(params, began), change(params_, began)
    assert np.linalg.norm(got - wanted) < 0.03 * np.linalg.norm(wanted)


@pytest.mark.skipif(bool(missing()), reason=str(missing()))
@pytest.mark.parametrize("rewrite", [tuple, fuse], ids=["layer by layer", "two in one"])
def test_ten_steps_on_kernels_follow_float32(rewrite):
    params, _, losses, began = trained(NET, "float32", 10, rate=0.001)
    params_, _, losses_, _ = trained(rewrite(NET), "float16", 10, rate=0.001, scale=2.0**12, xp=StandIn(), ops=fused)
    np.testing.assert_allclose(losses_, losses, rtol=5e-4)
    wanted, got = change(params, began), change(params_, began)
    assert np.linalg.norm(got - wanted) < 0.03 * np.linalg.norm(wanted)
    assert all(value.dtype == "float32" for value in params_.values())


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


def test_casting():
    params = {"a.W": np.float32([[1, 2.0001], [3e-9, 4]]), "a.b": np.float32([5])}
    assert all(cast(params, "float32")[name] is value for name, value in params.items())
    assert cast(params, "float16")["a.W"].dtype == "float16" and params["a.W"].dtype == "float32"


def test_a_steps_gradients_are_updated_with_as_they_are():
    """In float16, of the scaled loss: the array that is updated with is the one that the backward pass made."""
    xp, seen = StandIn(), []
    params, state = network.init(NET, SHAPE, generator(0, INIT), xp=xp)
    x, t = (xp.asarray(array) for array in stripes(0))
    how = {"rates": optim.Rates(0.01, 0.01), "rng": generator(0, DROPOUT), "scale": 2.0**12}
    how |= {"ops": mixed(reference, xp), "check": lambda loss, logits, grads: seen.append(grads) or True}
    how |= {"update": lambda params, velocity, grads, rates: seen.append((grads, rates.loss_scale))}
    train.step(NET, params, optim.init_velocity(params), state, x.astype("float16"), t, **how)
    made, (used, scale) = seen
    assert used is made and scale == 2.0**12 and used["fc3.W"].dtype == "float16"


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


@pytest.mark.parametrize("name, shapes", [("conv", [(40, 9, 9, 1), (1, 1, 1, 2)]), ("linear", [(900, 1), (1, 2)])])
def test_a_device_adds_up_biases_beyond_float16(name, shapes):
    """900 gradients of 100, and more, are above 65,504."""
    xp = StandIn()
    x, W, b = (xp.full(shape, 1 / 64, "float16") for shape in (*shapes, (2,)))
    pair = getattr(mixed(reference, xp), name)
    y, cache = pair.forward(x, W, b)
    dx, dW, db = pair.backward(xp.full(y.shape, 100, "float16"), cache)
    assert db.dtype == "float32" and db.get().tolist() == [100 * x.size] * 2
    assert dx.dtype == dW.dtype == "float16" and bool(xp.isfinite(dW).all())


def test_a_device_adds_up_windows_in_float32():
    """Each of 25 windows adds 1 to 2048, where float16 counts by twos."""
    rows = np.ones((25, 25), "float16")
    rows[0, -1] = 2048  # the pixel that all 5x5 windows share, in the first of them
    dx = col2im(StandIn().asarray(rows), (1, 9, 9, 1), (5, 5), 1, 0)
    assert dx.dtype == "float16" and dx.get()[0, 4, 4, 0] == 2048 + 24


# The pairs of the table for mixed precision.


def normal(*shape, scale=1.0, mean=0.0, seed=0):
    return (mean + scale * seeded(seed).standard_normal(shape)).astype("float16")


# Squares and variances beyond 65,504, and sums that float16 stops adding to.
CASES = {
    "conv": ("conv", (normal(8, 25, 24, 4, scale=50), normal(5, 5, 2, 6, scale=0.1), normal(6)), {"groups": 2}),
    "linear": ("linear", (normal(5000, 8, scale=50), normal(8, 7), normal(7)), {}),
    "relu": ("relu", (normal(30, 5, scale=500),), {}),
    "tanh": ("tanh", (normal(30, 5),), {}),
    "lrn": ("lrn", (normal(2, 3, 4, 8, scale=900),), {}),
    "lrn of small numbers": ("lrn", (normal(2, 3, 4, 8, scale=1e-3),), {"alpha": 1.0}),
    "max_pool": ("max_pool", (normal(2, 17, 18, 3, scale=500),), {}),
    "dropout": ("dropout", (normal(40, 6),), {"mask": normal(40, 6, seed=1) > 0, "inverted": True}),
    "softmax": ("softmax_cross_entropy", (normal(60, 5000), np.arange(60) * 7), {}),
    "batchnorm": ("batchnorm", (normal(9, 24, 25, 2, scale=900, mean=300), normal(2), normal(2, seed=2)), {}),
    "mapnorm": ("mapnorm", (normal(2, 6, 5, 3, scale=900),), {}),
}


def exact(value):
    return value.astype("float64") if getattr(value, "dtype", None) in ("float16", "float32") else value


def test_every_pair_is_here():
    assert {pair for pair, _, _ in CASES.values()} == {
        name for name, pair in vars(reference).items() if isinstance(pair, Pair)
    }


@pytest.mark.parametrize("name, arrays, kwargs", CASES.values(), ids=CASES.keys())
def test_a_pair_is_as_exact_as_its_results_can_tell(name, arrays, kwargs):
    pair = getattr(mixed(reference, np), name)
    y, cache = pair.forward(*arrays, **kwargs)
    dy = np.float32(1024) if np.ndim(y) == 0 else normal(*y.shape, mean=0.25, seed=5)
    grads = as_tuple(pair.backward(dy, cache))
    y64, cache64 = getattr(reference, name).forward(*map(exact, arrays), **kwargs)
    grads64 = as_tuple(getattr(reference, name).backward(exact(dy), cache64))

    kept = ["float16" if y64.ndim else "float32", str(dy.dtype), *["float32"] * (len(grads) - 1)]
    for got, want, dtype in zip((y, *grads), (y64, *grads64), kept, strict=True):
        assert got.dtype == dtype
        # 3,360 terms of a sum: how exact float32 is depends on the order in which a CPU's kernel adds them.
        tolerance = 1e-5 if dtype == "float32" else 1e-3
        np.testing.assert_allclose(exact(got), want, rtol=0, atol=tolerance * np.abs(want).max())


def test_other_types_are_computed_in_their_own():
    for dtype in ("float32", "float64"):
        x, W, b = (exact(array).astype(dtype) for array in CASES["linear"][1])
        (y, cache), (wanted, plain) = (table.linear.forward(x, W, b) for table in (mixed(reference, np), reference))
        assert y.tobytes() == wanted.tobytes() and y.dtype == dtype
        for got, want in zip(
            mixed(reference, np).linear.backward(y, cache), reference.linear.backward(y, plain), strict=True
        ):
            assert got.tobytes() == want.tobytes() and got.dtype == dtype


def test_which_pairs_are_widened():
    def changed(table, xp):
        return {name for name in vars(table) if getattr(mixed(table, xp), name) is not getattr(table, name)}

    sums = {"lrn", "mapnorm", "batchnorm", "tanh", "softmax_cross_entropy"}
    assert changed(reference, np) == changed(fast, np) == sums | {"conv", "linear"}
    assert changed(reference, StandIn()) == sums, "a GPU multiplies float16 and sums in float32"
    kernels = {"lrn", "softmax_cross_entropy"}
    assert changed(fused, StandIn()) == sums - kernels, "they sum float16 in float32 too"
