"""Each record hands its own fields to its pair, and initialises as section 5 says."""

from dataclasses import FrozenInstanceError, fields
from math import sqrt

import numpy as np
import pytest

from minialex import gradcheck, ops
from minialex.layers import LRN, BatchNorm, Conv, Dropout, Flatten, Linear, MapNorm, MaxPool, ReLU, Tanh
from minialex.ops import reference

ODD_CONV = Conv("c", 6, (3, 2), stride=(2, 1), pad=((1, 0), (2, 1)), groups=2, bias=1)
RECORDS = {
    "conv": (ODD_CONV, (7, 6, 4)),
    "linear": (Linear("l", 5, bias=0.1), (4,)),
    "relu": (ReLU(), (5, 4, 3)),
    "tanh": (Tanh(), (6,)),
    "lrn": (LRN(n=3, k=1.5, alpha=0.5, beta=0.6, groups=2), (3, 4, 8)),
    "mapnorm": (MapNorm(size=3, k=1.5, alpha=0.5, beta=0.6), (5, 4, 3)),
    "pool": (MaxPool(kernel=2, stride=3), (8, 6, 3)),
    "flatten": (Flatten(), (3, 2, 4)),
    "dropout": (Dropout(p=0.3, inverted=True), (9,)),
    "batchnorm": (BatchNorm("n", eps=0.1), (3, 2, 4)),
}
each = pytest.mark.parametrize("layer, shape", RECORDS.values(), ids=RECORDS.keys())


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def run(layer, x, params, *, train=True, rng=None, state=None):
    state = state or (layer.init_state(x.shape[1:]) if hasattr(layer, "init_state") else {})
    return layer.forward(params, x, state=state, train=train, rng=rng, ops=reference)


@each
@pytest.mark.parametrize("train", [True, False])
def test_gradients_by_finite_differences(rng, layer, shape, train):
    gradcheck.assert_layer(layer, shape, rng=rng, ops=reference, train=train)


def drop(x, layer, rng):
    return ops.dropout_forward(x, mask=ops.dropout_mask(x.shape, layer.p, rng, xp=np), p=0.3, inverted=True)


