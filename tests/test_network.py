"""Running a table of layers: init, forward, backward, running statistics, summary."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from minialex import gradcheck, network
from minialex.layers import LRN, BatchNorm, Conv, Dropout, Flatten, Linear, MaxPool, NoParameters, ReLU, Tanh
from minialex.ops import reference
from minialex.rng import DROPOUT, INIT, generator

SHAPE = (9, 8, 4)
LAYERS = (
    Conv("conv1", 6, 3, pad=1, groups=2, sigma=0.5, bias=1),
    ReLU(),
    LRN(n=3, alpha=1.0),
    MaxPool(),
    Conv("conv2", 4, (3, 2), stride=(1, 2), pad=((0, 1), (1, 0)), sigma=0.5),
    BatchNorm("bn2"),
    Tanh(),
    Flatten(),
    Linear("fc3", 7, sigma=0.5, bias=0.5),
    ReLU(),
    Dropout(),
    Linear("fc4", 5, sigma=0.5),
)


def start(layers=LAYERS, seed=0, dtype="float64"):
    return network.init(layers, SHAPE, generator(seed, INIT), xp=np, dtype=dtype)


def images(n=3):
    return np.random.default_rng(1).standard_normal((n, *SHAPE))


@dataclass
class Spy(NoParameters):
    """A learner's record that passes everything on and writes down what it was asked."""

    asked: list = field(default_factory=list)

    def forward(self, params, x, *, state, train, rng, ops):
        return x, None

    def backward(self, dy, cache, *, ops, need_dx=True):
        self.asked.append(need_dx)
        return dy, {}


# init


def test_names_come_in_the_order_of_the_layers():
    params, state = start()
    names = ["conv1.W", "conv1.b", "conv2.W", "conv2.b", "bn2.gamma", "bn2.beta", "fc3.W", "fc3.b", "fc4.W", "fc4.b"]
    assert list(params) == names and list(state) == ["bn2.mean", "bn2.var"]
    assert params["fc3.W"].shape == (3 * 2 * 4, 7)


def test_a_seed_means_the_same_weights_in_either_precision():
    params, state = start()
    again, _ = start()
    single, single_state = start(dtype="float32")
    other, _ = start(seed=1)
    for name, value in params.items():
        assert value.dtype == "float64" and single[name].dtype == "float32"
        np.testing.assert_array_equal(value, again[name])
        np.testing.assert_array_equal(value.astype("float32"), single[name])
        assert name[-1] != "W" or not np.isclose(value, other[name]).any()
    assert {value.dtype.name for value in single_state.values()} == {"float32"}
    usual, _ = network.init(LAYERS, SHAPE, generator(0, INIT), xp=np)
    assert {value.dtype.name for value in usual.values()} == {"float32"}
    assert not np.isclose(params["fc4.W"], params["fc3.W"][:7, :5]).any()


@pytest.mark.parametrize(
    "layers, taken",
    [
        ((Conv("conv1", 2, 3), Conv("conv1", 2, 3)), "conv1.W, conv1.b"),
        ((BatchNorm("norm"), ReLU(), BatchNorm("norm")), "norm.beta, norm.gamma, norm.mean, norm.var"),
    ],
)
def test_a_name_taken_twice_is_refused(layers, taken):
    with pytest.raises(ValueError, match=f"two layers both have {taken}: each needs a name of its own"):
        start(layers)


def test_a_name_is_taken_by_parameters_and_statistics_alike():
    class Clash(Spy):
        def init(self, input_shape, rng):
            return {"norm.mean": np.ones(1)}

    with pytest.raises(ValueError, match="two layers both have norm.mean"):
        start((BatchNorm("norm"), Clash()))


def test_a_layer_that_cannot_take_what_it_is_handed_is_refused():
    with pytest.raises(ValueError, match="linear"):
        start((Conv("conv1", 2, 3), Linear("fc2", 5)))
    with pytest.raises(ValueError, match="a window of 3 needs at least 3 pixels, got 2"):
        start((Conv("conv1", 2, 8), MaxPool()))


def test_parameters_are_copies_in_c_order():
    mine = np.arange(12.0).reshape(3, 4).T

    class Own(Spy):
        def init(self, input_shape, rng):
            return {"own.W": mine}

    for dtype in ("float64", "float32"):
        params, _ = start((Own(),), dtype=dtype)
        assert params["own.W"].flags.c_contiguous and (params["own.W"] == mine).all()
        params["own.W"] += 1
        assert mine[0, 1] == 4


# forward and backward


