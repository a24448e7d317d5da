import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minialex import alexnet, network
from minialex.errors import UserError
from minialex.interop.convention import METADATA
from minialex.interop.layout import adopt
from minialex.interop.onnx_import import read_onnx
from minialex.ops import softmax
from tests.interop.test_onnx_export import REASON, model_of

pytestmark = pytest.mark.oracle
onnx = pytest.importorskip("onnx", reason=REASON)
helper, to_array, from_array = onnx.helper, onnx.numpy_helper.to_array, onnx.numpy_helper.from_array


def saved(model, folder):
    path = folder / "a.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def refused(model, folder, message):
    path = saved(model, folder)
    with pytest.raises(UserError, match=message) as caught:
        adopt(read_onnx(path), path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("variant", alexnet.VARIANTS)
def test_what_was_exported_comes_back_bit_for_bit(variant, made, tmp_path):
    its = made(variant)
    weights = read_onnx(saved(model_of(its), tmp_path))
    net, width, params, state = adopt(weights, "a")
    assert (net, width) == (its.net, 1 / 16)
    for group, original in ((params, its.params), (state, its.state)):
        assert list(group) == list(original)
        for name, value in group.items():
            assert value.dtype == np.float32 and value.tobytes() == original[name].tobytes(), name
    assert weights.preprocessing.options() == its.preprocessing.options()
    assert weights.preprocessing.mean.tobytes() == its.preprocessing.mean.tobytes()
    assert (weights.classes, weights.words, weights.notes) == (its.names, (), ())


# The model zoo's bvlcalexnet


def light():
    return onnx.load(Path(onnx.__file__).parent / "backend/test/data/light/light_bvlc_alexnet.onnx")


def zoo_model(its, size):
    """bvlcalexnet's graph with the narrow `caffe` of the tests for its weights and images of `size` pixels.

    The light file's weights are of one value and made by nodes: here they are stored, as in the zoo.
    """
    model = light()
    graph = model.graph
    stored = {f"{name.replace('.', '_').lower()}_0": value for name, value in its.tensors.items()}
    stored["OC2_DUMMY_1"] = np.array([len(its.images), 6 * 6 * 16])
    nodes = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    inputs = [entry for entry in graph.input if not entry.name.endswith("__SHAPE")]
    for field, values in (("node", nodes), ("input", inputs), ("initializer", [])):
        values = list(values)
        del getattr(graph, field)[:]
        getattr(graph, field).extend(values)
    graph.initializer.extend(from_array(value, name) for name, value in stored.items())
    for entry, value in stored.items():  # in this old format, what is stored is an input as well
        if entry != "OC2_DUMMY_1":
            graph.input.append(helper.make_tensor_value_info(entry, onnx.TensorProto.FLOAT, value.shape))
    for dim, value in zip(graph.input[0].type.tensor_type.shape.dim, (len(its.images), 3, size, size), strict=True):
        dim.dim_value = value
    del graph.output[0].type.tensor_type.shape.dim[:]
    return model


def test_the_zoos_alexnet_is_caffe(made, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason=REASON)
    its = made("caffe")
    its = replace(its, params=its.params | {"fc8.W": its.params["fc8.W"] / 100})  # a softmax that is not all or nothing
    path = saved(zoo_model(its, 227), tmp_path)
    weights = read_onnx(path)
    net, _, params, state = adopt(weights, path)
    assert net == its.net
    session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {"data_0": np.ascontiguousarray(its.images.transpose(0, 3, 1, 2))})
    logits, _ = network.forward(net.layers, params, its.images, state=state, train=False)
    assert np.ptp(theirs, axis=0).max() > 1e-2 and theirs.max() < 0.9, "the images make a difference"
    np.testing.assert_allclose(softmax(logits), theirs, rtol=0, atol=1e-6)


def test_its_input_is_caffes_and_that_is_said(made, tmp_path):
    weights = read_onnx(saved(zoo_model(made("caffe"), 224), tmp_path))
    size, convention = weights.notes
    assert "224x224" in size and "227x227" in size and "BGR" in convention
    assert weights.preprocessing.order == "BGR" and weights.preprocessing.scale == (1, 1, 1)
    np.testing.assert_allclose(weights.preprocessing.mean[100, 7], [122.679, 116.669, 104.007], rtol=1e-6)
    assert weights.classes == ()


def test_the_light_file_itself():
    path = Path(onnx.__file__).parent / "backend/test/data/light/light_bvlc_alexnet.onnx"
    weights = read_onnx(path)
    assert weights.variant == "caffe"
    assert weights.tensors["fc6.W"].shape == (4096, 9216) and weights.tensors["fc6.W"][17, 4] == np.float32(0.02)


# What other programs write, and comes to the same


def edited(made, variant, edit):
    model = model_of(made(variant))
    del model.metadata_props[:]
    edit(model.graph)
    return model


