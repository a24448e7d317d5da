"""The five networks against the paper, the authors' code and the re-implementations, number by number."""

from dataclasses import FrozenInstanceError, replace
from functools import cache
from math import prod, sqrt

import numpy as np
import pytest

from minialex import alexnet, network
from minialex.errors import UserError
from minialex.layers import LRN, BatchNorm, Conv, Dropout, Linear, MapNorm, MaxPool
from minialex.rng import DROPOUT, INIT, generator

VARIANTS = ("paper", "code2012", "caffe", "owt", "bn")
HIDDEN = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")
each = pytest.mark.parametrize("variant", VARIANTS)


class Zeros:
    """Stands in for a generator where values do not matter: 61 million draws take seconds."""

    def normal(self, mean, sigma, shape):
        return np.broadcast_to(0.0, shape)

    uniform = normal


@cache
def counted(net):
    """{name: (output shape, parameters, multiply-adds)} of the named layers at full size."""
    params, rows, before = {}, {}, 0
    for layer, shape in network.trace(net.layers, net.input_shape, params, {}, Zeros(), xp=np):
        total = sum(value.size for value in params.values())
        if hasattr(layer, "name"):
            rows[layer.name] = shape, total - before, layer.macs(params, shape) if hasattr(layer, "macs") else 0
        before = total
    return rows


def totals(net):
    return tuple(sum(row[place] for row in counted(net).values()) for place in (1, 2))


def named(net):
    return {layer.name: layer for layer in net.layers if hasattr(layer, "name")}


# Counts


def test_there_are_these_variants():
    assert tuple(alexnet.VARIANTS) == VARIANTS


def test_paper_layer_by_layer():
    assert {name: row[1:] for name, row in counted(alexnet.build("paper")).items()} == {
        "conv1": (34_944, 105_415_200),
        "conv2": (307_456, 223_948_800),
        "conv3": (885_120, 149_520_384),
        "conv4": (663_936, 112_140_288),
        "conv5": (442_624, 74_760_192),
        "fc6": (37_752_832, 37_748_736),
        "fc7": (16_781_312, 16_777_216),
        "fc8": (4_097_000, 4_096_000),
    }


@each
def test_layers_with_weights(variant):
    assert [len(of_kind(variant, kind)) for kind in (Conv, Linear)] == [5, 3]


def test_shares_of_the_convolutions():
    """The paper says of each: no more than 1% of the parameters."""
    net = alexnet.build("paper")
    shares = [round(100 * row[1] / totals(net)[0], 2) for row in counted(net).values()]
    assert shares[:5] == [0.06, 0.50, 1.45, 1.09, 0.73]


def test_input_and_kernels_of_the_paper():
    net, params = alexnet.build("paper"), {}
    assert net.input_shape == (224, 224, 3) and prod(net.input_shape) == 150_528
    list(network.trace(net.layers, net.input_shape, params, {}, Zeros(), xp=np))
    kernels = [params[f"{layer.name}.W"].shape for layer in of_kind("paper", Conv)]
    assert kernels == [(11, 11, 3, 96), (5, 5, 48, 256), (3, 3, 256, 384), (3, 3, 192, 384), (3, 3, 192, 256)]


@pytest.mark.parametrize(
    "variant, expected",
    [
        ("paper", (60_965_224, 724_406_816)),
        ("code2012", (60_965_224, 724_406_816)),
        ("caffe", (60_965_224, 724_406_816)),
        ("owt", (61_100_840, 714_188_480)),
        ("bn", (60_965_224 + 704, 724_406_816)),
    ],
)
def test_parameters_and_multiply_adds(variant, expected):
    assert totals(alexnet.build(variant)) == expected


def test_without_groups():
    net = alexnet.build("caffe")
    layers = tuple(replace(layer, groups=1) if isinstance(layer, Conv) else layer for layer in net.layers)
    assert totals(replace(net, layers=layers)) == (62_378_344, 1_135_256_096)


@each
def test_shapes_and_neurons(variant):
    net = alexnet.build(variant)
    shapes = {name: row[0] for name, row in counted(net).items() if not name.startswith("bn")}
    maps = (64, 192, 384, 256, 256) if variant == "owt" else (96, 256, 384, 384, 256)
    sides = zip((55, 27, 13, 13, 13), maps, strict=True)
    assert list(shapes.values()) == [(side, side, C) for side, C in sides] + [(4096,), (4096,), (1000,)]
    if variant != "owt":
        neurons = [prod(shape) for shape in shapes.values()]
        assert neurons == [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000] and sum(neurons) == 659_272


def test_classes_change_the_last_layer_alone():
    ten, thousand = counted(alexnet.build("paper", classes=10)), counted(alexnet.build("paper"))
    assert ten.pop("fc8") == ((10,), 40_970, 40_960) and thousand.pop("fc8") and ten == thousand


