"""One batch measured; what is wrong is found and named: a weak signal, too large a step, dead ReLUs, the first NaN."""

from dataclasses import replace
from math import inf, log, nan

import numpy as np
import pytest

from minialex import alexnet, health, network, optim
from minialex.health import Health, Row
from minialex.layers import BatchNorm, Conv, Dropout, Flatten, Linear, MaxPool, ReLU
from minialex.ops import reference, softmax
from minialex.optim import Rates
from minialex.rng import INIT, generator

SHAPE = (6, 5, 3)
LATE = health.PATIENCE
LAYERS = (
    Conv("conv1", 4, 3, sigma=0.3),
    ReLU(),
    BatchNorm("bn1"),
    MaxPool(2, 1),
    Flatten(),
    Linear("fc2", 10, 0.3, bias=1),
    ReLU(),
    Linear("fc3", 3),
)


@pytest.fixture
def net():
    """params, state and images, as the functions take them."""
    params, state = network.init(LAYERS, SHAPE, generator(0, INIT), xp=np)
    return params, state, np.random.default_rng(0).standard_normal((8, *SHAPE)).astype("float32")


def test_layers_have_names_for_people():
    names = [name for name, _ in health.labelled(LAYERS)]
    assert names == ["conv1", "conv1 ReLU", "bn1", "bn1 MaxPool", "bn1 Flatten", "fc2", "fc2 ReLU", "fc3"]
    assert [name for name, _ in health.labelled((Flatten(), Linear("fc", 2)))] == ["Flatten", "fc"]
    relus = [name for name, layer in health.labelled(alexnet.build("code2012").layers) if isinstance(layer, ReLU)]
    assert relus == [f"{name} ReLU" for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")]


def test_a_sound_network_has_nothing_to_say(net):
    assert health.first_not_finite(LAYERS, *net) == ""
    assert health.warnings(LAYERS, *net, loss=0.5, classes=3, steps=LATE) == []
    assert set(health.dead_units(LAYERS, *net)) == {"conv1 ReLU", "fc2 ReLU"}


def test_guessing_is_said_in_one_sentence(net):
    for loss, classes in ((log(3), 3), (0.985 * log(1000), 1000), (50.0, 10)):
        (warning,) = health.warnings(LAYERS, *net, loss=loss, classes=classes, steps=LATE)
        start = f"not learning: the loss is {loss:.2f}, and guessing among {classes} classes gives ln {classes} = "
        assert warning.startswith(f"{start}{log(classes):.2f}. Try another --lr") and "\n" not in warning
    assert health.warnings(LAYERS, *net, loss=0.97 * log(10), classes=10, steps=LATE) == []


def test_a_loss_that_may_yet_fall_is_not_spoken_of(net):
    assert health.warnings(LAYERS, *net, loss=log(3), classes=3, steps=LATE - 1) == []
    assert health.warnings(LAYERS, *net, loss=log(3), classes=3, steps=LATE) != []


def test_a_dead_relu_is_named(net):
    params, state, x = net
    params["fc2.W"][:, :6], params["fc2.b"][:6] = 0, -1
    assert health.dead_units(LAYERS, *net) == {"conv1 ReLU": 0, "fc2 ReLU": 0.6}
    assert health.warnings(LAYERS, *net, loss=0.5, classes=3, steps=LATE) == [
        "fc2 ReLU: 60% of its units are 0 on every image looked at. Try a lower --lr."
    ]
    params["conv1.b"][:] = -100
    assert [warning[:10] for warning in health.warnings(LAYERS, *net, loss=9, classes=3, steps=LATE)] == [
        "not learni", "conv1 ReLU", "fc2 ReLU: "
    ]  # fmt: skip


@pytest.mark.parametrize("dead, said", [(4, 0), (5, 1)])
def test_half_of_a_layer_is_enough_to_be_named(net, dead, said):
    net[0]["fc2.W"][:] = 0
    net[0]["fc2.b"][:dead] = -1
    assert len(health.warnings(LAYERS, *net, loss=0.5, classes=3, steps=LATE)) == said


def test_a_unit_that_one_image_wakes_is_alive(net):
    params, state, x = net
    params["conv1.W"][..., 0], params["conv1.b"][0] = 0, -1
    params["conv1.W"][0, 0, 0, 0] = 1
    x[..., 0] = 0
    assert health.dead_units(LAYERS, *net)["conv1 ReLU"] == 0.25
    x[5, 1, 2, 0] = 2  # one pixel of one image
    assert health.dead_units(LAYERS, *net)["conv1 ReLU"] == 0


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("name", ["conv1.W", "bn1.beta", "fc3.b"])
def test_a_parameter_that_is_no_number_is_named(net, name, value):
    net[0][name].reshape(-1)[-1] = value
    assert health.first_not_finite(LAYERS, *net) == f"the parameter {name}"


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
def test_an_output_that_is_no_number_is_named(net):
    params, state, x = net
    params["fc2.W"][:] = 3e38
    assert health.first_not_finite(LAYERS, *net) == "the output of fc2"
    state["bn1.mean"][1] = nan
    assert health.first_not_finite(LAYERS, *net) == "the output of bn1"
    x[3, 2, 2, 1] = nan
    assert health.first_not_finite(LAYERS, *net) == "the output of conv1"


# One batch measured


DROPPING = (*LAYERS[:-1], Dropout(), LAYERS[-1])
RATES = Rates(0.1, 0.2, momentum=0.5, decay=0.25, bias_decay=0.125)


@pytest.fixture
def batch(net):
    """What `measure` takes, for DROPPING: velocities of some size, and labels."""
    params, state, x = net
    rng = np.random.default_rng(1)
    velocity = {name: 0.1 * rng.standard_normal(value.shape).astype("float32") for name, value in params.items()}
    return params, velocity, state, x, np.array([0, 1, 2, 0, 1, 2, 0, 1])


def rows(measured):
    return {row.name: row for row in measured.rows}


def by_hand(layers, params, state, x):
    """The output of each layer as in training, without dropping anything."""
    for layer in layers:
        x, _ = layer.forward(params, x, state=state, train=not isinstance(layer, Dropout), rng=None, ops=reference)
        yield x


def test_activations_are_those_behind_the_relu(batch):
    params, velocity, state, x, t = batch
    measured = health.measure(DROPPING, params, velocity, state, x, t, RATES)
    conv1, relu1, bn1, _, _, fc2, relu2, _, fc3 = by_hand(DROPPING, params, state, x)
    assert [row.name for row in measured.rows] == ["conv1", "bn1", "fc2", "fc3"]
    for row, y in zip(measured.rows, (relu1, bn1, relu2, fc3), strict=True):
        images = np.mean([values.std() for values in y.reshape(8, -1).T])
        assert (row.mean, row.spread, row.images) == pytest.approx((y.mean(), y.std(), images), rel=1e-5, abs=1e-7)
    for row, y in ((measured.rows[0], relu1), (measured.rows[2], relu2)):
        assert row.zeros == pytest.approx(np.count_nonzero(y <= 0) / y.size) and 0.1 < row.zeros < 0.9
        assert row.dead == np.mean([not values.any() for values in y.reshape(-1, y.shape[-1]).T])
    assert (measured.rows[1].zeros, measured.rows[1].dead, measured.rows[3].zeros) == (None, None, None)
    assert measured.loss == pytest.approx(-np.log(softmax(fc3)[np.arange(8), t]).mean(), rel=1e-5)
    assert measured.classes == 3


def test_a_pool_may_stand_before_the_relu(net):
    """As in the released code's conv1 and conv5."""
    x = net[-1]
    layers = (LAYERS[0], MaxPool(2, 1), ReLU(), Flatten(), Linear("fc", 3))
    params, _ = network.init(layers, SHAPE, generator(1, INIT), xp=np)
    t = np.zeros(8, dtype=int)
    first, _ = health.measure(layers, params, optim.init_velocity(params), {}, x, t, RATES).rows
    y = list(by_hand(layers, params, {}, x))[2]
    assert (first.mean, first.spread) == pytest.approx((y.mean(), y.std()), rel=1e-5) and first.zeros > 0


def test_the_step_is_the_one_that_the_update_makes(batch):
    """Of the first parameter of each layer; with dropout off it is that of the network without it."""
    params, velocity, state, x, t = batch
    rates = Rates(0.1, 0.2, momentum=0.5, decay=0.25, bias_decay=0.125, layers={"fc2": None, "fc3": 0.03})
    measured = rows(health.measure(LAYERS, params, velocity, state, x, t, rates))
    before = {name: value.copy() for name, value in params.items()}
    logits, caches = network.forward(LAYERS, params, x, state=state, train=True)
    _, cache = reference.softmax_cross_entropy.forward(logits, t)
    grads = network.backward(LAYERS, params, caches, reference.softmax_cross_entropy.backward(1.0, cache))
    optim.update(params, velocity, grads, rates)
    for name, layer in [("conv1.W", "conv1"), ("bn1.gamma", "bn1"), ("fc2.W", "fc2"), ("fc3.W", "fc3")]:
        expected = np.linalg.norm(params[name] - before[name]) / np.linalg.norm(before[name])
        assert measured[layer].step == pytest.approx(expected, rel=1e-3, abs=1e-9)
    assert measured["fc2"].step == 0 < min(measured[name].step for name in ("conv1", "bn1", "fc3"))


def test_measuring_changes_nothing(batch):
    params, velocity, state, x, t = batch
    arrays = [*params.values(), *velocity.values(), *state.values(), x, t]
    before = [array.tobytes() for array in arrays]
    first = health.measure(DROPPING, params, velocity, state, x, t, RATES)
    assert [array.tobytes() for array in arrays] == before
    assert health.measure(DROPPING, params, velocity, state, x, t, RATES) == first, "nothing is drawn"


def test_sigma_001_is_weak_and_the_released_code_is_not():
    """On blotches of the spread of photographs, at an eighth of the width: sigma grows with what is missing."""
    x = 50 * np.random.default_rng(0).standard_normal((4, 14, 14, 3)).astype("float32")
    x, t, found = x.repeat(16, axis=1).repeat(16, axis=2), np.array([3, 7, 0, 4]), {}
    for variant in ("paper", "code2012"):
        net = alexnet.build(variant, classes=10, width=1 / 8)
        params, state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=np)
        velocity = optim.init_velocity(params)
        measured = health.measure(net.layers, params, velocity, state, x, t, Rates(0.001, 0.001))
        found[variant] = measured.rows[-1].images, health.findings(measured)
    assert found["paper"][0] < health.WEAK / 2 and found["code2012"][0] > health.WEAK
    assert ["hardly tell one image" in line for line in found["paper"][1]] == [True] and found["code2012"][1] == []