def node_of(graph, name):
    return next(node for node in graph.node if node.name == name)


def remove(graph, name):
    """Take a node out of a chain."""
    node = node_of(graph, name)
    for other in graph.node:
        for place, value in enumerate(other.input):
            if value == node.output[0]:
                other.input[place] = node.input[0]
    graph.node.remove(node)


def replace_value(graph, name, value):
    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    tensor.CopyFrom(from_array(value, name))


def untransposed(graph):
    node = node_of(graph, "fc7")
    weight = next(tensor for tensor in graph.initializer if tensor.name == "fc7.W")
    replace_value(graph, "fc7.W", to_array(weight).T.copy())
    del node.attribute[:]


def constant_node(graph):
    weight = next(tensor for tensor in graph.initializer if tensor.name == "fc7.W")
    graph.node.insert(0, helper.make_node("Constant", [], ["fc7.W"], value=weight))
    graph.initializer.remove(weight)


def averaging(graph):
    pool = helper.make_node("AveragePool", ["pool5"], ["one"], "one", kernel_shape=[1, 1], strides=[1, 1])
    place = [node.name for node in graph.node].index("flatten5")
    graph.node[place].input[0] = "one"
    graph.node.insert(place, pool)


def in_other_order(graph):
    node_of(graph, "dropout6").input[:] = list(node_of(graph, "dropout6").input)[::-1]


def training(value):
    def edit(graph):
        graph.initializer.append(from_array(np.array(value), "training"))
        node_of(graph, "dropout6").input.append("training")

    return edit


def reshaping(graph):
    node = node_of(graph, "flatten5")
    graph.initializer.append(from_array(np.array([-1, 576]), "rows"))
    node.op_type = "Reshape"
    node.input.append("rows")


def ceiling(graph):
    for name in ("pool1", "pool2", "pool5"):
        node_of(graph, name).attribute.append(helper.make_attribute("ceil_mode", 1))


SAME = {
    "no dropout": ("owt", lambda graph: [remove(graph, name) for name in ("dropout5", "dropout6")]),
    "dropout that is told to rest": ("owt", training(False)),
    "a factor that comes first": ("paper", in_other_order),
    "linear layers the other way": ("owt", untransposed),
    "a weight as a node": ("owt", constant_node),
    "an average over one pixel": ("owt", averaging),
    "reshaped, not flattened": ("owt", reshaping),
    "partial windows where there are none": ("owt", ceiling),
}


@pytest.mark.parametrize("variant, edit", SAME.values(), ids=SAME.keys())
def test_another_way_to_write_the_same(variant, edit, made, tmp_path):
    its = made(variant)
    model = edited(made, variant, edit)
    onnx.checker.check_model(model, full_check=True)
    net, _, params, _ = adopt(read_onnx(saved(model, tmp_path)), "a")
    assert net == its.net
    assert all((params[name] == value).all() for name, value in its.params.items())


@pytest.mark.parametrize("variant, order", [("owt", "RGB"), ("caffe", "BGR"), ("paper", "RGB")])
def test_an_input_that_the_file_does_not_tell_is_assumed_and_that_is_said(variant, order, made, tmp_path):
    weights = read_onnx(saved(edited(made, variant, lambda graph: None), tmp_path))
    assert len(weights.notes) == 1 and "assumed" in weights.notes[0]
    assert weights.preprocessing.order == order and (weights.preprocessing.scale[0] == 1) == (variant != "owt")


def test_partial_windows_as_another_converter_has_them(made, tmp_path):
    """At 224 pixels Caffe's maps of 54, 27 and 13 pixels come of rounding up."""
    model = zoo_model(made("caffe"), 224)
    for node in model.graph.node:
        if node.op_type == "MaxPool":
            kept = [entry for entry in node.attribute if entry.name != "pads"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("ceil_mode", 1)])
    model.opset_import[0].version = 10  # which has ceil_mode
    assert read_onnx(saved(model, tmp_path)).variant == "caffe"


# What is none of ours


def attribute(name, key, value):
    def edit(graph):
        node = node_of(graph, name)
        kept = [entry for entry in node.attribute if entry.name != key]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute(key, value)])

    return edit


def constant(name, value):
    return lambda graph: replace_value(graph, name, np.asarray(value))


def rename_op(name, op):
    def edit(graph):
        node_of(graph, name).op_type = op

    return edit


def two_inputs(graph):
    graph.input.append(helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, ["N", 5]))


def sideways(graph):
    node_of(graph, "relu2").input[0] = "pool1"


def swapped(graph):
    node = node_of(graph, "lrn1")
    node.input[:] = [node.input[1], node.input[0]]