# The graphs

GRAPHS = {
    "paper": """conv1 ReLU LRN MaxPool conv2 ReLU LRN MaxPool conv3 ReLU conv4 ReLU conv5 ReLU MaxPool
        Flatten fc6 ReLU Dropout fc7 ReLU Dropout fc8""",
    "code2012": """conv1 LRN MaxPool ReLU conv2 ReLU LRN MapNorm MaxPool conv3 ReLU conv4 ReLU conv5 MaxPool ReLU
        Flatten fc6 ReLU Dropout fc7 ReLU Dropout fc8""",
    "caffe": """conv1 ReLU LRN MaxPool conv2 ReLU LRN MaxPool conv3 ReLU conv4 ReLU conv5 ReLU MaxPool
        Flatten fc6 ReLU Dropout fc7 ReLU Dropout fc8""",
    "owt": """conv1 ReLU MaxPool conv2 ReLU MaxPool conv3 ReLU conv4 ReLU conv5 ReLU MaxPool
        Flatten Dropout fc6 ReLU Dropout fc7 ReLU fc8""",
    "bn": """conv1 ReLU bn1 MaxPool conv2 ReLU bn2 MaxPool conv3 ReLU conv4 ReLU conv5 ReLU MaxPool
        Flatten fc6 ReLU Dropout fc7 ReLU Dropout fc8""",
}


@each
def test_the_order_of_the_graph(variant):
    layers = alexnet.build(variant).layers
    assert [getattr(layer, "name", type(layer).__name__) for layer in layers] == GRAPHS[variant].split()


@each
def test_inputs_strides_pads_and_groups(variant):
    net = alexnet.build(variant)
    convs = [layer for layer in net.layers if isinstance(layer, Conv)]
    assert (net.name, net.input_shape) == (variant, (227, 227, 3) if variant == "caffe" else (224, 224, 3))
    assert [(conv.kernel, conv.stride) for conv in convs] == [(11, 4), (5, 1), (3, 1), (3, 1), (3, 1)]
    first = {"caffe": 0, "owt": 2}.get(variant, ((0, 3), (0, 3)))
    assert [conv.pad for conv in convs] == [first, 2, 1, 1, 1]
    assert [conv.groups for conv in convs] == ([1] * 5 if variant == "owt" else [1, 2, 1, 2, 2])


def of_kind(variant, kind):
    return [layer for layer in alexnet.build(variant).layers if isinstance(layer, kind)]


def test_constants_of_the_layers_without_weights():
    assert of_kind("paper", LRN) == [LRN(n=5, k=2, alpha=1e-4, beta=0.75, groups=2)] * 2
    assert of_kind("code2012", LRN) == [LRN(n=5, k=2, alpha=1e-4 / 5, beta=0.75, groups=2)] * 2
    assert of_kind("caffe", LRN) == [LRN(n=5, k=1, alpha=1e-4 / 5, beta=0.75, groups=1)] * 2
    assert of_kind("owt", LRN) == of_kind("bn", LRN) == []
    assert of_kind("code2012", MapNorm) == [MapNorm(size=5, k=1, alpha=0.001 / 25, beta=0.75)]
    assert of_kind("bn", BatchNorm) == [BatchNorm("bn1", 1e-5, 0.9), BatchNorm("bn2", 1e-5, 0.9)]
    for variant in VARIANTS:
        assert of_kind(variant, MaxPool) == [MaxPool(kernel=3, stride=2)] * 3
        assert of_kind(variant, Dropout) == [Dropout(p=0.5, inverted=variant in ("caffe", "owt"))] * 2


# Initial values, of conv1..conv5, fc6..fc8

SIGMA = {
    "paper": [0.01] * 8,
    "code2012": [0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01],
    "caffe": [0.01, 0.01, 0.01, 0.01, 0.01, 0.005, 0.005, 0.01],
    "owt": [None] * 8,
    "bn": [0.01] * 8,
}
ONES = [0, 1, 0, 1, 1, 1, 1, 0]  # conv2, conv4, conv5 and the hidden fully connected layers
BIAS = {"caffe": [0.1 * one for one in ONES]}


def weighted(net):
    return [layer for layer in net.layers if isinstance(layer, (Conv, Linear))]


@each
def test_sigma_and_bias_of_the_tables(variant):
    layers = weighted(alexnet.build(variant))
    assert [layer.sigma for layer in layers] == SIGMA[variant]
    if variant != "owt":
        assert [layer.bias for layer in layers] == BIAS.get(variant, ONES)


