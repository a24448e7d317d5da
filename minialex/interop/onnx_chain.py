"""An ONNX graph read as a chain of nodes, from its input to its output, and the tensors that it stores."""

from collections import Counter, deque
from dataclasses import dataclass, field
from math import prod

import numpy as np

from minialex.interop.onnx_export import onnx_package

DOMAINS = ("", "ai.onnx")  # two names of ONNX itself
CONSTANTS = ("Constant", "ConstantOfShape")
LARGEST = 2**28  # elements, 1 GB: a few bytes can ask for any number of them


@dataclass
class Chain:
    """A graph that is read from its input on; `value` is the name of what the nodes so far have given.

    stored: constants by name.  shape: (C,H,W) or (D,) of `value`.  size: of the input, in pixels.
    tensors: the weights found so far, by our names.  counts: named layers of each kind so far.
    """

    nodes: deque
    stored: dict
    value: str
    shape: tuple
    outputs: list
    size: int
    tensors: dict = field(default_factory=dict)
    counts: Counter = field(default_factory=Counter)

    @classmethod
    def of(cls, model) -> "Chain":
        """A model at its input. Raises ValueError where that is no image of known size."""
        graph = model.graph
        stored = {tensor.name: tensor for tensor in graph.initializer}
        stored.update({node.output[0]: node for node in graph.node if node.op_type in CONSTANTS})
        images = [entry for entry in graph.input if entry.name not in stored]
        if len(images) != 1:
            raise ValueError(f"it has {len(images)} inputs, expected one")
        shape = tuple(dim.dim_value for dim in images[0].type.tensor_type.shape.dim)[1:]
        if len(shape) != 3 or shape[0] != 3 or shape[1] != shape[2] or shape[1] < 1:
            raise ValueError(f"its input is (N,{','.join(map(str, shape))}), expected (N,3,size,size)")
        nodes = deque(node for node in graph.node if node.op_type not in CONSTANTS)
        outputs = [entry.name for entry in graph.output]
        return cls(nodes, stored, images[0].name, shape, outputs, shape[1])

    def take(self, op: str):
        """The next node, which has to be an `op` of ONNX over the last value."""
        node = self.nodes.popleft() if self.nodes else None
        first = list(node.input)[: 2 if op in ("Mul", "Div") else 1] if node else []
        if self.value not in first or node.op_type != op or node.domain not in DOMAINS:
            raise ValueError(f"expected {op} of {self.value!r}, got {told(node)}")
        self.value = node.output[0]
        return node

    def constant(self, node, place: int) -> np.ndarray:
        """The stored tensor that is a node's input at a place."""
        name = node.input[place] if place < len(node.input) else ""
        stored = self.stored.get(name)
        if stored is None:
            raise ValueError(f"{told(node)} has {name!r} for input {place}, which is not stored in the file")
        if isinstance(stored, onnx_package().TensorProto):
            return _array(stored)
        value = attributes(stored, value=None)["value"]
        if value is None:
            raise ValueError(f"{name!r} is a constant without a tensor")
        value = _array(value)
        if stored.op_type == "Constant":
            return value
        shape = tuple(self.constant(stored, 0).tolist())
        if min(shape, default=1) < 0 or prod(shape) > LARGEST:
            raise ValueError(f"{name!r} would be of shape {shape}")
        return np.broadcast_to(value.reshape(()), shape)  # no memory until it is used

    def scalar(self, node, place: int) -> float:
        """The stored number that is a node's input at a place."""
        value = self.constant(node, place)
        if value.size != 1:
            raise ValueError(f"input {place} of {told(node)} has shape {value.shape}, expected one number")
        return float(value.reshape(()))

    def keep(self, node, name: str, keys: str, first: int = 1) -> None:
        """Keep the constants of a node as the parameters of our layer of that name."""
        for place, key in enumerate(keys.split(), start=first):
            self.tensors[f"{name}.{key}"] = self.constant(node, place)

    def next_name(self, kind: str, first: int = 1) -> str:
        """What the next layer of a kind is called: conv1, conv2 and so on."""
        self.counts[kind] += 1
        return f"{kind}{first - 1 + self.counts[kind]}"


def _array(tensor) -> np.ndarray:
    if tensor.external_data or tensor.data_location == tensor.EXTERNAL:
        raise ValueError(f"{tensor.name!r} is kept in another file, which is not opened: save the model as one file")
    return onnx_package().numpy_helper.to_array(tensor)


def told(node) -> str:
    """A node in words."""
    return "the end" if node is None else f"{node.op_type} {node.name or node.output[0]!r}"


def attributes(node, ignored=(), **defaults) -> dict:
    """A node's attributes over the defaults; ValueError for one that is neither a default nor ignored."""
    helper = onnx_package().helper
    given = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute if entry.name not in ignored}
    if unknown := sorted(given.keys() - defaults.keys()):
        raise ValueError(f"{told(node)} has the attribute {unknown[0]}, which is not understood")
    return defaults | given


def only(node, given: dict, **wanted) -> None:
    """ValueError where an attribute is not as wanted."""
    for name, value in wanted.items():
        if given[name] != value:
            raise ValueError(f"{told(node)} has {name}={given[name]}, expected {value}")
