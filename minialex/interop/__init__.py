"""Weights in and out: torchvision's alexnet and ONNX files in, ONNX files of every variant out.

layout.py       the order of axes, ours and theirs; which width a set of sizes is
convention.py   what a network's input has to be, and how a file says so
torchvision.py  its state dict is our `owt`
onnx_export.py  layer record -> nodes
onnx_chain.py   a graph as a chain of nodes, and its constants
onnx_import.py  nodes -> layer records -> the variant that has them
"""

from pathlib import Path

import numpy as np

from minialex import alexnet, checkpoint
from minialex.checkpoint import Snapshot
from minialex.data.packed import open_packed
from minialex.data.preprocess import Preprocessing
from minialex.errors import UserError
from minialex.files import write_atomically
from minialex.interop.convention import describe
from minialex.interop.layout import Weights, adopt
from minialex.interop.onnx_export import to_model
from minialex.interop.onnx_import import read_onnx
from minialex.interop.torchvision import read_safetensors, read_state_dict

PICKLES = (b"PK\x03\x04", b"\x80\x02")  # PyTorch's files: a zip of today, a bare pickle of before 2020


def read(source: str | Path) -> Weights:
    """The weights in a file: safetensors, a .pth state dict or ONNX, known by its first bytes. UserError for others."""
    source = Path(source)
    try:
        with open(source, "rb") as file:
            head = file.read(9)
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror}") from error
    if head.startswith(PICKLES):
        return read_state_dict(source)
    return read_safetensors(source) if head[8:] == b"{" else read_onnx(source)


def import_weights(source: str | Path, out: str | Path, data: str | Path | None = None) -> list[str]:
    """Write the weights in a file of another program as a checkpoint, on which predict and evaluate run.

    data: a prepared folder that names the classes, where the file does not; they have numbers without.
    Returns what to tell of it, in lines. Raises UserError where the file is none of our networks.
    """
    source, out = Path(source), Path(out)
    _check_out(out, source)
    weights = read(source)
    net, width, params, state = adopt(weights, source)
    classes, words = names(weights, net.layers[-1].units, data)
    config = {
        "variant": net.name,
        "width": width,
        "classes": list(classes),
        "words": list(words),
        "preprocessing": weights.preprocessing.options(),
        "dtype": "float32",
    }
    checkpoint.save(out, Snapshot(params, {}, state, weights.preprocessing.mean, config))
    size = net.input_shape[0]
    return [
        f"{source} is {net.name}: {len(classes)} classes, width {width:g}",
        *weights.notes,
        *([] if weights.classes or data else ["it names no classes: they have numbers, or --data names them"]),
        f"input: {size}x{size}, {describe(weights.preprocessing)}",
        f"written: {out}",
    ]


def names(weights: Weights, count: int, data: str | Path | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of `count` classes, and words for them: of the prepared data, else the file's own, else numbers.

    Raises UserError where the data have another number of classes.
    """
    if data is None:
        return weights.classes or tuple(f"class {label}" for label in range(count)), weights.words
    packed = open_packed(data)
    if len(packed.classes) != count:
        raise UserError(f"{data} has {len(packed.classes)} classes, the network has {count}")
    return packed.classes, packed.words


def export_onnx(run: str | Path, out: str | Path) -> list[str]:
    """Write a run's best checkpoint, or the one that is named, as an ONNX file in float32 that gives the logits.

    Returns what to tell of it, in lines. Raises UserError where there is no checkpoint, or it is not whole.
    """
    path, out = checkpoint.best_of(run), Path(out)
    _check_out(out, path)
    snapshot = checkpoint.load(path, xp=np)
    config = snapshot.config
    classes = config["classes"]
    preprocessing = Preprocessing.from_config(snapshot.mean, config)
    net = alexnet.from_config(config)
    words = config.get("words", ())
    model = to_model(net, snapshot.params, snapshot.state, preprocessing, classes, words)
    data = model.SerializeToString()
    write_atomically(out, lambda temporary: temporary.write_bytes(data))
    (_, *shape), size = (dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim), len(data) / 1e6
    return [
        f"{path} is {net.name}: {len(classes)} classes, width {config['width']:g}",
        f"input: (N,{','.join(map(str, shape))}), {describe(preprocessing)}",
        f"written: {out} ({size:.1f} MB)",
    ]


def _check_out(out: Path, source: Path) -> None:
    if not out.parent.is_dir() or out.is_dir():
        raise UserError(f"{out} cannot be written: name a file in a folder that is there")
    if out.exists() and source.exists() and source.samefile(out):
        raise UserError(f"{out} would be written over what it is made from: give another name")
