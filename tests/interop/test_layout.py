import numpy as np
import pytest

from minialex import alexnet, network
from minialex.backend import get_backend
from minialex.errors import UserError
from minialex.interop.layout import Weights, adopt, input_shapes, to_ours, to_theirs, width_of
from minialex.layers import Conv, Linear

H, W, C, M = 2, 3, 4, 5
CONV, FC6, FC7 = Conv("conv1", M, (H, W)), Linear("fc6", M), Linear("fc7", M)


def numbered(*shape):
    return np.arange(np.prod(shape), dtype="float32").reshape(shape)


def test_a_convolution_is_turned():
    ours = numbered(H, W, C, M)
    theirs = to_theirs(CONV, ours, (9, 9, C))
    assert theirs.shape == (M, C, H, W) and theirs.flags.c_contiguous
    assert all(theirs[m, c, i, j] == ours[i, j, c, m] for i, j, c, m in np.ndindex(ours.shape))


def test_the_first_linear_layer_sees_maps_where_ours_sees_pixels():
    ours = numbered(H * W * C, M)
    theirs = to_theirs(FC6, ours, (H, W, C))
    assert theirs.shape == (M, C * H * W)
    for i, j, c, m in np.ndindex(H, W, C, M):
        assert theirs[m, (c * H + i) * W + j] == ours[(i * W + j) * C + c, m]


def test_a_linear_layer_after_it_is_only_transposed():
    ours = numbered(C, M)
    np.testing.assert_array_equal(to_theirs(FC7, ours, (C,)), ours.T)


@pytest.mark.parametrize(
    "layer, shape, value",
    [
        (CONV, (9, 9, C), numbered(H, W, C, M)),
        (FC6, (H, W, C), numbered(H * W * C, M)),
        (FC7, (C,), numbered(C, M)),
        (FC7, (C,), numbered(M)),
    ],
)
def test_there_and_back(layer, shape, value):
    back = to_ours(layer, to_theirs(layer, value, shape), shape)
    np.testing.assert_array_equal(back, value)
    assert back.flags.c_contiguous and back.flags.writeable and not np.shares_memory(back, value)


@pytest.mark.parametrize("variant", alexnet.VARIANTS)
def test_the_shapes_are_those_that_an_image_has_on_its_way(variant, made):
    net = made(variant).net
    steps = network.trace(
        net.layers, net.input_shape, {}, {}, np.random.default_rng(0), xp=get_backend("numpy"), dtype="float32"
    )
    real = [net.input_shape, *(shape for _, shape in steps)]
    flattened = False
    for (layer, shape), seen in zip(input_shapes(net), real, strict=False):
        flattened |= len(seen) == 1
        assert np.prod(shape) == np.prod(seen) and (flattened or shape == seen), layer


@pytest.mark.parametrize("variant", alexnet.VARIANTS)
@pytest.mark.parametrize("width", [1, 0.5, 0.25, 0.1, 0.0625, 0.3, 0.77, 2, 0.003])
def test_the_width_from_the_sizes(variant, width):
    net = alexnet.build(variant, width=width)
    sizes = sizes_of(net)
    found = width_of(alexnet.build(variant), sizes[:-1])
    assert sizes_of(alexnet.build(variant, width=found)) == sizes
    assert found == width or width in (0.77, 0.003), "a width of few decimals is found itself"


def sizes_of(net):
    return [layer.maps if isinstance(layer, Conv) else layer.units for layer in net.layers if hasattr(layer, "sigma")]


def test_sizes_of_no_width():
    hidden = [96, 256, 384, 384, 256, 4096, 4096]
    assert width_of(alexnet.build("paper"), hidden) == 1
    assert width_of(alexnet.build("paper"), [96, 256, 384, 384, 258, 4096, 4096]) is None
    assert width_of(alexnet.build("owt"), hidden) is None


def weights_of(made, **changes):
    return Weights(made.net.name, made.tensors | changes, made.preprocessing)


@pytest.mark.parametrize("variant", alexnet.VARIANTS)
def test_tensors_become_a_network(variant, made):
    its = made(variant)
    net, width, params, state = adopt(weights_of(its), "file")
    assert (net, width) == (its.net, 1 / 16)
    for group, original in ((params, its.params), (state, its.state)):
        assert list(group) == list(original)
        for name, value in group.items():
            np.testing.assert_array_equal(value, original[name])
            assert value.dtype == np.float32 and value.flags.c_contiguous


def test_other_floats_become_float32(made):
    value = np.arange(256).astype("float16")
    _, _, params, _ = adopt(weights_of(made("owt"), **{"fc7.b": value}), "file")
    assert params["fc7.b"].dtype == np.float32
    np.testing.assert_array_equal(params["fc7.b"], np.arange(256))


WRONG = {
    "missing": ({"conv2.W": None}, "file: conv2.W is missing"),
    "integers": ({"fc7.b": np.zeros(256, int)}, "file: fc7.b is of type int64, not float"),
    "no size": ({"fc8.b": None}, "file: fc8.b is missing"),
    "one class": ({"fc8.b": np.zeros(1)}, "no width of owt has the sizes .*fc8 1"),
    "another size": ({"conv2.b": np.zeros(40)}, "no width of owt has the sizes conv1 4, conv2 40, "),
    "another kernel": ({"conv2.W": np.zeros((12, 4, 3, 3))}, r"owt at width 0.0625 needs conv2.W \(12, 4, 5, 5\), it"),
}


@pytest.mark.parametrize("changes, message", WRONG.values(), ids=WRONG.keys())
def test_tensors_that_do_not_fit(changes, message, made):
    with pytest.raises(UserError, match=message):
        adopt(weights_of(made("owt"), **changes), "file")


def test_as_many_names_as_outputs(made):
    weights = weights_of(made("owt"))
    for classes, words in ((("a", "b"), ()), (made("owt").names, ("a",))):
        with pytest.raises(UserError, match="its last layer has 5 outputs"):
            adopt(Weights("owt", weights.tensors, weights.preprocessing, classes, words), "file")
