"""Two towers: the numbers of one network, with the exchanges of section 3.2 and no others."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from minialex import alexnet, network, optim, train
from minialex.backend import to_numpy
from minialex.checkpoint import Snapshot
from minialex.errors import UserError
from minialex.layers import Conv, Dropout, Flatten, Linear, NoParameters
from minialex.ops import reference
from minialex.parallel import ALONE, Exchange, Logits, Nccl, Towers, towers
from minialex.parallel.towers import OwnDropout, joined, parted
from minialex.recipes import RECIPES
from minialex.rng import DROPOUT, INIT, generator
from tests.parallel.threads import on_threads

TWO = SimpleNamespace(rank=0, size=2)
EXCHANGED = (13 * 13 * 128, 6 * 6 * 128, 2048, 2048)  # numbers an image, of a rank: into conv3, fc6, fc7 and fc8
LOGITS = 500


def test_a_rank_has_half_of_the_kernels_and_exchanges_where_the_paper_does():
    rewritten = towers(alexnet.build("paper").layers, TWO)
    kernels = [layer for layer in rewritten if isinstance(layer, (Conv, Linear))]
    sizes = [getattr(layer, "maps", None) or layer.units for layer in kernels]
    assert sizes == [48, 128, 192, 192, 128, 2048, 2048, 500]
    assert all(layer.groups == 1 for layer in kernels[:5])
    following = [rewritten[place + 1] for place, layer in enumerate(rewritten) if type(layer) is Exchange]
    assert [getattr(layer, "name", type(layer).__name__) for layer in following] == ["conv3", "Flatten", "fc7", "fc8"]
    assert type(rewritten[-1]) is Logits
    assert [layer.groups for layer in rewritten if type(layer).__name__ == "LRN"] == [1, 1], "inside each tower"
    assert sum(isinstance(layer, OwnDropout) for layer in rewritten) == 2


def test_dropout_of_all_units_stays_whole():
    rewritten = towers((Conv("conv1", 4, 1), Flatten(), Dropout(), Linear("fc2", 4)), TWO)
    assert [type(layer) for layer in rewritten] == [Conv, Exchange, Flatten, Dropout, Linear, Logits]


class Own(NoParameters):
    """A learner's record."""


@pytest.mark.parametrize(
    "layers, ranks, said",
    [
        (alexnet.build("caffe").layers, 2, "the groups of local response normalisation are 1, which 2 ranks"),
        (alexnet.build("paper", classes=5).layers, 2, "fc8's units are 5"),
        (alexnet.build("paper").layers, 3, "the groups of local response normalisation are 2, which 3 ranks"),
        (alexnet.build("paper", width=1 / 96).layers, 4, "conv1's maps are 2, which 4 ranks"),
        ((Conv("conv1", 4, 1), Own()), 2, "no tower is known for Own"),
    ],
)
def test_what_cannot_be_halved_is_refused_in_one_line(layers, ranks, said):
    with pytest.raises(UserError, match=said):
        towers(layers, SimpleNamespace(rank=0, size=ranks))


def test_parts_are_the_ranks_stretches_of_the_last_axis():
    whole = np.arange(24.0).reshape(2, 2, 6)
    parts = parted(whole, 3)
    assert parts.shape == (3, 2, 2, 2) and parts.flags.c_contiguous
    np.testing.assert_array_equal(parts[1], whole[..., 2:4])
    np.testing.assert_array_equal(joined(parts), whole)


def steps(team, net, x, t, xp, count=2, dtype="float64"):
    params, state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=xp, dtype=dtype)
    now = team.part(Snapshot(params, optim.init_velocity(params), state, np.zeros(0), {}))
    layers, rates = team.layers(net.layers), RECIPES["small"].rates(0, 1.0, [])
    for step in range(count):
        share = team.share(len(x))
        how = {"rates": rates, "rng": generator(0, DROPOUT, 0, step), "share": share}
        rows = xp.asarray(x[share.rows]), xp.asarray(t[share.rows])
        _, _, now.state = train.step(layers, now.params, now.velocity, now.state, *rows, **how)
    return team.whole(now)


@pytest.mark.parametrize("variant", ["paper", "bn", "owt"])
def test_steps_on_two_gpus_are_those_of_one_process(monkeypatch, variant):
    """On the strict stand-in, over a communicator of NCCL's interface."""
    net = alexnet.build(variant, classes=4, width=1 / 16)
    rng = np.random.default_rng(0)
    x, t = 50 * rng.standard_normal((3, *net.input_shape)), np.array([3, 0, 2])
    expected = steps(ALONE, net, x, t, np)

    def work(ranks, xp):
        return steps(Towers(ranks, Nccl(ranks, xp), xp), net, x, t, xp)

    whole, nothing = on_threads(2, work, monkeypatch)
    assert nothing is None
    for group in ("params", "velocity", "state"):
        ours, its = getattr(whole, group), getattr(expected, group)
        assert list(ours) == list(its)
        for name, value in its.items():
            close = {"rtol": 0, "atol": 1e-12 * np.abs(value).max()}
            np.testing.assert_allclose(to_numpy(ours[name]), value, **close, err_msg=name)


def test_the_bytes_of_a_step_are_those_of_the_shapes(monkeypatch):
    """At full width, of the activations alone: what is exchanged does not hang on what is in the layers."""
    net, batch = alexnet.build("paper"), 2

    def work(ranks, xp):
        comm = Nccl(ranks, xp)
        layers = towers(net.layers, comm)
        x = xp.zeros((batch, *net.input_shape), "float32")
        for layer in layers:  # the exchanges, on empty activations of the shapes between them
            x = shape_after(layer, x, xp)
        return dict(comm.sent)

    per_image = 4 * sum(EXCHANGED)
    for sent in on_threads(2, work, monkeypatch):
        assert sent == {"gather": batch * (per_image + 4 * LOGITS), "scatter_sum": batch * per_image}


def shape_after(layer, x, xp):
    """Send x through one layer of a tower, and through an exchange backward too."""
    params = {name: xp.zeros(value.shape, "float32") for name, value in layer.init(x.shape[1:], Zeros()).items()}
    y, cache = layer.forward(params, x, state={}, train=False, rng=None, ops=reference)
    if isinstance(layer, Exchange):
        dx, _ = layer.backward(y, cache, ops=reference)
        assert dx.shape == x.shape
    return y


class Zeros:
    """What draws nothing: weights of zero."""

    def normal(self, mean, sigma, shape):
        return np.broadcast_to(0.0, shape)


@pytest.mark.parametrize("variant", ["paper", "code2012", "bn"])
def test_ten_steps_on_two_ranks_of_mpi_are_those_of_one_process(mpi, variant):
    done = mpi(2, "same_numbers", "towers", "--variant", variant, "--batch", 5, "--width", 0.0625)
    assert done.returncode == 0, done.stdout + done.stderr
    differences = re.search(r"largest of all +(\S+) +(\S+)", done.stdout).groups()
    assert all(float(one) < 1e-12 for one in differences), done.stdout
    loss = re.search(r"losses of (\S+) to (\S+), which differ by (\S+) at most", done.stdout)
    assert float(loss[1]) != float(loss[2]) and float(loss[3]) < 1e-12