def whole(train):
    """The whole network as a pair, of x and of all its parameters."""
    params, state = start()
    rng = np.random.default_rng(3)
    params = {name: value + 0.1 * rng.standard_normal(value.shape) for name, value in params.items()}

    def forward(x, *values):
        values = dict(zip(params, values, strict=True))
        return network.forward(LAYERS, values, x, state=state, train=train, rng=generator(0, DROPOUT))

    def backward(dy, caches):
        dx, _ = network.backward_through(LAYERS, caches, dy, ops=reference, need_dx=True)
        grads = network.backward(LAYERS, params, caches, dy)
        assert list(grads) == list(params)
        return dx, *grads.values()

    return forward, backward, (images(), *params.values())


@pytest.mark.parametrize("train", [True, False])
def test_gradients_of_a_whole_network(train):
    forward, backward, arrays = whole(train)
    gradcheck.assert_pair(forward, backward, arrays, rng=np.random.default_rng(0))


def test_training_drops_and_testing_does_not():
    forward, _, arrays = whole(train=True)
    trained, tested = forward(*arrays)[0], whole(train=False)[0](*arrays)[0]
    assert trained.shape == tested.shape == (3, 5) and not np.isclose(trained, tested).any()
    params, state = start()
    with pytest.raises(ValueError, match="needs rng"):
        network.forward(LAYERS, params, images(), state=state, train=True)


def test_the_first_layer_alone_is_spared_its_dx():
    spies = (Spy(), Spy(), Spy())
    network.backward(spies, {}, [None] * 3, np.ones(2))
    assert [spy.asked for spy in spies] == [[False], [True], [True]]
    dx, _ = network.backward_through(spies, [None] * 3, np.ones(2), ops=reference, need_dx=True)
    assert spies[0].asked == [False, True] and (dx == 1).all()


def test_the_pairs_of_the_table_are_the_ones_that_run():
    def no(*args, **kwargs):
        raise AssertionError("the reference ran")

    pairs = reference.relu._replace(forward=lambda x: (x * 0 + 7, x), backward=lambda dy, cache: dy * 3)
    table = type(reference)(**{name: type(pairs)(no, no) for name in vars(reference)} | {"relu": pairs})
    y, caches = network.forward((ReLU(),), {}, images(), state={}, train=True, ops=table)
    dx, _ = network.backward_through((ReLU(),), caches, y, ops=table, need_dx=True)
    assert (y == 7).all() and (dx == 21).all()


def test_caches_of_another_network_are_refused():
    params, state = start()
    logits, caches = network.forward(LAYERS, params, images(), state=state, train=True, rng=generator(0, DROPOUT))
    for layers, some in ((LAYERS[:-1], caches), (LAYERS, caches[:-1])):
        with pytest.raises(ValueError, match="zip"):
            network.backward(layers, params, some, logits)
        with pytest.raises(ValueError, match="zip"):
            network.update_state(layers, state, some)


def test_running_statistics_are_a_new_dict():
    params, state = start()
    state = state | {"kept": np.ones(2)}
    before = {name: value.copy() for name, value in state.items()}
    _, caches = network.forward(LAYERS, params, images(), state=state, train=True, rng=generator(0, DROPOUT))
    new = network.update_state(LAYERS, state, caches)
    assert list(new) == list(state) and new is not state and new["kept"] is state["kept"]
    assert all((state[name] == value).all() for name, value in before.items())
    assert (new["bn2.mean"] != 0).all() and (new["bn2.var"] != 1).all()


# summary

SUMMARY = """\
layer    output  parameters  multiply-adds
conv1     9x8x6         114          7,776
ReLU      9x8x6           0              0
LRN       9x8x6           0              0
MaxPool   4x3x6           0              0
conv2     3x2x4         148            864
bn2       3x2x4           8              0
Tanh      3x2x4           0              0
Flatten      24           0              0
fc3           7         175            168
ReLU          7           0              0
Dropout       7           0              0
fc4           5          40             35
total                   485          8,843"""


def test_the_summary():
    assert network.summary(LAYERS, SHAPE) == SUMMARY


def test_the_summary_counts_what_a_nameless_layer_holds():
    class Own(Spy):
        def init(self, input_shape, rng):
            return {"gain": np.ones(input_shape[-1])}

    rows = network.summary((Own(), Conv("gain2", 2, 1)), SHAPE).splitlines()
    assert rows[1].split() == ["Own", "9x8x4", "4", "0"] and rows[3].split() == ["total", "14", "576"]


def test_gradients_are_told_as_they_come_the_last_layers_first():
    params, state = start()
    logits, caches = network.forward(LAYERS, params, images(), state=state, train=True, rng=generator(0, DROPOUT))
    told: list = []
    grads = network.backward(LAYERS, params, caches, np.ones_like(logits), ready=lambda new: told.append(dict(new)))
    names = [list(new) for new in told if new]
    assert names == [list(group) for group in reversed(by_layer(params))]
    assert all(new[name] is grads[name] for new in told for name in new)


def by_layer(params):
    layers = dict.fromkeys(name.partition(".")[0] for name in params)
    return [[name for name in params if name.partition(".")[0] == layer] for layer in layers]
