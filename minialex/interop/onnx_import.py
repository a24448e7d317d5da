"""ONNX as one of our networks: which nodes are which record, and which variant has these records.

The graph itself decides, not what the file says about itself. Read are chains of nodes in their testing form: ours as
onnx_export.py writes them, and those of other programs that come to the same, such as the model zoo's bvlcalexnet.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest
from math import prod
from pathlib import Path

from minialex import alexnet
from minialex.errors import UserError, one_line
from minialex.interop.convention import METADATA, assumed, declared
from minialex.interop.layout import Weights
from minialex.interop.onnx_chain import DOMAINS, Chain, attributes, only, told
from minialex.interop.onnx_export import onnx_package
from minialex.layers import LRN, BatchNorm, Conv, Dropout, Flatten, Layer, Linear, MapNorm, MaxPool, ReLU
from minialex.ops.windows import output_size, pad_pairs, pair

LOWEST_OPSET = 7  # before it, dropout and batch normalisation trained unless told otherwise
# What odd bytes lead to; the last where a constant is made from itself.
HOSTILE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)


def read_onnx(path: Path) -> Weights:
    """The weights of an ONNX file, and what input they want. UserError where it is none of our networks."""
    model = load(path)
    try:
        chain = Chain.of(model)
    except HOSTILE as error:
        raise UserError(f"{path} is no network of images: {one_line(error)}") from error
    variant = match(path, forms_of(chain))
    size = alexnet.build(variant).input_shape[0]
    sizes = f"its graph is for {chain.size}x{chain.size} pixels, {variant} for {size}x{size}, at which it is used"
    notes = [sizes] if chain.size != size else []
    text = next((entry.value for entry in model.metadata_props if entry.key == METADATA), None)
    if text is None:
        preprocessing, note = assumed(variant)
        return Weights(variant, chain.tensors, preprocessing, notes=(*notes, note))
    try:
        return Weights(variant, chain.tensors, *declared(text), notes=tuple(notes))
    except (UserError, *HOSTILE) as error:
        raise UserError(f"{path}: its metadata {METADATA!r} are damaged ({one_line(error)})") from error


def load(path: Path):
    """The model of a file, from its bytes alone: no other file that it names is opened."""
    onnx = onnx_package()
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # whatever protobuf makes of strange bytes
        raise UserError(f"{path} is no whole ONNX file, nor safetensors or .pth ({one_line(error)})") from error
    if not model.graph.node:  # protobuf takes an empty file for a whole one
        raise UserError(f"{path} is no ONNX file with a graph, nor safetensors or .pth")
    opset = max((entry.version for entry in model.opset_import if entry.domain in DOMAINS), default=0)
    highest = onnx.defs.onnx_opset_version()
    if not LOWEST_OPSET <= opset <= highest:
        raise UserError(f"{path} has ONNX operator set {opset}: {LOWEST_OPSET} to {highest} can be read")
    return model


# From nodes to records


def read_conv(chain: Chain) -> Conv:
    """A convolution with its weights, which are kept as "conv1.W" and so on. ValueError for one that is dilated."""
    node = chain.take("Conv")
    name = chain.next_name("conv")
    chain.keep(node, name, "W b")
    OC, _, KH, KW = chain.tensors[f"{name}.W"].shape
    given = attributes(
        node, ("kernel_shape",), auto_pad=b"NOTSET", dilations=[1, 1], group=1, pads=[0] * 4, strides=[1, 1]
    )
    only(node, given, auto_pad=b"NOTSET", dilations=[1, 1])
    (top, left, bottom, right), stride = given["pads"], tuple(given["strides"])
    _, H, W = chain.shape
    chain.shape = (OC, output_size(H, KH, stride[0], top, bottom), output_size(W, KW, stride[1], left, right))
    return Conv(name, OC, (KH, KW), stride, ((top, bottom), (left, right)), given["group"])


def read_relu(chain: Chain) -> ReLU:
    """A ReLU."""
    attributes(chain.take("Relu"))
    return ReLU()


def read_pool(chain: Chain) -> MaxPool:
    """A max pool. What it may have below and to the right makes no window more on our maps of 55, 27 and 13 pixels."""
    node = chain.take("MaxPool")
    given = attributes(
        node,
        ("storage_order",),
        auto_pad=b"NOTSET",
        ceil_mode=0,
        dilations=[1, 1],
        kernel_shape=[],
        pads=[0] * 4,
        strides=[1, 1],
    )
    only(node, given, auto_pad=b"NOTSET", dilations=[1, 1])
    (KH, KW), (SH, SW), (top, left, bottom, right) = given["kernel_shape"], given["strides"], given["pads"]
    if KH != KW or SH != SW or top or left or max(bottom, right) >= SH:
        raise ValueError(f"{told(node)} has a window {KH}x{KW}, strides {SH},{SW}, pads {given['pads']}")
    C, H, W = chain.shape
    partial = SH - 1 if given["ceil_mode"] else 0  # ceil instead of floor
    chain.shape = (C, output_size(H, KH, SH, 0, bottom + partial), output_size(W, KW, SW, 0, right + partial))
    return MaxPool(KH, SH)


def read_lrn(chain: Chain) -> LRN:
    """ONNX's own LRN, across all maps; its alpha is divided by the size of the window."""
    given = attributes(node := chain.take("LRN"), alpha=1e-4, beta=0.75, bias=1.0, size=0)
    if given["size"] < 1:
        raise ValueError(f"{told(node)} has size={given['size']}")
    return LRN(given["size"], given["bias"], given["alpha"] / given["size"], given["beta"])