DIRECT = {
    "conv": lambda x, p: ops.conv_forward(x, p["c.W"], p["c.b"], stride=(2, 1), pad=((1, 0), (2, 1)), groups=2),
    "linear": lambda x, p: ops.linear_forward(x, p["l.W"], p["l.b"]),
    "relu": lambda x, p: ops.relu_forward(x),
    "tanh": lambda x, p: ops.tanh_forward(x),
    "lrn": lambda x, p: ops.lrn_forward(x, n=3, k=1.5, alpha=0.5, beta=0.6, groups=2),
    "mapnorm": lambda x, p: ops.mapnorm_forward(x, size=3, k=1.5, alpha=0.5, beta=0.6),
    "pool": lambda x, p: ops.max_pool_forward(x, kernel=2, stride=3),
    "flatten": lambda x, p: (x.reshape(3, 24), None),
    "dropout": lambda x, p: drop(x, Dropout(p=0.3), np.random.default_rng(5)),
    "batchnorm": lambda x, p: ops.batchnorm_forward(x, p["n.gamma"], p["n.beta"], eps=0.1),
}


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_reaches_the_pair(rng, name):
    layer, shape = RECORDS[name]
    params = {key: rng.standard_normal(value.shape) for key, value in layer.init(shape, rng).items()}
    x = rng.standard_normal((3, *shape))
    y, _ = run(layer, x, params, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(y, DIRECT[name](x, params)[0])


def test_the_constants_are_the_papers():
    assert LRN() == LRN(n=5, k=2.0, alpha=1e-4, beta=0.75, groups=1)
    assert MaxPool() == MaxPool(kernel=3, stride=2)
    assert Dropout() == Dropout(p=0.5, inverted=False)
    assert MapNorm() == MapNorm(size=5, k=1.0, alpha=1e-3 / 25, beta=0.75)
    assert BatchNorm("n") == BatchNorm("n", eps=1e-5, momentum=0.9)
    assert (Conv("c", 1, 1).sigma, Conv("c", 1, 1).bias) == (Linear("l", 1).sigma, Linear("l", 1).bias) == (0.01, 0)


@each
def test_a_record_is_frozen(layer, shape):
    for field in fields(layer):
        with pytest.raises(FrozenInstanceError):
            setattr(layer, field.name, 0)


@each
def test_per_image_is_what_it_says(rng, layer, shape):
    params = layer.init(shape, rng)
    x = rng.standard_normal((3, *shape))
    together, _ = run(layer, x, params, rng=np.random.default_rng(1))
    alone = np.concatenate([run(layer, x[n : n + 1], params, rng=np.random.default_rng(1))[0] for n in range(3)])
    independent = np.allclose(alone, together, rtol=1e-13, atol=1e-13)
    assert independent == (not isinstance(layer, (Dropout, BatchNorm)))
    assert getattr(layer, "per_image", False) == (independent and not isinstance(layer, Linear))


# Initial values.


def test_shapes_and_names(rng):
    params = ODD_CONV.init((7, 6, 4), rng)
    assert {name: value.shape for name, value in params.items()} == {"c.W": (3, 2, 2, 6), "c.b": (6,)}
    params = Linear("l", 5).init((4,), rng)
    assert {name: value.shape for name, value in params.items()} == {"l.W": (4, 5), "l.b": (5,)}
    params = BatchNorm("n").init((3, 2, 4), rng)
    assert {name: value.tolist() for name, value in params.items()} == {"n.gamma": [1] * 4, "n.beta": [0] * 4}
    state = BatchNorm("n").init_state((3, 2, 4))
    assert {name: value.tolist() for name, value in state.items()} == {"n.mean": [0] * 4, "n.var": [1] * 4}


@pytest.mark.parametrize(
    "layer, shape", [(Conv("c", 96, 5, sigma=0.03, bias=1), (9, 9, 48)), (Linear("c", 300, 0.03, 1), (400,))]
)
def test_weights_are_normal_and_biases_constant(rng, layer, shape):
    params = layer.init(shape, rng)
    W = params["c.W"] / 0.03
    assert abs(W.mean()) < 5 / sqrt(W.size) and abs(W.std() - 1) < 5 / sqrt(2 * W.size)
    assert abs((np.abs(W) < 1).mean() - 0.6827) < 0.01, "not a normal distribution"
    assert (params["c.b"] == 1).all() and params["c.W"].dtype == params["c.b"].dtype == "float64"


@pytest.mark.parametrize(
    "layer, shape, fan_in",
    [(Conv("c", 64, 5, groups=2, sigma=None), (9, 9, 32), 5 * 5 * 16), (Linear("c", 300, sigma=None), (100,), 100)],
)
def test_without_sigma_both_are_uniform_to_the_root_of_the_fan_in(rng, layer, shape, fan_in):
    bound = 1 / sqrt(fan_in)
    W, b = layer.init(shape, rng).values()
    assert 0.99 * bound < np.abs(W).max() <= bound and abs(W.std() - bound / sqrt(3)) < 0.02 * bound
    assert 0.9 * bound < np.abs(b).max() <= bound and abs(b.mean()) < 0.3 * bound


# What single records do beside.


@pytest.mark.parametrize("name", ["conv", "linear"])
def test_without_need_dx_the_gradients_stay(rng, name):
    layer, shape = RECORDS[name]
    y, cache = run(layer, rng.standard_normal((2, *shape)), layer.init(shape, rng))
    dy = rng.standard_normal(y.shape)
    (dx, grads), (none, same) = (layer.backward(dy, cache, ops=reference, need_dx=need) for need in (True, False))
    assert dx.shape == (2, *shape) and none is None
    assert list(grads) == list(same) == list(layer.init(shape, rng))
    for key in grads:
        np.testing.assert_array_equal(grads[key], same[key])


def test_multiply_adds(rng):
    y, _ = run(ODD_CONV, rng.standard_normal((1, 7, 6, 4)), params := ODD_CONV.init((7, 6, 4), rng))
    assert ODD_CONV.macs(params, y.shape[1:]) == y.size * 3 * 2 * 2
    assert Linear("l", 5).macs(Linear("l", 5).init((4,), rng), (5,)) == 20


def test_dropout_draws_in_training_alone(rng):
    layer, x = Dropout(p=0.5), np.ones((4, 50))
    masks = [run(layer, x, {}, rng=np.random.default_rng(seed))[0] for seed in (1, 1, 2)]
    assert (masks[0] == masks[1]).all() and (masks[0] != masks[2]).any() and set(np.unique(masks[0])) == {0, 1}
    assert (run(layer, x, {}, train=False)[0] == 0.5).all()
    with pytest.raises(ValueError, match="dropout in training draws a mask: it needs rng"):
        run(layer, x, {})


def test_running_statistics_by_hand():
    layer = BatchNorm("n")
    x = np.array([[1.0, 0.0], [3.0, 0.0], [8.0, 3.0]])  # means 4 and 1; biased variances 26/3 and 2
    state = {"n.mean": np.array([2.0, 0.0]), "n.var": np.array([1.0, 1.0]), "other.mean": np.zeros(1)}
    before = {name: value.copy() for name, value in state.items()}
    _, cache = run(layer, x, layer.init((2,), None), state=state)
    new = layer.update_state(state, cache)
    assert set(new) == {"n.mean", "n.var"}
    np.testing.assert_allclose(new["n.mean"], [0.9 * 2 + 0.1 * 4, 0.1 * 1], rtol=1e-14)
    np.testing.assert_allclose(new["n.var"], [0.9 + 0.1 * 13, 0.9 + 0.1 * 3], rtol=1e-14)  # unbiased: 26/2 and 6/2
    assert all((state[name] == value).all() for name, value in before.items())


def test_testing_normalises_by_the_running_statistics(rng):
    layer, x = BatchNorm("n"), rng.standard_normal((4, 3, 3, 2))
    state = {"n.mean": np.array([1.0, -1.0]), "n.var": np.array([4.0, 0.25])}
    params = {"n.gamma": np.array([2.0, 3.0]), "n.beta": np.array([0.5, 0.0])}
    y, _ = run(layer, x, params, train=False, state=state)
    expected = params["n.gamma"] * (x - state["n.mean"]) / np.sqrt(state["n.var"] + 1e-5) + params["n.beta"]
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    y, _ = run(layer, x, params, train=True, state=state)
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), params["n.beta"], atol=1e-12)


def test_one_value_a_channel_has_no_variance(rng):
    layer, x = BatchNorm("fc.bn"), rng.standard_normal((1, 5))
    run(layer, x, layer.init((5,), rng), train=False)
    with pytest.raises(ValueError, match=r"fc.bn: x has shape \(1, 5\), it needs 2 values a channel"):
        run(layer, x, layer.init((5,), rng), train=True)
