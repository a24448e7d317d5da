"""The commands, from a file to a file."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from minialex import alexnet, checkpoint, network
from minialex.__main__ import main
from minialex.checkpoint import Snapshot
from minialex.data.augment import center_patches
from minialex.data.prepare import prepare
from minialex.data.preprocess import Preprocessing
from minialex.data.sources import open_source
from minialex.errors import RunError, UserError
from minialex.interop import Weights, export_onnx, import_weights, names
from minialex.interop.torchvision import NAMES
from tests import photos
from tests.interop.test_onnx_export import REASON


@pytest.fixture
def theirs(tmp_path, made):
    """A safetensors file of torchvision's alexnet."""
    tensors = made("owt").tensors
    save_file({name: tensors[ours] for name, ours in NAMES.items()}, tmp_path / "theirs.safetensors")
    return tmp_path / "theirs.safetensors"


@pytest.fixture
def run(tmp_path, made):
    """A run's folder, of the variant that needs most of a file: running statistics, velocities, words."""
    its = made("bn")
    config = {
        "variant": "bn",
        "width": 1 / 16,
        "classes": list(its.names),
        "words": ["a dog", "a cat", "3", "4", "5"],
        "preprocessing": its.preprocessing.options(),
        "dtype": "float32",
    }
    snapshot = Snapshot(its.params, its.params, its.state, its.preprocessing.mean, config, epoch=2)
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    checkpoint.save(tmp_path / "run" / "checkpoints" / "best.safetensors", snapshot)
    worse = replace(snapshot, params={name: value * 0 for name, value in its.params.items()})
    checkpoint.save(tmp_path / "run" / "checkpoints" / checkpoint.name_of(snapshot), worse)
    return tmp_path / "run"


def test_an_import_is_a_checkpoint_that_predicts(theirs, tmp_path, made, capsys):
    out = tmp_path / "ours.safetensors"
    main(["import", str(theirs), str(out)])
    printed = capsys.readouterr().out
    assert "is owt: 5 classes, width 0.0625\n" in printed and "224x224, RGB" in printed and str(out) in printed
    snapshot = checkpoint.load(out, xp=np)
    config = snapshot.config
    assert config["classes"] == [f"class {label}" for label in range(5)] and "names no classes" in printed

    net = alexnet.build(config["variant"], classes=len(config["classes"]), width=config["width"])
    images = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    preprocessing = Preprocessing.from_config(snapshot.mean, config)
    x = preprocessing.apply(images, center_patches(2, 224), dtype=config["dtype"])
    assert abs(float(x.mean())) < 0.5 and 0.9 < float(x.std()) < 1.5, "in torchvision's units"
    logits, _ = network.forward(net.layers, snapshot.params, x, state=snapshot.state, train=False)
    direct, _ = network.forward(made("owt").net.layers, made("owt").params, x, state={}, train=False)
    np.testing.assert_array_equal(logits, direct)


def test_prepared_data_name_the_classes(theirs, tmp_path, capsys):
    packed = prepare(open_source(photos.draw(tmp_path / "photos")), tmp_path / "packed")
    with pytest.raises(UserError, match="packed has 3 classes, the network has 5"):
        import_weights(theirs, tmp_path / "a.safetensors", tmp_path / "packed")
    weights = Weights("owt", {}, None, ("a", "b", "c"), ("A", "B", "C"))
    assert names(weights, 3, tmp_path / "packed") == (packed.classes, packed.words)
    assert names(weights, 3, None) == (("a", "b", "c"), ("A", "B", "C"))


@pytest.mark.oracle
def test_a_run_goes_out_and_comes_back(run, tmp_path, capsys):
    pytest.importorskip("onnx", reason=REASON)
    main(["export", str(run), str(tmp_path / "a.onnx")])
    printed = capsys.readouterr().out
    assert "best.safetensors is bn: 5 classes, width 0.0625\n" in printed and "(N,3,224,224), BGR" in printed
    main(["import", str(tmp_path / "a.onnx"), str(tmp_path / "a.safetensors")])
    printed = capsys.readouterr().out
    assert "a.onnx is bn: 5 classes, width 0.0625\n" in printed and "numbers" not in printed
    before, after = (checkpoint.load(path, xp=np) for path in (checkpoint.best_of(run), tmp_path / "a.safetensors"))
    for group in ("params", "state"):
        mine, its = getattr(before, group), getattr(after, group)
        assert list(mine) == list(its) and len(mine) > 3
        assert all(mine[name].tobytes() == its[name].tobytes() and mine[name].shape == its[name].shape for name in mine)
    assert before.mean.tobytes() == after.mean.tobytes()
    assert before.config == after.config
    export_onnx(tmp_path / "a.safetensors", tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


@pytest.mark.oracle
def test_an_older_file_is_replaced_whole_or_not_at_all(run, tmp_path, monkeypatch):
    pytest.importorskip("onnx", reason=REASON)
    out = tmp_path / "a.onnx"
    export_onnx(run, out)
    whole = out.read_bytes()

    def full(self, data):
        with open(self, "wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(out), "write_bytes", full)
        with pytest.raises(RunError, match="cannot write .*a.onnx: No space left on device"):
            export_onnx(run, out)
    assert out.read_bytes() == whole and not list(tmp_path.glob("*.tmp"))
    export_onnx(run, out)
    assert out.read_bytes() == whole


MISTAKES = {
    "nothing there": (["import", "none", "out"], "cannot read .*none: No such file"),
    "a folder": (["import", "run", "out"], "cannot read .*run"),
    "no folder for it": (
        ["import", "theirs.safetensors", "nowhere/out"],
        "out cannot be written: name a file",
    ),
    "a folder for a file": (["import", "theirs.safetensors", "run"], "run cannot be written: name a file"),
    "over itself": (
        ["import", "theirs.safetensors", "theirs.safetensors"],
        "would be written over what it is made from",
    ),
    "no prepared data": (["import", "theirs.safetensors", "out", "--data", "run"], "run is not a packed data set"),
    "no run": (["export", "none", "out"], "none is no folder of a training run"),
    "another program's file": (["export", "theirs.safetensors", "out"], "is not a whole checkpoint of minialex"),
    "a checkpoint over itself": (
        ["export", "run", "run/checkpoints/best.safetensors"],
        "would be written over what it is made from",
    ),
    "our own checkpoint": (["import", "run/checkpoints/best.safetensors", "out"], "is not torchvision's alexnet"),
}


@pytest.mark.parametrize("arguments, message", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes(arguments, message, theirs, run, tmp_path):
    before = {path: path.stat().st_size for path in tmp_path.rglob("*")}
    places = [word if word.startswith("-") else str(tmp_path / word) for word in arguments[1:]]
    with pytest.raises(UserError, match=message) as caught:
        main([arguments[0], *places])
    assert "\n" not in str(caught.value)
    assert {path: path.stat().st_size for path in tmp_path.rglob("*")} == before
