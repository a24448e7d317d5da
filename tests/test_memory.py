"""The estimate of a step's memory against what a step really takes, and the line that names a batch that fits."""

import gc
import operator
import tracemalloc
from types import SimpleNamespace

import pytest

from minialex import alexnet, kernels, memory, network, optim, train
from minialex.errors import UserError
from minialex.layers import LRN, BatchNorm, Conv, Flatten, Linear, MapNorm
from minialex.memory import GIB, Need, Working
from minialex.ops import reference
from minialex.precision import mixed
from minialex.rng import DROPOUT, INIT, generator
from tests import strict_cupy
from tests.strict_cupy import StandIn

TOLERANCE = 0.1  # of what a step takes


@pytest.fixture(autouse=True)
def narrow_products(monkeypatch):
    """Products of float16 without the float32 that stands for cuBLAS's own registers."""
    monkeypatch.setattr(strict_cupy, "product", operator.matmul)


def step_on(net, batch, dtype="float32", ops=reference, rewrite=tuple):
    """The most bytes that there are at once in a training step, and its estimate.

    On the stand-in every operation makes an array of its own, as on a GPU; NumPy would write over some of its operands.
    Kernels leave their results as they were, for to emulate them takes memory.
    """
    xp, layers = StandIn(), rewrite(net.layers)
    xp.RawModule = lambda **_: SimpleNamespace(get_function=lambda name: lambda *launched: None)
    gc.collect()
    tracemalloc.start()
    try:
        params, state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=xp)
        velocity = optim.init_velocity(params)
        x, t = xp.zeros((batch, *net.input_shape), dtype), xp.zeros(batch, "int64")
        gc.collect()
        tracemalloc.reset_peak()
        rates = optim.Rates(0.001, 0.001)
        how = {"rates": rates, "rng": generator(0, DROPOUT), "scale": 1.0 if dtype == "float32" else 2.0}
        how |= {"ops": mixed(ops, xp), "update": optim.update if ops is reference else kernels.update}
        train.step(layers, params, velocity, state, x, t, **how)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return peak, memory.estimate(net.layers, params, state, net.input_shape, dtype=dtype, ops=ops).of(batch)


@pytest.mark.parametrize(
    "variant, width, batch, dtype",
    [
        ("paper", 1 / 8, 8, "float32"),
        ("code2012", 1 / 4, 4, "float32"),
        ("caffe", 1 / 8, 4, "float32"),
        ("owt", 1 / 8, 8, "float32"),
        ("bn", 1 / 8, 8, "float32"),
        ("bn", 1 / 16, 3, "float16"),
        ("code2012", 1 / 16, 3, "float16"),
    ],
)
def test_an_estimate_is_what_a_step_takes(variant, width, batch, dtype):
    peak, told = step_on(alexnet.build(variant, classes=10, width=width), batch, dtype)
    assert told == pytest.approx(peak, rel=TOLERANCE)


@pytest.mark.parametrize(
    "variant, width, batch, dtype",
    [
        ("paper", 1 / 4, 16, "float32"),
        ("paper", 1 / 16, 6, "float16"),
        ("caffe", 1 / 8, 8, "float32"),
        ("owt", 1 / 16, 6, "float16"),
    ],
)
def test_so_is_one_on_kernels(variant, width, batch, dtype):
    net = alexnet.build(variant, classes=10, width=width)
    peak, told = step_on(net, batch, dtype, kernels.fused, kernels.fuse)
    assert told == pytest.approx(peak, rel=TOLERANCE)
    assert told < step_on(net, batch, dtype)[1], "than on array code"
    assert step_on(net, batch, dtype, kernels.fused)[0] <= told, "with each layer by itself"


def test_rows_that_go_by_slices_of_the_batch_are_no_more_with_more_images(monkeypatch):
    net = alexnet.build("owt", classes=10, width=1 / 8)
    for module in memory, kernels.conv:
        monkeypatch.setattr(module, "ROWS", 10_000_000)
    peak, told = step_on(net, 16, "float32", kernels.fused, kernels.fuse)
    assert told == pytest.approx(peak, rel=TOLERANCE)
    need = Need(params=0, image=1, update=0, layers=(Working(2, 30, 100), Working(5)))
    assert [need.of(batch) for batch in (1, 3, 4, 50, 200)] == [33, 99, 112, 300, 1200]
    assert Need(0, 0, 0, (Working(1, rows=500, most=100),)).of(3) == 503, "one image's are there at once"


@pytest.mark.parametrize(
    "layer, dtype",
    [
        (LRN(), "float32"),
        (MapNorm(), "float32"),
        (LRN(), "float16"),
        (MapNorm(), "float16"),
        (BatchNorm("bn2"), "float16"),  # in float32 it takes an array less than it is told to
    ],
)
def test_a_layer_that_takes_more_than_others_is_known(layer, dtype):
    layers = (Conv("conv1", 32, 1), layer, Flatten(), Linear("fc2", 2))
    peak, told = step_on(alexnet.Network("one", (20, 20, 3), layers), 8, dtype)
    assert told == pytest.approx(peak, rel=TOLERANCE)


@pytest.mark.parametrize("dtype, arrays", [("float32", 4), ("float16", 3.5)])
def test_where_weights_outweigh_images_the_update_is_the_fullest_moment(dtype, arrays):
    wide = alexnet.Network("wide", (8, 8, 1), (Flatten(), Linear("fc1", 4000)))
    peak, told = step_on(wide, 2, dtype)
    assert told == pytest.approx(peak, rel=TOLERANCE)
    assert told / (64 * 4000 * 4) == pytest.approx(arrays, rel=0.1), "weights, velocity, gradients, and what is added"


def test_two_images_are_sent_through_for_one_has_no_variance():
    layers = (Flatten(), Linear("fc1", 8), BatchNorm("bn1"), Linear("fc2", 2))
    params, state = network.init(layers, (2, 2, 1), generator(0, INIT), xp=StandIn())
    need = memory.estimate(layers, params, state, (2, 2, 1), dtype="float32", beside=1000)
    assert 1000 < need.image < 1000 + 100 * 4


def test_the_largest_batch_is_the_last_that_fits():
    need = Need(params=1000, image=10, update=95)
    assert [need.of(batch) for batch in (1, 9, 10, 11)] == [1095, 1095, 1100, 1110]
    for available in range(900, 1400, 7):
        batch = need.largest_batch(available)
        assert need.of(batch + 1) > available
        assert batch == 0 or need.of(batch) <= available


def test_a_batch_that_does_not_fit_is_told_with_one_that_does():
    """Nine tenths of the memory are counted on."""
    need = Need(params=GIB, image=GIB // 100, update=0)
    memory.check_fits(need, 800, 10 * GIB)
    with pytest.raises(UserError) as told:
        memory.check_fits(need, 1024, 10 * GIB)
    line = "a batch of 1024 needs about 11.2 GiB on the device, which has 9.0 GiB for it: --batch 800 fits"
    assert str(told.value) == line
    with pytest.raises(UserError, match="even --batch 1 is too large: take a smaller --width"):
        memory.check_fits(need, 1024, GIB)
