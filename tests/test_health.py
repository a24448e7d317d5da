"""What is wrong is found and named: a network that does not learn, dead ReLUs, the first NaN."""

from math import inf, log, nan

import numpy as np
import pytest

from minialex import alexnet, health, network
from minialex.layers import BatchNorm, Conv, Flatten, Linear, MaxPool, ReLU
from minialex.rng import INIT, generator

SHAPE = (6, 5, 3)
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
    assert health.warnings(LAYERS, *net, loss=0.5, classes=3) == []
    assert set(health.dead_units(LAYERS, *net)) == {"conv1 ReLU", "fc2 ReLU"}


def test_guessing_is_said_in_one_sentence(net):
    for loss, classes in ((log(3), 3), (0.985 * log(1000), 1000), (50.0, 10)):
        (warning,) = health.warnings(LAYERS, *net, loss=loss, classes=classes)
        start = f"not learning: the loss is {loss:.2f}, and guessing among {classes} classes gives ln {classes} = "
        assert warning.startswith(f"{start}{log(classes):.2f}. Try another --lr") and "\n" not in warning
    assert health.warnings(LAYERS, *net, loss=0.97 * log(10), classes=10) == []


def test_a_dead_relu_is_named(net):
    params, state, x = net
    params["fc2.W"][:, :6], params["fc2.b"][:6] = 0, -1
    assert health.dead_units(LAYERS, *net) == {"conv1 ReLU": 0, "fc2 ReLU": 0.6}
    assert health.warnings(LAYERS, *net, loss=0.5, classes=3) == [
        "fc2 ReLU: 60% of its units are 0 on every image looked at. Try a lower --lr."
    ]
    params["conv1.b"][:] = -100
    assert [warning[:10] for warning in health.warnings(LAYERS, *net, loss=9, classes=3)] == [
        "not learni", "conv1 ReLU", "fc2 ReLU: "
    ]  # fmt: skip


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
