"""The rewritten table of layers: to the bit the network that it was on array code, and on kernels fewer of them."""

from dataclasses import dataclass

import numpy as np
import pytest

from minialex import alexnet, checkpoint, network, optim, train
from minialex.checkpoint import Snapshot
from minialex.kernels import fuse, fused
from minialex.kernels.fuse import LRNMaxPool, WithReLU
from minialex.layers import LRN, Conv, Flatten, Linear, MaxPool, ReLU
from minialex.ops import fast, reference
from minialex.rng import DROPOUT, INIT, generator
from tests.kernels.test_step import INPUT, LAYERS
from tests.strict_cupy import StandIn


def trained(layers, net, ops, xp=np):
    """Parameters, velocities and state after two steps, the loss, and logits in testing, all of them on the host."""
    params, state = network.init(layers, net.input_shape, generator(0, INIT), xp=xp)
    velocity, rng = optim.init_velocity(params), np.random.default_rng(0)
    x = xp.asarray((50 * rng.standard_normal((2, *net.input_shape))).astype("float32"))
    for step in range(2):
        how = {"rates": optim.Rates(0.01, 0.02), "rng": generator(0, DROPOUT, 0, step), "ops": ops}
        loss, _, state = train.step(layers, params, velocity, state, x, xp.asarray(np.array([3, 0])), **how)
    logits, _ = network.forward(layers, params, x, state=state, train=False, ops=ops)
    return params, velocity, state, float(loss), logits


@pytest.mark.parametrize("ops", [reference, fast], ids=["reference", "fast"])
@pytest.mark.parametrize("variant", alexnet.VARIANTS)
def test_on_array_code_it_is_the_same_network_to_the_bit(tmp_path, variant, ops):
    """And so is its checkpoint."""
    net = alexnet.build(variant, classes=5, width=1 / 16)
    results = [trained(layers, net, ops) for layers in (net.layers, fuse(net.layers))]
    files = []
    for number, (params, velocity, state, _, _) in enumerate(results):
        checkpoint.save(tmp_path / str(number), Snapshot(params, velocity, state, np.zeros(1, "float32"), {}))
        files.append((tmp_path / str(number)).read_bytes())
    (*_, loss, logits), (*_, loss_, logits_) = results
    assert [list(names) for names in results[0][:3]] == [list(names) for names in results[1][:3]]
    assert files[0] == files[1] and loss == loss_ and logits.tobytes() == logits_.tobytes()


def test_so_is_what_it_says_of_itself():
    net = alexnet.build("paper")
    tables = [network.summary(layers, net.input_shape).splitlines() for layers in (net.layers, fuse(net.layers))]
    assert tables[1][-1].split() == tables[0][-1].split(), "as many parameters and multiply-adds"
    assert {line.partition(" ")[0] for line in tables[1]} >= {f"conv{n}" for n in range(1, 6)} | {"fc6", "fc7", "fc8"}


def kinds(layers):
    return [type(layer).__name__ for layer in layers]


def test_which_layers_become_one():
    net = alexnet.build("paper")
    convs = ["WithReLU", "LRNMaxPool"] * 2 + ["WithReLU"] * 3 + ["MaxPool", "Flatten"]
    assert kinds(fuse(net.layers)) == [*convs, *["WithReLU", "Dropout"] * 2, "Linear"]
    assert fuse(net.layers)[0] == WithReLU(net.layers[0], ReLU())
    assert fuse(net.layers)[1] == LRNMaxPool(LRN(groups=2), MaxPool())
    assert kinds(fuse(alexnet.build("code2012").layers))[:7] == [
        *("Conv", "LRNMaxPool", "ReLU", "WithReLU", "LRN", "MapNorm", "MaxPool")
    ]
    assert fuse(()) == () and kinds(fuse((ReLU(), ReLU()))) == ["ReLU", "ReLU"]


def test_a_learners_own_kind_of_layer_stays():
    @dataclass(frozen=True)
    class Leaky(ReLU):
        pass

    layers = (Conv("conv1", 8, 3), Leaky(), Linear("fc2", 2), Flatten(), ReLU())
    assert fuse(layers) == layers


def work(layers, xp):
    """The names of all that a training step on kernels gives the device to do."""
    params, _ = network.init(layers, INPUT, generator(0, INIT), xp=xp)
    x, t = xp.zeros((3, *INPUT), "float32"), xp.zeros(3, "int64")
    before = len(xp.launches)
    how = {"rates": optim.Rates(0.01, 0.01), "rng": generator(0, DROPOUT), "ops": fused}
    train.step(layers, params, optim.init_velocity(params), {}, x, t, **how)
    return xp.launches[before:]


def test_a_step_is_fewer_kernels(xp):
    apart, together = work(LAYERS, xp), work(fuse(LAYERS), StandIn())
    for name in ("lrn_forward", "lrn_backward", "max_pool_forward", "max_pool_backward"):
        assert name in apart and name not in together
    assert together.count("lrn_max_pool_forward") == together.count("lrn_max_pool_backward") == 1
    assert apart.count("bias_backward") == 0 and together.count("bias_backward") == 3
    assert "maximum" in apart and "maximum" not in together
    assert len(together) <= len(apart) - 12