# Told


SOUND = Health((Row("conv1", 1.5, 2.5, 2.0, 0.4, 0.1, 1e-3), Row("fc2", 0.0, 0.3, 0.2, step=2e-3)), 1.1, 3)


def with_logits(**changed):
    return replace(SOUND, rows=(SOUND.rows[0], replace(SOUND.rows[1], **changed)))


def test_the_report_of_a_sound_network():
    title, head, conv1, fc2, *legend = health.report(SOUND, 0).splitlines()
    assert title == "health before the first step, on one batch: loss 1.10 (guessing gives ln 3 = 1.10)"
    assert head.split() == ["layer", "mean", "spread", "images", "zeros", "dead", "step"]
    assert conv1.split() == ["conv1", "1.5", "2.5", "2", "40%", "10%", "1.0e-03"]
    assert fc2.split() == ["fc2", "0", "0.3", "0.2", "2.0e-03"]
    assert len(conv1) == len(fc2) == len(head) and max(map(len, legend)) <= 120
    assert "|dw| / |w|" in legend[-1] and not any(line.startswith("  !") for line in legend)
    assert health.report(SOUND, 100).startswith("health after 100 steps, on one batch")


def test_a_weak_signal_is_told_with_what_to_change():
    assert health.findings(SOUND) == health.findings(with_logits(images=health.WEAK)) == []
    (line,) = health.findings(with_logits(images=0.0085))
    assert "spread by 0.0085" in line and "ln 3" in line and "--variant code2012" in line
    assert health.report(with_logits(images=0.0085), 0).splitlines()[-1] == f"  ! {line}"


def test_too_large_a_step_is_told_with_what_to_change():
    assert health.findings(with_logits(step=health.LARGE)) == health.findings(with_logits(step=None)) == []
    (line,) = health.findings(with_logits(step=0.049))
    assert "changes fc2 by 4.9% of its weights" in line and "--lr" in line


def test_dead_units_are_told():
    dead = replace(SOUND, rows=(replace(SOUND.rows[0], dead=0.5), SOUND.rows[1]))
    assert health.findings(dead) == ["conv1: 50% of its units are 0 on every image looked at. Try a lower --lr."]
    assert health.findings(replace(dead, rows=(replace(dead.rows[0], dead=0.49), dead.rows[1]))) == []
