"""Our networks as ONNX: layer by layer, which record becomes which nodes.

The graph takes "image" (N,3,H,W), prepared as the metadata say, and gives "logits" (N,classes). A layer's node has its
name, and its weights our names of them. Operator set 15 (2021): before 14, nothing in a node of batch normalisation
says that it is in its testing form.
"""

from dataclasses import dataclass, field
from functools import singledispatch

import numpy as np

from minialex import __version__, alexnet
from minialex.data.preprocess import Preprocessing
from minialex.errors import UserError
from minialex.interop.convention import METADATA, declaration, describe
from minialex.interop.layout import input_shapes, to_theirs
from minialex.layers import LRN, BatchNorm, Conv, Dropout, Flatten, Layer, Linear, MapNorm, MaxPool, ReLU
from minialex.ops.windows import pad_pairs, pair

OPSET, IR_VERSION = 15, 8  # and the file format that came with it


def onnx_package():
    """The `onnx` package; UserError names the extra that brings it."""
    try:
        import onnx
    except ImportError as error:
        raise UserError("ONNX files need the package onnx: pip install 'minialex[onnx]'") from error
    return onnx


@dataclass
class Graph:
    """A graph under construction: a chain, `value` being the name of what the last node gave.

    tensors: every parameter and statistic by name.  shape: (H,W,C) or (D,) of `value`.
    number: that of the last named layer, which those without a name are called after.
    """

    tensors: dict
    value: str = "image"
    shape: tuple = ()
    number: str = ""
    nodes: list = field(default_factory=list)
    initializers: list = field(default_factory=list)

    def node(self, op: str, name: str, *more: str, of: str | None = None, **attributes) -> None:
        """Add a node over the last value, or `of`, and `more`; what it gives has its name and is the last value."""
        inputs = [of or self.value, *more]
        self.nodes.append(onnx_package().helper.make_node(op, inputs, [name], name, **attributes))
        self.value = name

    def constant(self, name: str, value) -> str:
        """Store a tensor; float is float32."""
        value = np.asarray(value)
        value = value.astype("float32") if value.dtype.kind == "f" else value
        self.initializers.append(onnx_package().numpy_helper.from_array(value, name))
        return name

    def parameters(self, layer: Layer, *keys: str) -> list[str]:
        """Store parameters of a named layer in their order of axes."""
        names = [f"{layer.name}.{key}" for key in keys]
        return [self.constant(name, to_theirs(layer, self.tensors[name], self.shape)) for name in names]


@singledispatch
def add(layer: Layer, graph: Graph) -> None:
    """Add the nodes of one layer to a graph."""
    raise UserError(f"{type(layer).__name__} has no form in ONNX")


@add.register
def _(layer: Conv, graph: Graph) -> None:
    (top, bottom), (left, right) = pad_pairs(layer.pad)
    graph.number = layer.name.lstrip("conv")
    graph.node(
        "Conv",
        layer.name,
        *graph.parameters(layer, "W", "b"),
        kernel_shape=pair(layer.kernel),
        strides=pair(layer.stride),
        pads=(top, left, bottom, right),
        group=layer.groups,
    )


@add.register
def _(layer: ReLU, graph: Graph) -> None:
    graph.node("Relu", f"relu{graph.number}")


@add.register
def _(layer: LRN, graph: Graph) -> None:
    H, W, C = graph.shape
    neighbours(graph, f"lrn{graph.number}", layer, (1, C // layer.groups, H * W), (layer.n, 1))


@add.register
def _(layer: MapNorm, graph: Graph) -> None:
    H, W, _ = graph.shape
    neighbours(graph, f"mapnorm{graph.number}", layer, (1, H, W), (layer.size, layer.size))


def neighbours(graph: Graph, name: str, layer: LRN | MapNorm, plane: tuple, window: tuple) -> None:
    """x / (k + alpha sum of x^2 over a window)^beta, written out: the sum is a convolution of x^2, seen as planes.

    LRN's planes are (maps of a tower, pixels), MapNorm's are maps. ONNX has an operator LRN (its alpha is n times
    ours), but not for towers, and onnx.reference up to 1.23 normalises only as many maps by it as there are images.
    """
    x, (H, W, C) = graph.value, graph.shape
    kernel = graph.constant(f"{name}.alpha", np.full((1, 1, *window), layer.alpha))
    bias = graph.constant(f"{name}.k", [float(layer.k)])
    top, left = window[0] // 2, window[1] // 2
    graph.node("Mul", f"{name}/square", x)
    graph.node("Reshape", f"{name}/planes", graph.constant(f"{name}.planes", (-1, *plane)))
    graph.node("Conv", f"{name}/sum", kernel, bias, kernel_shape=window, pads=(top, left, top, left))
    graph.node("Reshape", f"{name}/maps", graph.constant(f"{name}.maps", (-1, C, H, W)))
    graph.node("Pow", f"{name}/power", graph.constant(f"{name}.beta", layer.beta))
    graph.node("Div", name, graph.value, of=x)


@add.register
def _(layer: MaxPool, graph: Graph) -> None:
    graph.node("MaxPool", f"pool{graph.number}", kernel_shape=pair(layer.kernel), strides=pair(layer.stride))


@add.register
def _(layer: BatchNorm, graph: Graph) -> None:
    tensors = graph.parameters(layer, "gamma", "beta", "mean", "var")
    graph.node("BatchNormalization", layer.name, *tensors, epsilon=layer.eps)


@add.register
def _(layer: Flatten, graph: Graph) -> None:
    graph.node("Flatten", f"flatten{graph.number}")


@add.register
def _(layer: Linear, graph: Graph) -> None:
    graph.number = layer.name.lstrip("fc")
    graph.node("Gemm", layer.name, *graph.parameters(layer, "W", "b"), transB=1)


@add.register
def _(layer: Dropout, graph: Graph) -> None:
    """In testing: the paper's factor, a node of its own so that the weights stay what they are; nothing if inverted."""
    name = f"dropout{graph.number}"
    if layer.inverted:
        graph.node("Dropout", name, graph.constant(f"{name}.p", layer.p))
    else:
        graph.node("Mul", name, graph.constant(f"{name}.factor", 1 - layer.p))


def to_model(net: alexnet.Network, params: dict, state: dict, preprocessing: Preprocessing, classes, words):
    """The ONNX model of a network in float32, with NumPy arrays params and state, and what its input has to be."""
    helper, FLOAT = onnx_package().helper, onnx_package().TensorProto.FLOAT
    graph = Graph({**params, **state})
    for layer, shape in input_shapes(net):
        graph.shape = shape
        add(layer, graph)
    graph.nodes[-1].output[0] = "logits"
    H, W, C = net.input_shape
    image = helper.make_tensor_value_info("image", FLOAT, ["N", C, H, W], describe(preprocessing))
    logits = helper.make_tensor_value_info("logits", FLOAT, ["N", len(classes)])
    made = helper.make_graph(graph.nodes, f"alexnet-{net.name}", [image], [logits], graph.initializers)
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="minialex",
        producer_version=__version__,
    )
    helper.set_model_props(model, {METADATA: declaration(preprocessing, classes, words)})
    return model