OTHERS = {
    "another stride": (
        "paper",
        attribute("conv1", "strides", [2, 2]),
        "layer 1 is conv 11x11, stride 2,2, .*; the near",
    ),
    "another pad": (
        "paper",
        attribute("conv2", "pads", [2, 2, 2, 1]),
        r"layer 5 is .*\(2, 1\)\), .* paper, has conv 5x5",
    ),
    "one tower": (
        "paper",
        attribute("conv2", "group", 1),
        "layer 5 is conv .* groups 1; the nearest, paper, .* groups 2",
    ),
    "dilated": ("paper", attribute("conv3", "dilations", [2, 2]), "dilations=.2, 2., expected .1, 1."),
    "padded by itself": ("paper", attribute("conv3", "auto_pad", "SAME_UPPER"), "auto_pad=b'SAME_UPPER', expected"),
    "a padded pool": (
        "owt",
        attribute("pool1", "pads", [1, 1, 1, 1]),
        r"layer 3 is not to be read \(MaxPool 'pool1' has",
    ),
    "an attribute of the future": ("owt", attribute("relu1", "slope", 0.1), "attribute slope, which is not understood"),
    "another constant": ("paper", constant("lrn1.k", np.float32([1])), "LRN over 5 maps, k=1, .* paper, has .* k=2, "),
    "another power": (
        "code2012",
        constant("mapnorm2.beta", np.float32(0.5)),
        "over 5x5 pixels, k=1, alpha=4e-05, beta=0.5",
    ),
    "a sum that is weighted": (
        "paper",
        constant("lrn1.alpha", np.float32([[[[1], [2], [1], [1], [1]]]])),
        "no normalis",
    ),
    "planes across towers": ("paper", constant("lrn1.planes", [-1, 1, 4, 3025]), "sum over 5x1 of .-1, 1, 4, 3025."),
    "divided the other way": ("paper", swapped, "the nodes before Div 'lrn1' are no normalisation"),
    "another factor": (
        "paper",
        constant("dropout6.factor", np.float32(0.4)),
        "layer 19 is factor 0.4 of dropout; .* factor 0.5",
    ),
    "no factor": (
        "paper",
        lambda graph: remove(graph, "dropout6"),
        "layer 19 is linear; the nearest, paper, has factor 0.5",
    ),
    "another eps": ("bn", attribute("bn1", "epsilon", 1e-3), "layer 3 is batch normalisation, eps=0.001; .* eps=1e-05"),
    "training": (
        "bn",
        attribute("bn1", "training_mode", 1),
        "BatchNormalization 'bn1' has training_mode=1, expected 0",
    ),
    "another activation": (
        "owt",
        rename_op("relu1", "Tanh"),
        "layer 2 is not to be read .Tanh 'relu1' is of a kind that",
    ),
    "cut off": (
        "owt",
        lambda graph: graph.node.pop(),
        "its outputs are logits, its last node gives relu7.; .* owt, has linear",
    ),
    "branches": ("owt", sideways, "layer 5 is not to be read .expected Relu of 'conv2', got Relu 'relu2'"),
    "an operator of somebody else": (
        "owt",
        lambda graph: setattr(node_of(graph, "relu1"), "domain", "their.own"),
        "expected Relu of 'conv1', got Relu 'relu1'",
    ),
    "a ratio for an input": (
        "owt",
        lambda graph: node_of(graph, "dropout6").input.__setitem__(slice(None), ["dropout6.p", "relu6"]),
        "expected Dropout of 'relu6', got Dropout 'dropout6'",
    ),
    "two inputs": ("owt", two_inputs, "it has 2 inputs, expected one"),
    "a sum over other neighbours": (
        "paper",
        attribute("lrn1/sum", "pads", [4, 0, 0, 0]),
        "pads=.4, 0, 0, 0., expected",
    ),
    "maps put together otherwise": ("paper", constant("lrn1.maps", [-1, 55, 55, 6]), "are no normalisation by neighb"),
    "dropout in training": ("owt", training(True), "Dropout 'dropout6' is in its training form"),
    "a softmax within": ("owt", rename_op("relu6", "Softmax"), "Softmax 'relu6' is not the last node"),
    "an average": (
        "owt",
        lambda graph: [averaging(graph), attribute("one", "kernel_shape", [2, 2])(graph)],
        "AveragePool 'one' has kernel_shape=.2, 2., expected .1, 1.",
    ),
    "all images in one row": ("owt", attribute("flatten5", "axis", 0), "Flatten 'flatten5' has axis=0, expected 1"),
    "other rows": (
        "owt",
        lambda graph: [reshaping(graph), replace_value(graph, "rows", np.array([-1, 288]))],
        "Reshape 'flatten5' makes .-1, 288., expected one row of 576 an image",
    ),
    "a turned product": ("owt", attribute("fc6", "transA", 1), "Gemm 'fc6' has transA=1, expected 0"),
    "a scaled product": ("owt", attribute("fc6", "alpha", 2.0), "Gemm 'fc6' has alpha=2.0, expected 1.0"),
    "another width in one layer": (
        "owt",
        constant("conv3.b", np.zeros(26, "float32")),
        "no width of owt has the sizes",
    ),
    "a weight that is not there": (
        "owt",
        lambda graph: graph.initializer.pop(0),
        "has 'conv1.W' for input 1, which is",
    ),
}


