import sys
from dataclasses import replace

import numpy as np
import pytest

from minialex import alexnet, network
from minialex.errors import UserError
from minialex.interop.onnx_export import to_model
from minialex.layers import LRN, BatchNorm, Dropout, MapNorm, Tanh

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
@pytest.mark.parametrize("program", ["onnxruntime", "onnx.reference"])
def test_constants_that_are_not_the_usual_ones(program, made):
    its, run = made("bn"), evaluators()[program]
    other = {BatchNorm: {"eps": 500.0}, Dropout: {"p": 0.2}}
    layers = tuple(replace(layer, **other.get(type(layer), {})) for layer in its.net.layers)
    layers = (*layers[:2], LRN(n=3, k=1.5, alpha=0.01, beta=0.6, groups=2), MapNorm(3, 1.2, 0.02, 0.7), *layers[2:])
    changed = replace(its, net=replace(its.net, layers=layers))
    logits, _ = network.forward(layers, its.params, its.images, state=its.state, train=False)
    assert np.abs(logits - its.logits).max() > 0.01 * np.abs(logits).max()
    np.testing.assert_allclose(run(model_of(changed), its.images), logits, rtol=0, atol=1e-5 * np.abs(logits).max())


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
