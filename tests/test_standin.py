"""Every op, every network and a training step run on the strict stand-in for CuPy, to NumPy's very bits."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from minialex import alexnet, gradcheck, kernels, network, ops, optim, train
from minialex.backend import to_numpy, xp_of
from minialex.data import batches
from minialex.data.augment import Augmentation
from minialex.data.packed import Packed
from minialex.data.preprocess import Preprocessing
from minialex.evaluate import evaluate, probabilities
from minialex.kernels import fused
from minialex.ops import Pair, reference
from minialex.recipes import RECIPES
from minialex.rng import DROPOUT, INIT, generator
from tests.emulation.raw_module import missing
from tests.strict_cupy import StandIn


@pytest.fixture
def xp():
    return StandIn()


# The stand-in itself: what it refuses, and what it writes down.


@pytest.mark.parametrize("name", ["block", "insert", "errstate", "einsum_path", "no_such_thing"])
def test_a_name_that_cupy_lacks_is_refused(xp, name):
    with pytest.raises(AttributeError, match=name):
        getattr(xp, name)


def test_a_keyword_that_cupy_lacks_is_refused(xp):
    a = xp.ones((2, 3))
    for call in (
        lambda: xp.sum(a, where=a > 0),
        lambda: a.sum(initial=1.0),
        lambda: a.max(initial=0.0),
        lambda: xp.add(a, a, where=a > 0),
        lambda: xp.mean(a, where=a > 0),
    ):
        with pytest.raises(TypeError, match="has no argument"):
            call()
    with pytest.raises(AttributeError, match="newbyteorder"):
        a.newbyteorder()


MIXING = {
    "array + numpy": lambda xp, a, b: a + b,
    "numpy * array": lambda xp, a, b: b * a,
    "numpy @ array": lambda xp, a, b: b @ a,
    "in place": lambda xp, a, b: a.__iadd__(b),
    "comparison": lambda xp, a, b: a < b,
    "ufunc": lambda xp, a, b: xp.maximum(a, b),
    "function of a NumPy array": lambda xp, a, b: xp.sum(b),
    "function of a list": lambda xp, a, b: xp.exp([1.0, 2.0]),
    "keyword": lambda xp, a, b: xp.exp(a, out=b),
    "in a list": lambda xp, a, b: xp.concatenate([a, b]),
    "where": lambda xp, a, b: xp.where(a > 0, a, b),
    "method": lambda xp, a, b: a.dot(b),
    "index": lambda xp, a, b: a[np.array([0, 1])],
    "index in a tuple": lambda xp, a, b: a[:, np.array([0, 1])],
    "index by a list": lambda xp, a, b: a[[0, 1]],
    "assigned index": lambda xp, a, b: a.__setitem__(np.array([0]), 1.0),
    "assigned value": lambda xp, a, b: a.__setitem__(slice(None), b),
    "two stand-ins": lambda xp, a, b: a + StandIn().ones((3, 3)),
}


@pytest.mark.parametrize("mix", MIXING.values(), ids=MIXING.keys())
def test_mixing_with_the_host_is_refused(xp, mix):
    with pytest.raises(TypeError):
        mix(xp, xp.ones((3, 3)), np.ones((3, 3)))


IN_DISGUISE = {
    "iteration": list,
    "asarray": np.asarray,
    "array": np.array,
    "unpacking": lambda a: (lambda p, q: p)(*a),
    "format": lambda a: f"{a:.3f}",
    "float of many": float,
    "range": range,
    "numpy ufunc": np.exp,
    "numpy function": np.sum,
    "numpy of a list": lambda a: np.stack([a, a]),
    "copied into a NumPy array": lambda a: np.zeros(2).__setitem__(slice(None), a),
}


@pytest.mark.parametrize("use", IN_DISGUISE.values(), ids=IN_DISGUISE.keys())
def test_a_copy_to_the_host_in_disguise_is_refused(xp, use):
    with pytest.raises((TypeError, ValueError)):
        use(xp.ones(2))


def test_open_copies_are_made_and_written_down(xp):
    host = np.arange(6.0).reshape(2, 3)
    a = xp.asarray(host)
    host[0, 0] = 99
    assert to_numpy(a).tolist() == [[0, 1, 2], [3, 4, 5]] and a.sum().item() == 15
    assert a[a > 2].shape == (3,)
    assert xp.asarray(a).shape == (2, 3)  # on the device already
    assert xp.uploads == [(2, 3)] and xp.downloads == [(2, 3), (), ()]
    assert float(a[0, 1]) == int(a[0, 1]) == 1 and not (a > 4).all()
    assert xp.downloads[3:] == [(), (), ()]


def test_ints_that_overflow_in_cupy(xp):
    a = xp.arange(3, dtype=xp.uint64)
    assert (a < 2**63 - 1).all() and (a * xp.uint64(2**63) < xp.uint64(2**64 - 1)).all()
    for use in (lambda: a < 2**63, lambda: a * 2**63):
        with pytest.raises(OverflowError):
            use()


def test_products_of_more_than_two_axes_are_refused(xp):
    a, b = xp.ones((2, 3, 4)), xp.ones((4, 5))
    assert (b.T @ b).shape == (5, 5) and xp.dot(b.T, b).shape == (5, 5)
    for multiply in (lambda: a @ b, lambda: b.T @ a.transpose(0, 2, 1), lambda: xp.matmul(a, b), lambda: xp.dot(a, b)):
        with pytest.raises(TypeError, match="reshape to two axes"):
            multiply()


def test_what_makes_the_host_wait_or_adds_in_any_order_is_written_down(xp):
    a = xp.arange(6)
    a.argsort(), xp.sort(a), xp.unique(a), xp.nonzero(a), xp.bincount(a)
    assert xp.waits == ["argsort", "sort", "unique", "nonzero", "bincount"]
    xp.add.at(a, xp.asarray([0, 0]), 1)
    assert xp.unordered == ["bincount", "add.at"] and xp.downloads == []


def test_work_for_the_device_is_counted_and_views_are_none(xp):
    a = xp.ones((4, 6))
    views = a.reshape(-1)[3:].reshape(3, 7).T, xp.split(a, 2, axis=1)
    assert views and len(xp.launches) == 1
    a *= 2
    a[:2] = -a[2:]
    a[xp.arange(2)].sum(axis=0)
    assert len(xp.launches) == 7


def test_views_share_memory_and_sums_stay_on_the_device(xp):
    a = xp.zeros((3, 4), dtype="float32")
    a[1:, ::2] += 2
    a.reshape(-1)[0] = 7
    xp.add.at(a, (xp.array([0, 0]), xp.array([1, 1])), 1.0)
    assert type(a.sum()) is type(a[0, 0]) is xp.ndarray and a.sum().shape == ()
    assert to_numpy(a).tolist() == [[7, 2, 0, 0], [2, 0, 2, 0], [2, 0, 2, 0]]
    assert xp_of(a, a.sum()) is xp and a.T.shape == (4, 3) and (2 - a).dtype == "float32"


# The package on it.


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


OPS = {
    "conv": (
        reference.conv,
        (normal(2, 7, 6, 4), normal(3, 2, 2, 6, seed=1), normal(6, seed=2)),
        {"stride": (2, 1), "pad": ((1, 0), (2, 1)), "groups": 2},
    ),
    "linear": (reference.linear, (normal(3, 5), normal(5, 4, seed=1), normal(4, seed=2)), {}),
    "relu": (reference.relu, (normal(3, 5),), {}),
    "tanh": (reference.tanh, (normal(3, 5),), {}),
    "lrn": (reference.lrn, (normal(2, 3, 4, 8),), {"alpha": 1.0, "groups": 2}),
    "max_pool": (reference.max_pool, (normal(2, 7, 8, 3),), {}),
    "dropout": (reference.dropout, (normal(4, 6),), {"mask": normal(4, 6, seed=1) > 0, "inverted": True}),
    "dropout testing": (reference.dropout, (normal(4, 6),), {"mask": None}),
    "softmax": (reference.softmax_cross_entropy, (normal(4, 6), np.array([5, 0, 0, 2])), {}),
    "batchnorm": (reference.batchnorm, (normal(3, 4, 5, 2), normal(2, seed=1), normal(2, seed=2)), {}),
    "batchnorm testing": (
        reference.batchnorm,
        (normal(3, 4, 5, 2), normal(2, seed=1), normal(2, seed=2)),
        {"mean": normal(2, seed=3), "var": normal(2, seed=4) ** 2},
    ),
    "mapnorm": (reference.mapnorm, (normal(2, 6, 5, 3),), {"size": 3, "alpha": 1.0}),
}


def on(xp, value):
    """Arrays moved to xp; anything else as it is."""
    return xp.asarray(value) if isinstance(value, np.ndarray) else value


def test_every_pair_is_run_here():
    assert {pair for pair, _, _ in OPS.values()} == {
        pair for pair in vars(reference).values() if isinstance(pair, Pair)
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pair, arrays, kwargs", OPS.values(), ids=OPS.keys())
def test_a_pair_gives_the_bits_of_numpy(xp, pair, arrays, kwargs, dtype):
    def cast(value):
        return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype == "float64" else value

    arrays, kwargs = [cast(a) for a in arrays], {name: cast(value) for name, value in kwargs.items()}
    y, cache = pair.forward(*arrays, **kwargs)
    dy = np.asarray(normal(*y.shape, seed=5), dtype)
    grads = pair.backward(dy, cache)

    arrays_, kwargs_ = [on(xp, a) for a in arrays], {name: on(xp, value) for name, value in kwargs.items()}
    dy_ = on(xp, dy)
    before = len(costs(xp))
    y_, cache_ = pair.forward(*arrays_, **kwargs_)
    grads_ = pair.backward(dy_, cache_)
    assert costs(xp)[before:] == []

    grads, grads_ = ((value if isinstance(value, tuple) else (value,)) for value in (grads, grads_))
    for ours, numpys in zip((y_, *grads_), (y, *grads), strict=True):
        assert ours.dtype == numpys.dtype == dtype
        np.testing.assert_array_equal(to_numpy(ours), numpys)


def test_masks_and_softmax_and_gradcheck_run_on_it(xp):
    masks = [ops.dropout_mask((5, 7), 0.3, generator(1, DROPOUT), xp=module) for module in (xp, np)]
    np.testing.assert_array_equal(to_numpy(masks[0]), masks[1])
    np.testing.assert_array_equal(to_numpy(ops.softmax(on(xp, normal(3, 4)))), ops.softmax(normal(3, 4)))
    _, arrays, kwargs = OPS["conv"]
    gradcheck.assert_pair(
        ops.conv_forward, ops.conv_backward, [on(xp, a) for a in arrays], rng=np.random.default_rng(0), **kwargs
    )


def training_steps(net, x, t, xp, steps=2):
    """Parameters, state, losses, and the costs of the steps; x and t are on xp."""
    params, state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=xp)
    velocity, paid, losses = optim.init_velocity(params), [], []
    rates = optim.Rates(weights=0.01, biases=0.02, bias_decay=0.0)
    for step in range(steps):
        before, rng = len(costs(xp)), generator(0, DROPOUT, 0, step)
        loss, _, state = train.step(net.layers, params, velocity, state, x, t, rates=rates, rng=rng)
        paid += costs(xp)[before:]
        losses.append(float(loss))
    return params, state, losses, paid


def costs(xp):
    """What a step should have none of: copies between host and device, waits, additions in any order."""
    return [*xp.uploads, *xp.downloads, *xp.waits, *xp.unordered] if isinstance(xp, StandIn) else []


@pytest.mark.parametrize("variant", alexnet.VARIANTS)
def test_a_network_trains_to_the_bits_of_numpy(xp, variant):
    net = alexnet.build(variant, classes=5, width=1 / 16)
    x, t = (50 * normal(2, *net.input_shape)).astype("float32"), np.array([3, 0])
    params, state, losses, _ = training_steps(net, x, t, np)
    x_, t_ = xp.asarray(x), xp.asarray(t)
    params_, state_, losses_, paid = training_steps(net, x_, t_, xp)

    assert paid == [], "the loss waits until it is asked for"
    assert losses_ == losses and np.isfinite(losses).all()
    assert list(params_) == list(params) and list(state_) == list(state)
    for name, value in (params | state).items():
        ours = (params_ | state_)[name]
        assert type(ours) is xp.ndarray and ours.dtype == "float32"
        np.testing.assert_array_equal(to_numpy(ours), value, err_msg=name)

    logits, _ = network.forward(net.layers, params, x, state=state, train=False)
    logits_, _ = network.forward(net.layers, params_, x_, state=state_, train=False)
    np.testing.assert_array_equal(to_numpy(logits_), logits)


class Noise:
    """A split of images in memory."""

    def __init__(self, count):
        rng = np.random.default_rng(count)
        self.labels = rng.integers(3, size=count)
        self.pixels = rng.integers(256, size=(count, 256, 256, 3), dtype="uint8")

    def __len__(self):
        return len(self.labels)

    def images(self, indices, *, out=None):
        return np.take(self.pixels, indices, axis=0, out=out)


@pytest.fixture
def packed(tmp_path):
    mean = np.full((256, 256, 3), 127, "float32")
    return Packed(tmp_path, ("a", "b", "c"), mean, Noise(10), Noise(5), {})


def test_a_step_of_a_run_waits_for_the_device_once(xp, packed, tmp_path):
    config = train.Config("noise", "paper", 1 / 16, packed.classes, RECIPES["small"])
    snapshot = train.start(config, packed, xp=xp)
    trainer = train.Trainer(config, packed, snapshot, config.network().layers, tmp_path, xp)
    x, t = xp.asarray(normal(2, 224, 224, 3).astype("float32")), xp.asarray(np.array([2, 0]))
    before = len(costs(xp))
    loss, right = trainer._step(x, t)
    assert costs(xp)[before:] == [(2,)], "its loss and how many were right, together"
    assert loss > 0 and right in (0, 1, 2)


def test_a_validation_waits_for_the_device_once(xp, packed, tmp_path):
    config = train.Config("noise", "bn", 1 / 16, packed.classes, replace(RECIPES["small"], batch=2))
    snapshot = train.start(config, packed, xp=xp)
    trainer = train.Trainer(config, packed, snapshot, config.network().layers, tmp_path, xp)
    three = list(trainer._batches(batches.test_batches, packed.val))
    before = len(costs(xp))
    evaluate(trainer.layers, snapshot.params, snapshot.state, three)
    assert len(three) == 3 and costs(xp)[before:] == [(3,)], "loss, top-1 and top-5, together"


def test_probabilities_wait_for_the_device_once_a_batch(xp):
    net = alexnet.build("owt", classes=3, width=1 / 16)
    x, t = normal(2, *net.input_shape).astype("float32"), np.array([2, 0])
    results = []
    for module in np, xp:
        params, state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=module)
        batch, before = (on(module, x), on(module, t)), len(costs(module))
        results.append(probabilities(net.layers, params, state, [batch, batch]))
        assert costs(module)[before:] == ([] if module is np else [(2, 4)] * 2), "both with their labels"
    for ours, numpys in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, numpys, strict=True)


def training_batch(xp, packed, batch):
    """The first batch of so many, with all that varies images."""
    augmentation = Augmentation(color="stdev", divisor=1.1)
    options = {"seed": 0, "epoch": 0, "augmentation": augmentation, "covariance": np.eye(3)}
    preprocessing = Preprocessing(packed.mean)
    made = batches.train_batches(packed.train, preprocessing, size=224, batch=batch, xp=xp, **options)
    with closing(made):
        return next(made)


def test_more_images_are_no_more_launches(packed):
    """Neither in the making of a batch nor in a step: both take the whole batch at once."""
    counts = {}
    for batch in (2, 5):
        xp = StandIn()
        net = alexnet.build("code2012", classes=3, width=1 / 16)
        x, t = training_batch(xp, packed, batch)
        made = len(xp.launches)
        assert xp.downloads == xp.waits == xp.unordered == []
        training_steps(net, x, t, xp, steps=1)
        counts[batch] = made, len(xp.launches) - made
    assert counts[2] == counts[5] and counts[2][0] < 20


def test_an_update_is_a_few_launches_for_each_parameter(xp):
    params, grads = ({"fc.W": xp.ones((1000, 300)), "fc.b": xp.ones(300)} for _ in range(2))
    velocity, before = optim.init_velocity(params), len(xp.launches)
    optim.update(params, velocity, grads, optim.Rates(0.1, 0.1))
    assert len(xp.launches) - before <= 1 + 6 * len(params)


@pytest.mark.parametrize("ops, rewrite", [(reference, tuple), (fused, kernels.fuse)], ids=["reference", "fused"])
def test_so_does_one_in_mixed_precision_whether_it_fits_or_not(xp, packed, tmp_path, ops, rewrite):
    if ops is fused and missing():
        pytest.skip(missing())
    config = train.Config("noise", "paper", 1 / 16, packed.classes, RECIPES["small"], dtype="mixed")
    snapshot = train.start(config, packed, xp=xp)
    trainer = train.Trainer(config, packed, snapshot, rewrite(config.network().layers), tmp_path, xp, ops)
    x, t = xp.asarray(normal(2, 224, 224, 3).astype("float16")), xp.asarray(np.array([2, 0]))
    for factor in (2.0**10, 2.0**30):
        snapshot.loss_scale = {"factor": factor, "good": 0}
        before = len(xp.uploads), len(xp.downloads)
        with np.errstate(over="ignore", invalid="ignore"):
            trainer._step(x, t)
        assert (xp.uploads[before[0] :], xp.downloads[before[1] :]) == ([], [(3,)]), "and the sum of its gradients"
    assert snapshot.sums == {"skipped": 1}


def test_a_run_and_its_resume_give_the_records_of_numpy(xp, packed, tmp_path):
    recipe = replace(RECIPES["small"], batch=4, rate=0.01, bias_rate=0.01)

    def run(module, name, epochs, begin):
        config = train.Config("noise", "bn", 1 / 16, packed.classes, replace(recipe, epochs=epochs))
        snapshot = begin(config, module)
        train.Trainer(config, packed, snapshot, config.network().layers, tmp_path / name, module).run()
        return [
            {key: record[key] for key in record if "second" not in key and key != "wait"} for record in snapshot.history
        ]

    def start(config, module):
        return train.start(config, packed, xp=module)

    def resume(config, module):
        return train.resume(config, tmp_path / "device", xp=module)

    expected = run(np, "host", 2, start)
    run(xp, "device", 1, start)
    assert run(xp, "device", 2, resume) == expected


def test_a_run_on_our_kernels_follows_numpy(xp, packed, tmp_path):
    """With the table `fused`, its layers and the kernels beside it, emulated: from bytes to a trained network."""
    config = train.Config("noise", "paper", 1 / 16, packed.classes, replace(RECIPES["small"], batch=4, epochs=1))
    own = {"ops": kernels.fused, "update": kernels.update, "preprocess": kernels.preprocess}
    records = []
    for module, how in ((np, {}), (xp, own)):
        snapshot, layers = train.start(config, packed, xp=module), config.network().layers
        layers = kernels.fuse(layers) if how else layers
        folder = tmp_path / module.__name__
        record = train.Trainer(config, packed, snapshot, layers, folder, module, **how).run()
        records.append([record[key] for key in ("loss", "val_loss", "val_top1")])
    np.testing.assert_allclose(records[1], records[0], rtol=1e-5)


@pytest.mark.filterwarnings("ignore:overflow|invalid value:RuntimeWarning")
def test_a_run_in_mixed_precision_goes_on_to_the_bit(xp, packed, tmp_path):
    """Other bits than NumPy's: products are rounded to float16, where NumPy's are not."""
    recipe = replace(RECIPES["small"], batch=4, rate=0.01, bias_rate=0.01)

    def run(name, epochs, begin):
        recipe_ = replace(recipe, epochs=epochs)
        config = train.Config("noise", "bn", 1 / 16, packed.classes, recipe_, dtype="mixed")
        snapshot = begin(config)
        train.Trainer(config, packed, snapshot, config.network().layers, tmp_path / name, xp).run()
        return {key: to_numpy(value).tobytes() for key, value in snapshot.params.items()}, snapshot.loss_scale

    expected = run("whole", 2, lambda config: train.start(config, packed, xp=xp))
    run("parts", 1, lambda config: train.start(config, packed, xp=xp))
    assert run("parts", 2, lambda config: train.resume(config, tmp_path / "parts", xp=xp)) == expected
