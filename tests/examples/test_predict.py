"""examples/predict.py: what it prints, for images of every kind, and its mistakes."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from minialex import checkpoint
from tests import photos


def rows(text):
    """(probability in percent, bar, class) of each line printed."""
    return [re.fullmatch(r" *([\d.]+)%  ([█#]*) *  (\S.*)", line).groups() for line in text.splitlines()]


@pytest.fixture
def image(data):
    return data / "val" / "red" / "0.png"


def test_it_prints_the_likeliest_classes_with_bars(finished, image, call, capsys):
    assert call("predict", image, "--run", finished) == 0
    printed = rows(capsys.readouterr().out)
    percents = [float(percent) for percent, _, _ in printed]
    assert sorted(name for _, _, name in printed) == sorted(photos.CLASSES), "three classes: all of them"
    assert percents == sorted(percents, reverse=True) and sum(percents) == pytest.approx(100, abs=0.2)
    for percent, bar, _ in printed:
        assert abs(len(bar) - 0.3 * float(percent)) <= 0.51


def test_it_prints_five_of_many(finished, image, call, capsys, monkeypatch):
    predict = call.mains["predict"].__globals__
    probabilities = np.array([0.1, 0.05, 0.4, 0.2, 0.15, 0.03, 0.07], "float32")
    monkeypatch.setitem(predict, "predict", lambda snapshot, _: set_classes(snapshot) or probabilities)
    assert call("predict", image, "--run", finished) == 0
    printed = rows(capsys.readouterr().out)
    assert [name for _, _, name in printed] == ["c2", "c3", "c4", "c0", "c6"]
    assert [len(bar) for _, bar, _ in printed] == [12, 6, 4, 3, 2]


def test_it_calls_a_class_by_its_words_and_prepares_the_image_as_the_run_says(finished, image, call, capsys, tmp_path):
    snapshot = checkpoint.load(checkpoint.best_of(finished), xp=np)
    snapshot.config["words"] = ["blue, azure", "green", "red, vermilion"]
    checkpoint.save(tmp_path / "words.safetensors", snapshot)
    assert call("predict", image, "--run", tmp_path / "words.safetensors") == 0
    worded = rows(capsys.readouterr().out)
    assert {name for *_, name in worded} == set(snapshot.config["words"])
    assert call("predict", image, "--run", finished) == 0
    assert [row[:2] for row in rows(capsys.readouterr().out)] == [row[:2] for row in worded]
    snapshot.config["preprocessing"] = {"order": "BGR"}
    checkpoint.save(tmp_path / "bgr.safetensors", snapshot)
    assert call("predict", image, "--run", tmp_path / "bgr.safetensors") == 0
    assert rows(capsys.readouterr().out) != worded, "red is blue to it"


def set_classes(snapshot):
    snapshot.config["classes"] = [f"c{label}" for label in range(7)]
    snapshot.config["words"] = []


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "CMYK", "I;16"])
def test_images_of_every_kind(finished, data, call, capsys, tmp_path, mode):
    with Image.open(data / "val" / "red" / "0.png") as source:
        if mode == "I;16":
            odd = Image.fromarray(np.asarray(source.convert("L")).astype("uint16") * 257)
        else:
            odd = source.convert(mode).resize((301, 97))
    path = tmp_path / ("odd.tif" if mode in ("CMYK", "I;16") else "odd.png")
    odd.save(path)
    assert call("predict", path, "--run", finished) == 0
    assert len(rows(capsys.readouterr().out)) == 3


def test_it_takes_the_best_checkpoint_or_else_the_newest(finished, image, call, capsys, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    first, second, best = sorted((run / "checkpoints").iterdir())
    shutil.copy(first, best)
    assert call("predict", image, "--run", run) == 0
    of_first = capsys.readouterr().out
    best.unlink()
    assert call("predict", image, "--run", run) == 0
    assert capsys.readouterr().out != of_first


def test_a_console_without_blocks_and_a_class_it_cannot_show(finished, image, start):
    rename = """
from minialex import checkpoint
plain = checkpoint.load
def load(*args, **kwargs):
    snapshot = plain(*args, **kwargs)
    snapshot.config["words"] = ["\\u732b", "green", "red"]
    return snapshot
checkpoint.load = load
"""
    process = start("predict", image, "--run", finished, first=rename, env={"PYTHONIOENCODING": "cp1252"})
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    printed = rows(out.decode("cp1252"))
    assert {name for _, _, name in printed} == {"?", "green", "red"} and printed[0][1].startswith("#")


@pytest.mark.parametrize("mistake", ["text", "cut", "missing", "folder", "no run", "run is a file", "bad checkpoint"])
def test_mistakes_are_one_line_and_status_2(finished, image, call, capsys, tmp_path, mistake):
    path, run = tmp_path / "image.png", finished
    if mistake == "text":
        path.write_text("not an image")
    elif mistake == "cut":
        path.write_bytes(image.read_bytes()[:500])
    elif mistake == "folder":
        path.mkdir()
    elif mistake != "missing":
        shutil.copy(image, path)
        run = {"no run": tmp_path, "run is a file": path}.get(mistake, tmp_path / "run")
    if mistake == "bad checkpoint":
        (run / "checkpoints").mkdir(parents=True)
        (run / "checkpoints" / "best.safetensors").write_bytes(b"nothing of the kind")
    assert call("predict", path, "--run", run) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1 and printed.err.startswith("error: ")


def test_both_arguments_are_asked_for(call, capsys, image):
    assert call("predict", image) == 2
    assert "--run" in capsys.readouterr().err.splitlines()[-1]
    assert call("predict", "--help") == 0
    assert "five likeliest" in " ".join(capsys.readouterr().out.split())