@each
@pytest.mark.parametrize("eighths", [1, 2])
def test_initial_values_of_narrow_networks(variant, eighths):
    net = alexnet.build(variant, classes=50, width=eighths / 8)
    params, _ = network.init(net.layers, net.input_shape, generator(0, INIT), xp=np)
    grown = sqrt(8 / eighths)  # the fan-in of all but conv1 shrinks, and sigma grows by the root of that
    expected = zip(weighted(net), SIGMA[variant], BIAS.get(variant, ONES), strict=True)
    for layer, sigma, bias in expected:
        W, b = params[f"{layer.name}.W"], params[f"{layer.name}.b"]
        assert abs(W.mean()) < 5 * W.std() / sqrt(W.size)
        if sigma is None:
            bound = 1 / sqrt(W.size / W.shape[-1])
            assert 0.99 * bound < np.abs(W).max() <= bound * 1.000001 and abs(W.std() * sqrt(3) / bound - 1) < 0.03
            assert 0.7 * bound < np.abs(b).max() <= bound * 1.000001
        else:
            sigma = sigma if layer.name == "conv1" else sigma * grown
            assert abs(W.std() / sigma - 1) < 5 / sqrt(2 * W.size)
            assert (b == np.float32(bias)).all()


# Width


@pytest.mark.parametrize(
    "width, sizes",
    [
        (1 / 16, (6, 16, 24, 24, 16, 256, 256)),
        (1 / 8, (12, 32, 48, 48, 32, 512, 512)),
        (1 / 4, (24, 64, 96, 96, 64, 1024, 1024)),
        (0.3, (28, 76, 116, 116, 76, 1228, 1228)),
        (0.07, (6, 18, 26, 26, 18, 286, 286)),  # 6.72, 17.92, 26.88, ..., 286.72: the nearest even ones
        (1 / 1000, (2, 2, 2, 2, 2, 4, 4)),
        (2, (192, 512, 768, 768, 512, 8192, 8192)),
    ],
)
def test_width_scales_every_hidden_layer_to_an_even_size(width, sizes):
    layers = named(alexnet.build("paper", classes=11, width=width))
    assert tuple(getattr(layers[name], "maps", None) or layers[name].units for name in HIDDEN) == sizes
    assert layers["fc8"].units == 11


def test_a_wide_network_keeps_its_sigma():
    assert [layer.sigma for layer in weighted(alexnet.build("code2012", width=2))] == SIGMA["code2012"]


# Running them


@each
def test_forward_and_backward(variant):
    net = alexnet.build(variant, classes=7, width=1 / 16)
    params, state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=np, dtype="float64")
    x = 50 * np.random.default_rng(0).standard_normal((2, *net.input_shape))
    logits, caches = network.forward(net.layers, params, x, state=state, train=True, rng=generator(0, DROPOUT))
    assert logits.shape == (2, 7) and logits.dtype == "float64" and len(caches) == len(net.layers)
    grads = network.backward(net.layers, params, caches, np.random.default_rng(1).standard_normal((2, 7)))
    assert list(grads) == list(params)
    for name, grad in grads.items():
        assert grad.shape == params[name].shape and grad.dtype == "float64" and np.abs(grad).max() > 0, name
    new = network.update_state(net.layers, state, caches)
    assert list(new) == (["bn1.mean", "bn1.var", "bn2.mean", "bn2.var"] if variant == "bn" else [])


# Mistakes


def test_an_unknown_variant_is_told_the_known_ones():
    with pytest.raises(ValueError, match="no variant 'vgg': there are paper, code2012, caffe, owt, bn"):
        alexnet.build("vgg")


@pytest.mark.parametrize("classes", [1, 0, -3])
def test_too_few_classes(classes):
    with pytest.raises(ValueError, match=f"classes={classes}, width=1.0: it needs 2 classes or more"):
        alexnet.build("paper", classes=classes)


@pytest.mark.parametrize("width", [0, -1, float("nan"), float("inf")])
def test_impossible_widths(width):
    with pytest.raises(ValueError, match=f"width={width}: it needs .* a width above 0"):
        alexnet.build("paper", width=width)


def test_a_network_is_frozen():
    with pytest.raises(FrozenInstanceError):
        alexnet.build("paper").layers = ()


def test_a_config_tells_its_network():
    config = {"variant": "owt", "classes": ["a", "b", "c"], "width": 0.25, "seed": 1}
    assert alexnet.from_config(config) == alexnet.build("owt", classes=3, width=0.25)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"variant": "vgg", "classes": ["a", "b"], "width": 1.0}, "no variant 'vgg'"),
        ({"variant": "owt", "classes": ["a"], "width": 1.0}, "classes=1"),
        ({"variant": "owt", "classes": ["a", "b"]}, "'width'"),
    ],
)
def test_a_config_that_tells_no_network_is_a_users_error(config, message):
    with pytest.raises(UserError, match=f"no network that there is: .*{message}"):
        alexnet.from_config(config)