def read_batchnorm(chain: Chain) -> BatchNorm:
    """Batch normalisation by running statistics. ValueError for its training form."""
    node = chain.take("BatchNormalization")
    given = attributes(node, ("momentum",), epsilon=1e-5, training_mode=0, spatial=1)
    only(node, given, training_mode=0, spatial=1)
    name = chain.next_name("bn")
    chain.keep(node, name, "gamma beta mean var")
    return BatchNorm(name, given["epsilon"])


def read_mul(chain: Chain) -> Layer:
    """x * x begins the sum over neighbours, x * constant is dropout's factor in testing."""
    x = chain.value
    node = chain.take("Mul")
    if list(node.input) == [x, x]:
        return _read_neighbours(chain, x)
    return Dropout(p=1 - chain.scalar(node, 1 if node.input[0] == x else 0))


def _read_neighbours(chain: Chain, x: str) -> LRN | MapNorm:
    """x / (k + alpha sum of x^2)^beta, the sum as a convolution over planes (onnx_export.neighbours)."""
    C, H, W = chain.shape
    planes = chain.constant(chain.take("Reshape"), 1).tolist()
    node = chain.take("Conv")
    kernel, k = chain.constant(node, 1), chain.scalar(node, 2)
    maps = chain.constant(chain.take("Reshape"), 1).tolist()
    beta = chain.scalar(chain.take("Pow"), 1)
    last = chain.take("Div")
    _, _, KH, KW = kernel.shape
    alpha = float(kernel.flat[0])
    pads = [KH // 2, KW // 2] * 2
    only(node, attributes(node, ("kernel_shape",), pads=[0] * 4), pads=pads)
    if list(last.input)[:1] != [x] or maps != [-1, C, H, W] or kernel.shape[:2] != (1, 1) or (kernel != alpha).any():
        raise ValueError(f"the nodes before {told(last)} are no normalisation by neighbours")
    groups = C // max(1, planes[2])
    if KW == 1 and groups and planes == [-1, 1, C / groups, H * W]:
        return LRN(KH, k, alpha, beta, groups)
    if KH == KW and planes == [-1, 1, H, W]:
        return MapNorm(KH, k, alpha, beta)
    raise ValueError(f"the nodes before {told(last)} sum over {KH}x{KW} of {planes}")


def read_flatten(chain: Chain) -> Flatten:
    """(N,C,H,W) to (N,C*H*W)."""
    node = chain.take("Flatten")
    only(node, attributes(node, axis=1), axis=1)
    chain.shape = (prod(chain.shape),)
    return Flatten()


def read_reshape(chain: Chain) -> Flatten:
    """The same as a reshape to one row an image. ValueError for any other shape."""
    node = chain.take("Reshape")
    target = chain.constant(node, 1).tolist()
    chain.shape = (prod(chain.shape),)
    if len(target) != 2 or target[1] not in (-1, *chain.shape):
        raise ValueError(f"{told(node)} makes {target}, expected one row of {chain.shape[0]} an image")
    return Flatten()


def read_gemm(chain: Chain) -> Linear:
    """A fully connected layer with its weights. ValueError for one that scales, or transposes its input."""
    node = chain.take("Gemm")
    given = attributes(node, alpha=1.0, beta=1.0, transA=0, transB=0)
    only(node, given, alpha=1.0, beta=1.0, transA=0)
    name = chain.next_name("fc", 6)
    chain.keep(node, name, "W b")
    if not given["transB"]:
        chain.tensors[f"{name}.W"] = chain.tensors[f"{name}.W"].T
    chain.shape = chain.tensors[f"{name}.W"].shape[:1]
    return Linear(name, *chain.shape)


def read_nothing(chain: Chain) -> None:
    """What does nothing in testing."""
    node = chain.take(chain.nodes[0].op_type)
    if len(node.input) > 2 and chain.scalar(node, 2):
        raise ValueError(f"{told(node)} is in its training form")


def read_average(chain: Chain) -> None:
    """torchvision's average pool, of one pixel where the maps have the size that they were trained at."""
    node = chain.take("AveragePool")
    given = attributes(node, ("ceil_mode", "count_include_pad"), kernel_shape=[], strides=[1, 1], pads=[0] * 4)
    only(node, given, kernel_shape=[1, 1], strides=[1, 1], pads=[0] * 4)


def read_softmax(chain: Chain) -> None:
    """A softmax at the end, which we have outside the network. ValueError for one anywhere else."""
    node = chain.take("Softmax")
    if chain.nodes:
        raise ValueError(f"{told(node)} is not the last node")


READERS = {
    "Conv": read_conv,
    "Relu": read_relu,
    "MaxPool": read_pool,
    "LRN": read_lrn,
    "Mul": read_mul,
    "BatchNormalization": read_batchnorm,
    "Flatten": read_flatten,
    "Reshape": read_reshape,
    "Gemm": read_gemm,
    "AveragePool": read_average,
    "Dropout": read_nothing,
    "Identity": read_nothing,
    "Softmax": read_softmax,
}


def records(chain: Chain) -> Iterator[Layer]:
    """The records of a whole graph, and none for what does nothing in testing."""
    while chain.nodes:
        node = chain.nodes[0]
        if node.op_type not in READERS:
            raise ValueError(f"{told(node)} is of a kind that no variant has")
        if (layer := READERS[node.op_type](chain)) is not None:
            yield layer
    if chain.value not in chain.outputs:
        raise ValueError(f"its outputs are {', '.join(chain.outputs)}, its last node gives {chain.value}")


# From records to a variant


def match(path: Path, found: list[str]) -> str:
    """The variant whose layers have these forms. UserError says where the nearest one differs."""
    expected = {variant: [*filter(None, map(form, alexnet.build(variant).layers))] for variant in alexnet.VARIANTS}
    nearest = max(expected, key=lambda variant: SequenceMatcher(None, found, expected[variant]).ratio())
    if found == expected[nearest]:
        return nearest
    pairs = enumerate(zip_longest(found, expected[nearest], fillvalue="nothing more"), start=1)
    place, (here, there) = next((place, pair) for place, pair in pairs if pair[0] != pair[1])
    raise UserError(f"{path} is none of our networks: layer {place} is {here}; the nearest, {nearest}, has {there}")


def forms_of(chain: Chain) -> list[str]:
    """The forms of a graph's layers. Where one cannot be read, it is the last, and its form says why."""
    found = []
    try:
        for layer in records(chain):
            found.append(form(layer))
    except HOSTILE as error:
        found.append(f"not to be read ({one_line(error)})")
    return found


def form(layer: Layer) -> str:
    """What a layer does in testing, in words; nothing for what does nothing. Two networks are the same, sizes apart,
    where these are. Constants have six digits, for ONNX keeps them in float32.
    """
    match layer:
        case Conv():
            (KH, KW), (SH, SW), pad = pair(layer.kernel), pair(layer.stride), pad_pairs(layer.pad)
            return f"conv {KH}x{KW}, stride {SH},{SW}, pad {pad}, groups {layer.groups}"
        case LRN():
            constants = f"k={layer.k:g}, alpha={layer.alpha:g}, beta={layer.beta:g}"
            return f"LRN over {layer.n} maps, {constants}, groups {layer.groups}"
        case MapNorm():
            constants = f"k={layer.k:g}, alpha={layer.alpha:g}, beta={layer.beta:g}"
            return f"normalisation over {layer.size}x{layer.size} pixels, {constants}"
        case MaxPool():
            return f"max pool {layer.kernel}, stride {layer.stride}"
        case BatchNorm():
            return f"batch normalisation, eps={layer.eps:g}"
        case Dropout():
            return "" if layer.inverted else f"factor {1 - layer.p:g} of dropout"
        case Linear():
            return "linear"
    return type(layer).__name__