@pytest.mark.parametrize("variant, edit, message", OTHERS.values(), ids=OTHERS.keys())
def test_a_graph_that_is_none_of_ours(variant, edit, message, made, tmp_path):
    refused(edited(made, variant, edit), tmp_path, message)


def test_an_input_that_is_no_image(made, tmp_path):
    for shape in (["N", 3, "H", "W"], ["N", 1, 224, 224], ["N", 3, 224, 200], [3, 224, 224], None):
        model = model_of(made("owt"))
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape))
        refused(model, tmp_path, "no network of images: its input is .*, expected")


# Hostile and broken files


def test_a_file_cut_short_or_of_another_kind(made, tmp_path):
    whole = saved(model_of(made("owt")), tmp_path).read_bytes()
    for data in (b"", whole[:50], whole[: len(whole) // 2], whole[:-1], b"\xff" * 100):
        (tmp_path / "a.onnx").write_bytes(data)
        with pytest.raises(UserError) as caught:
            read_onnx(tmp_path / "a.onnx")
        assert "\n" not in str(caught.value)


def test_no_other_file_is_opened(made, tmp_path):
    """A tensor may say that its bytes lie in any file of the machine."""
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(64 * 4))

    def edit(graph):
        tensor = next(tensor for tensor in graph.initializer if tensor.name == "conv1.b")
        onnx.external_data_helper.set_external_data(tensor, str(secret), length=4 * 4)
        tensor.ClearField("raw_data")

    refused(edited(made, "owt", edit), tmp_path, "'conv1.b' is kept in another file, which is not opened")


def test_dimensions_that_the_bytes_do_not_fill(made, tmp_path):
    def edit(graph):
        next(tensor for tensor in graph.initializer if tensor.name == "fc6.W").dims[:] = [2**40, 2**40]

    refused(edited(made, "owt", edit), tmp_path, "is not to be read")


def test_a_constant_of_any_size(made, tmp_path):
    """In a few bytes a file may ask for as much memory as it likes."""
    for shape in ([2**31, 2**31], [-4, -4], [2**62] * 4):
        model = light()
        name = "fc6_w_0__SHAPE"
        next(tensor for tensor in model.graph.initializer if tensor.name == name).CopyFrom(
            from_array(np.array(shape), name)
        )
        refused(model, tmp_path, "'fc6_w_0' would be of shape")


def test_a_constant_that_is_made_from_itself(tmp_path):
    model = light()
    next(node for node in model.graph.node if node.output[0] == "fc6_w_0").input[0] = "fc6_w_0"
    refused(model, tmp_path, "is not to be read")


def test_operator_sets_of_the_past_and_the_future(made, tmp_path):
    for version in (6, 999):
        model = model_of(made("owt"))
        model.opset_import[0].version = version
        refused(model, tmp_path, f"has ONNX operator set {version}: 7 to [0-9]+ can be read")


def test_an_empty_file_is_none(tmp_path):
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(UserError, match="empty.onnx is no ONNX file with a graph"):
        read_onnx(tmp_path / "empty.onnx")


DAMAGED = {
    "no JSON": "{",
    "another kind": "[1]",
    "no mean": {"classes": [], "words": []},
    "a mean cut short": {"mean": "AAAA"},
    "a mean of no base64": {"mean": "ä"},
    "a mean of two colours": {"mean": [1, 2]},
    "a mean that is no number": {"mean": [float("nan")] * 3},
    "another order": {"preprocessing": {"order": "GRB"}},
    "more than we know": {"preprocessing": {"gamma": 2.2}},
    "a scale of text": {"preprocessing": {"scale": ["a", "b", "c"]}},
    "preprocessing of another kind": {"preprocessing": 3},
    "class names that are numbers": {"classes": [1, 2, 3, 4, 5]},
    "too few classes": {"classes": ["a", "b"]},
    "too deep": "[" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("told", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_metadata(told, made, tmp_path):
    model = model_of(made("owt"))
    if isinstance(told, dict):
        whole = json.loads(model.metadata_props[0].value)
        told = json.dumps(told if "classes" in told and "words" in told else whole | told)
    helper.set_model_props(model, {METADATA: told})
    refused(model, tmp_path, "metadata|preprocessing|outputs")


def test_onnx_is_loaded_only_when_it_is_needed():
    code = "import sys, minialex.interop; print('onnx' in sys.modules or 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
