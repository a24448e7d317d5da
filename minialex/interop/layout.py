"""From our order of axes to that of PyTorch and ONNX, and back; and which of our networks a set of sizes is.

We keep images as (N,H,W,C) and weights as (KH,KW,C/groups,OC) and (D,M); they keep (N,C,H,W), (OC,C/groups,KH,KW) and
(M,D). The first linear layer sees the maps flattened, theirs map by map and ours pixel by pixel: it is turned as the
convolution that it is, with a kernel as large as the maps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from minialex import alexnet
from minialex.data.preprocess import Preprocessing
from minialex.errors import UserError
from minialex.layers import BatchNorm, Conv, Layer, Linear, MaxPool
from minialex.ops.windows import output_size, pad_pairs, pair

STATISTICS = (".mean", ".var")  # of batch normalisation: state, not parameters


@dataclass(frozen=True)
class Weights:
    """What a file of another program holds: a variant's tensors by our names, in their order of axes.

    preprocessing: what its input has to be.  classes, words: their names, empty where the file has none.
    notes: what a person should know of it, sentences.
    """

    variant: str
    tensors: Mapping[str, np.ndarray]
    preprocessing: Preprocessing
    classes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def input_shapes(net: alexnet.Network) -> Iterator[tuple[Layer, tuple[int, ...]]]:
    """Each layer with the shape of its input: (H,W,C), through the flattening too, and (D,) between linear layers."""
    shape: tuple[int, ...] = net.input_shape
    for layer in net.layers:
        yield layer, shape
        if isinstance(layer, Conv):
            (KH, KW), (SH, SW), (rows, columns) = pair(layer.kernel), pair(layer.stride), pad_pairs(layer.pad)
            shape = (output_size(shape[0], KH, SH, *rows), output_size(shape[1], KW, SW, *columns), layer.maps)
        elif isinstance(layer, MaxPool):
            H, W, C = shape
            shape = (output_size(H, layer.kernel, layer.stride), output_size(W, layer.kernel, layer.stride), C)
        elif isinstance(layer, Linear):
            shape = (layer.units,)


def their_shapes(layer: Layer, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The shapes that a layer's tensors have with them, by our names, for an input of `shape`."""
    if isinstance(layer, Conv):
        shapes = {"W": (layer.maps, shape[-1] // layer.groups, *pair(layer.kernel)), "b": (layer.maps,)}
    elif isinstance(layer, Linear):
        shapes = {"W": (layer.units, prod(shape)), "b": (layer.units,)}
    elif isinstance(layer, BatchNorm):
        shapes = dict.fromkeys(("gamma", "beta", "mean", "var"), shape[-1:])
    else:
        return {}
    return {f"{layer.name}.{key}": value for key, value in shapes.items()}


def to_theirs(layer: Layer, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor of a layer whose input has `shape`, in their order of axes."""
    if value.ndim == 1:
        return value
    if isinstance(layer, Conv):
        return np.ascontiguousarray(value.transpose(3, 2, 0, 1))  # (KH,KW,C,OC) -> (OC,C,KH,KW)
    value = value.reshape(*shape, layer.units)  # (H,W,C,M) or (D,M)
    value = value.transpose(3, 2, 0, 1) if len(shape) == 3 else value.T  # (M,C,H,W) or (M,D)
    return np.ascontiguousarray(value).reshape(layer.units, -1)


def to_ours(layer: Layer, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The reverse of `to_theirs`."""
    if value.ndim == 1:
        return np.array(value)
    if isinstance(layer, Linear) and len(shape) == 3:
        H, W, C = shape
        value = value.reshape(layer.units, C, H, W)
    turned = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
    ours = np.array(turned, order="C")
    return ours.reshape(-1, layer.units) if isinstance(layer, Linear) else ours


def adopt(weights: Weights, source: Path) -> tuple[alexnet.Network, float, dict, dict]:
    """Weights as ours: the network, its width, params and state in float32.

    Classes come from the last layer and the width from the shapes. Raises UserError, naming `source`, where a tensor
    is missing, is not float, or has a shape that the variant does not give it.
    """
    variant, theirs = weights.variant, weights.tensors
    reference = alexnet.build(variant)
    sizes = {layer.name: _tensor(theirs, f"{layer.name}.b", source).size for layer in reference.layers if _sized(layer)}
    *hidden, classes = sizes.values()
    width = width_of(reference, hidden)
    if width is None or classes < 2:
        given = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise UserError(f"{source}: no width of {variant} has the sizes {given}")
    if not {len(weights.classes), len(weights.words)} <= {0, classes}:
        raise UserError(f"{source}: its last layer has {classes} outputs, but it names {len(weights.classes)} classes")
    net, params, state = alexnet.build(variant, classes=classes, width=width), {}, {}
    for layer, shape in input_shapes(net):
        for name, wanted in their_shapes(layer, shape).items():
            value = _tensor(theirs, name, source)
            if value.shape != wanted:
                raise UserError(f"{source}: {variant} at width {width:g} needs {name} {wanted}, it has {value.shape}")
            group = state if name.endswith(STATISTICS) else params
            group[name] = to_ours(layer, value.astype("float32", copy=False), shape)
    return net, width, params, state


def width_of(reference: alexnet.Network, hidden: list[int]) -> float | None:
    """The width with the fewest decimals that gives the hidden layers these sizes, or None.

    A size is 2 round(full width / 2), so that each layer leaves the width an interval; they have to meet.
    """
    full = [_full_size(layer) for layer in reference.layers if _sized(layer)][:-1]
    low = max((size - 1) / of if size > 2 else 0.0 for size, of in zip(hidden, full, strict=True))
    high = min((size + 1) / of for size, of in zip(hidden, full, strict=True))
    candidates = (round((low + high) / 2, decimals) for decimals in range(17))
    return next((width for width in candidates if low < width < high), None)


def _sized(layer: Layer) -> bool:
    return isinstance(layer, Conv | Linear)


def _full_size(layer: Layer) -> int:
    return layer.maps if isinstance(layer, Conv) else layer.units


def _tensor(theirs: Mapping, name: str, source: Path) -> np.ndarray:
    value = theirs.get(name)
    if value is None or value.dtype.kind != "f":
        raise UserError(f"{source}: {name} is {'missing' if value is None else f'of type {value.dtype}, not float'}")
    return value
