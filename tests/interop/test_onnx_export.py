import sys

import numpy as np
import pytest

from minialex import alexnet
from minialex.data.preprocess import Preprocessing
from minialex.errors import UserError
from minialex.interop.onnx_export import describe, metadata, to_model
from minialex.layers import Tanh

REASON = "onnx and onnxruntime are not installed: pip install -e '.[oracle]'"
oracle = pytest.mark.oracle


def model_of(made, **changes):
    values = {"params": made.params, "state": made.state} | changes
    return to_model(made.net, preprocessing=made.preprocessing, classes=made.names, words=(), **values)


def evaluators():
    """Each takes a model and images (N,H,W,3) and gives the logits."""
    pytest.importorskip("onnx", reason=REASON)
    runtime = pytest.importorskip("onnxruntime", reason=REASON)
    from onnx.reference import ReferenceEvaluator

    def run(session, images):
        return session.run(None, {"image": np.ascontiguousarray(images.transpose(0, 3, 1, 2))})[0]

    def by_runtime(model, images):
        return run(runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]), images)

    return {"onnxruntime": by_runtime, "onnx.reference": lambda model, images: run(ReferenceEvaluator(model), images)}


@oracle
@pytest.mark.parametrize("program", ["onnxruntime", "onnx.reference"])
@pytest.mark.parametrize("variant", alexnet.VARIANTS)
def test_the_logits_are_ours(variant, program, made):
    its, run = made(variant), evaluators()[program]
    assert its.logits.std(axis=0).max() > 1e-2 * np.abs(its.logits).max(), "the images make a difference"
    logits = run(model_of(its), its.images)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, its.logits, rtol=0, atol=1e-5 * np.abs(its.logits).max())


@oracle
@pytest.mark.parametrize("variant", alexnet.VARIANTS)
def test_the_file_is_sound(variant, made):
    onnx = pytest.importorskip("onnx", reason=REASON)
    model = model_of(made(variant))
    onnx.checker.check_model(model, full_check=True)
    size = made(variant).net.input_shape[0]
    shapes = [
        [dim.dim_param or dim.dim_value for dim in entry.type.tensor_type.shape.dim]
        for entry in (model.graph.input[0], model.graph.output[0])
    ]
    assert shapes == [["N", 3, size, size], ["N", 5]]
    assert {tensor.data_type for tensor in model.graph.initializer} <= {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}


@oracle
def test_a_reader_of_the_graph_finds_the_layers(made):
    pytest.importorskip("onnx", reason=REASON)

    def names(variant):
        return [node.name for node in model_of(made(variant)).graph.node if "/" not in node.name]

    middle = "conv3 relu3 conv4 relu4 conv5 relu5 pool5 flatten5"
    dense = "fc6 relu6 dropout6 fc7 relu7 dropout7 fc8"
    assert " ".join(names("paper")) == f"conv1 relu1 lrn1 pool1 conv2 relu2 lrn2 pool2 {middle} {dense}"
    assert " ".join(names("code2012"))[:67] == "conv1 lrn1 pool1 relu1 conv2 relu2 lrn2 mapnorm2 pool2 conv3 relu3 "
    assert names("bn")[2] == "bn1" and names("owt")[13:16] == ["flatten5", "dropout5", "fc6"]
    graph = model_of(made("paper")).graph
    assert [node.op_type for node in graph.node if node.name == "dropout6"] == ["Mul"]
    assert {"conv1.W", "fc8.b", "lrn1.alpha"} <= {tensor.name for tensor in graph.initializer}


@oracle
def test_float64_becomes_float32(made):
    its = made("bn")
    run, double = evaluators()["onnxruntime"], {name: value.astype("float64") for name, value in its.params.items()}
    assert model_of(its, params=double).SerializeToString() == model_of(its).SerializeToString()
    assert run(model_of(its, params=double), its.images).dtype == np.float32


@oracle
def test_a_layer_that_onnx_knows_nothing_of(made):
    pytest.importorskip("onnx", reason=REASON)
    its = made("owt")
    strange = alexnet.Network("own", its.net.input_shape, (Tanh(),))
    with pytest.raises(UserError, match="Tanh has no form in ONNX"):
        to_model(strange, {}, {}, its.preprocessing, its.names, ())


def test_without_the_package_the_extra_is_named(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"pip install 'minialex\[onnx\]'"):
        model_of(made("owt"))


def test_a_mean_of_one_colour_is_three_numbers(made):
    colour = np.float32([103.1, 116.7, 0.1])
    mean = np.array(np.broadcast_to(colour, (256, 256, 3)))
    told = metadata(Preprocessing(mean), ["a", "b"], ["cat", "dog"])
    assert (np.float32(told["mean"]) == colour).all()
    assert told["classes"] == ["a", "b"] and told["words"] == ["cat", "dog"]
    mean[255, 255, 2] += 1
    assert isinstance(metadata(Preprocessing(mean), [], [])["mean"], str)


def test_the_input_in_words():
    mean = np.array(np.broadcast_to(np.float32([3, 2, 1]), (256, 256, 3)))
    assert describe(Preprocessing(mean)) == "RGB channels; of pixels 0..255: minus a mean of R G B 3.000 2.000 1.000"
    assert describe(Preprocessing(mean, scale=(1, 0.5, 1), order="BGR")).startswith("BGR channels")
    assert describe(Preprocessing(mean, scale=(1, 0.5, 1))).endswith("times 1.000000 0.500000 1.000000")
