"""examples/evaluate.py: its table, its figure, its result, and its mistakes."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from minialex import checkpoint
from tests import photos

HOW = ["--threads", 1, "--backend", "numpy"]


@pytest.fixture
def other(finished, tmp_path):
    """other(change) saves a changed copy of the run's snapshot as a checkpoint file."""

    def make(change, name="other"):
        snapshot = checkpoint.load(checkpoint.best_of(finished), xp=np)
        change(snapshot)
        checkpoint.save(tmp_path / f"{name}.safetensors", snapshot)
        return tmp_path / f"{name}.safetensors"

    return make


def worse(snapshot):
    snapshot.params["fc8.W"][:, 0] += 0.01


def result(call, path, *arguments):
    """What --json wrote."""
    assert call("evaluate", *arguments, *HOW, "--json", path) == 0
    return json.loads(path.read_text(encoding="utf-8"))


def test_one_crop_gives_what_training_logged(finished, data, call, capsys, tmp_path):
    found = result(call, tmp_path / "r.json", "--run", finished, "--data", data, "--crops", 1)
    records = [json.loads(line) for line in (finished / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    best = max(reversed(records), key=lambda record: record["val_top1"])
    logged = {"top1_error": 1 - best["val_top1"], "top5_error": 1 - best["val_top5"], "loss": best["val_loss"]}
    assert found["average"] == pytest.approx(logged, rel=1e-5)
    assert found["runs"] == [{"run": str(finished)} | found["average"]]
    assert (found["images"], found["classes"], found["crops"]) == (3 * photos.VAL, 3, 1)
    out = capsys.readouterr().out
    assert "12 images of 3 classes, the central crop" in out and "the outputs of" not in out
    assert re.search(rf"{re.escape(str(finished))} +{logged['top1_error']:.1%} +0\.0% +{logged['loss']:.3f}\n", out)
    assert re.search(r"the paper: ILSVRC-2010 test, central crop +39\.0% +18\.3%\n", out)
    assert "The paper's are on 1000 classes. Of 3, guessing gets 66.7% and 0.0% wrong." in out


def test_ten_crops_are_the_default(finished, data, call, capsys, tmp_path):
    found = result(call, tmp_path / "ten.json", "--run", finished, "--data", data)
    one = result(call, tmp_path / "one.json", "--run", finished, "--data", data, "--crops", 1)
    assert found["crops"] == 10 and found["average"]["loss"] != one["average"]["loss"]
    few = result(call, tmp_path / "few.json", "--run", finished, "--data", data, "--batch", 7)
    assert few["average"] == pytest.approx(found["average"], rel=1e-6), "whatever the batch"
    out = capsys.readouterr().out
    assert re.search(r"the paper: ILSVRC-2010 test, ten crops +37\.5% +17\.0%\n", out)
    assert re.search(r"the paper: ILSVRC-2012 val, ten crops +40\.7% +18\.2%\n", out)


def test_several_runs_are_averaged(finished, data, other, call, capsys, tmp_path):
    second = other(worse)
    found = result(call, tmp_path / "r.json", "--run", finished, "--run", second, "--data", data, "--crops", 1)
    first, last = found["runs"]
    assert first["loss"] != last["loss"]
    assert found["average"]["loss"] < (first["loss"] + last["loss"]) / 2, "-log is convex"
    out = capsys.readouterr().out
    assert "the outputs of these 2, averaged" in out and "five CNNs" in out and "seven CNNs" in out
    twice = result(call, tmp_path / "twice.json", "--run", finished, "--run", finished, "--data", data, "--crops", 1)
    assert twice["average"] == pytest.approx({key: first[key] for key in twice["average"]})


def test_errors_of_each_class_the_worst_first_in_words(finished, data, other, call, capsys):
    def change(snapshot):
        snapshot.config["words"] = ["blue, azure", "green", "red, vermilion"]
        snapshot.params["fc8.b"][1] = 100  # everything is green

    assert call("evaluate", "--run", other(change), "--data", data, "--per-class", *HOW) == 0
    table = capsys.readouterr().out.split("\n\n")[-1].splitlines()
    assert [re.split("  +", line) for line in table] == [
        ["class", "images", "top-1 error", "top-5 error"],
        ["blue, azure", "4", "100.0%", "0.0%"],
        ["red, vermilion", "4", "100.0%", "0.0%"],
        ["green", "4", "0.0%", "0.0%"],
    ]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_it_draws_figure_4(finished, data, call, capsys, tmp_path, suffix):
    path = tmp_path / f"figure4.{suffix}"
    assert call("evaluate", "--run", finished, "--data", data, "--crops", 1, "--figure4", path, *HOW) == 0
    assert f"Figure 4 is in {path}" in capsys.readouterr().out
    with Image.open(path) as image:
        assert image.width > 1000


def test_figure_4_is_of_images_and_of_those_nearest_to_them(finished, data, call, monkeypatch, tmp_path):
    program, kept = call.mains["evaluate"].__globals__, []
    monkeypatch.setattr(program["figures"], "figure4", lambda *arguments: kept.append(arguments))
    arguments = ["--run", finished, "--data", data, "--figure4", tmp_path / "f.png", *HOW]
    assert call("evaluate", *arguments, "--batch", 5, "--crops", 1) == 0
    [(guesses, alike, words, path)] = kept
    assert list(words) == list(photos.CLASSES) and path == tmp_path / "f.png"
    packed = program["open_data"](data)
    chosen = [0, 2, 3, 5, 6, 8, 9, 11]  # of 12 images, sorted by class
    assert [int(label) for _, label, _ in guesses] == [n // photos.VAL for n in chosen]
    for n, (image, _, p) in zip(chosen, guesses, strict=True):
        assert (image == packed.val.images([n])[0]).all() and p.shape == (3,) and p.sum() == pytest.approx(1)
    assert [len(found) for *_, found in alike] == [6] * 5
    images = packed.train.images(range(36))
    training = {image.tobytes(): label for image, label in zip(images, packed.train.labels, strict=True)}
    shares = [training[each.tobytes()] == label for _, label, found in alike for each in found]
    assert sum(shares) > 0.7 * len(shares), "colour tells the classes apart"


def test_of_a_run_on_few_of_the_classes(finished, data, other, call, tmp_path):
    def two_classes(snapshot):
        snapshot.config["classes"] = snapshot.config["classes"][:2]
        snapshot.params["fc8.W"] = snapshot.params["fc8.W"][:, :2]
        snapshot.params["fc8.b"] = snapshot.params["fc8.b"][:2]

    found = result(call, tmp_path / "r.json", "--run", other(two_classes), "--data", data, "--crops", 1)
    assert (found["images"], found["classes"]) == (2 * photos.VAL, 2)


def test_the_images_are_prepared_as_the_run_says(finished, data, other, call, tmp_path):
    arguments = ["--data", data, "--crops", 1]
    plain = result(call, tmp_path / "plain.json", "--run", finished, *arguments)
    swapped = other(lambda snapshot: snapshot.config.update(preprocessing={"order": "BGR"}))
    assert result(call, tmp_path / "bgr.json", "--run", swapped, *arguments)["average"] != plain["average"]


def test_a_run_in_float64_is_evaluated_in_it(data, other, call, tmp_path):
    def exact(snapshot):
        snapshot.config["dtype"] = "float64"
        snapshot.params = {name: value.astype("float64") for name, value in snapshot.params.items()}
        snapshot.state = {name: value.astype("float64") for name, value in snapshot.state.items()}

    assert result(call, tmp_path / "r.json", "--run", other(exact), "--data", data, "--crops", 1)["images"] == 12


def test_a_cpu_computes_in_chunks_on_its_threads(finished, data, call, monkeypatch):
    program, used = call.mains["evaluate"].__globals__, []
    chosen = program["for_backend"]
    monkeypatch.setitem(program, "for_backend", lambda layers, xp, pool: used.append(pool) or chosen(layers, xp, pool))
    assert call("evaluate", "--run", finished, "--data", data, "--crops", 1, *HOW, "--threads", 3) == 0
    assert [pool._max_workers for pool in used] == [3]


def test_a_run_on_the_toy_set_needs_no_data(data, other, call, monkeypatch, tmp_path):
    program, asked = call.mains["evaluate"].__globals__, []
    packed = program["open_data"](data)
    monkeypatch.setitem(program, "open_data", lambda path, **_: asked.append(path) or packed)
    run = other(lambda snapshot: snapshot.config.update(data="toy"))
    assert result(call, tmp_path / "r.json", "--run", run, "--crops", 1)["images"] == 12
    assert asked == [None]


def test_other_images_than_the_runs_are_told(finished, data, other, call, capsys):
    arguments = ["--data", data, "--crops", 1, *HOW]
    assert call("evaluate", "--run", finished, *arguments) == 0
    assert "not the images" not in capsys.readouterr().out
    assert call("evaluate", "--run", other(lambda snapshot: snapshot.config.update(images="1")), *arguments) == 0
    assert "not the images" in capsys.readouterr().out
    assert call("evaluate", "--run", other(lambda snapshot: snapshot.config.pop("images")), *arguments) == 0
    assert "not the images" not in capsys.readouterr().out, "an imported network knows none"


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--run nowhere --data DATA", "nowhere is no folder of a training run, nor a checkpoint"),
        ("--run file --data DATA", "file is not a whole checkpoint of minialex"),
        ("--run RUN", "was not trained on the toy set: name the folder of its images with --data"),
        ("--run RUN --data nowhere", "nowhere: no such file or folder"),
        ("--run RUN --data file", "file cannot be read"),
        ("--run RUN --data others", "has other classes than others: class 1 is green, not pink"),
        ("--run RUN --data fewer", "has other classes than fewer: it has 2, not 3"),
        ("--run RUN --run OTHER --data DATA", "has other classes than"),
        ("--run RUN --data DATA --batch 0", "--batch is 0: it needs to be 1 or above"),
        ("--run RUN --data DATA --threads -1", "--threads is -1: it needs to be 1 or above"),
        ("--run RUN --data DATA --crops 5", "invalid choice: 5"),
        ("--run RUN --data DATA --backend torch", "invalid choice: 'torch'"),
        ("--run RUN --data DATA --figure4 f.gif", "--figure4 f.gif: its name needs to end in .png or .jpg"),
        ("--run RUN --data DATA --figure4 no/f.png", "f.png: name a file, in a folder that there is"),
        ("--run RUN --data DATA --json fewer", "--json fewer: name a file, in a folder that there is"),
        ("--data DATA", "the following arguments are required: --run"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    finished, data, other, call, capsys, monkeypatch, tmp_path, tmp_path_factory, arguments, message
):
    monkeypatch.setenv("MINIALEX_CACHE", str(tmp_path_factory.mktemp("cache")))
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    for name, classes in (("others", ("blue", "pink", "red")), ("fewer", ("blue", "green"))):
        for split, label in ((split, label) for split in ("train", "val") for label in classes):
            (tmp_path / name / split / label).mkdir(parents=True)
            shutil.copy(data / split / "red" / "0.png", tmp_path / name / split / label)
    stranger = other(lambda snapshot: snapshot.config.update(classes=["blue", "green", "pink"]))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    places = {"RUN": finished, "DATA": data, "OTHER": stranger}
    assert call("evaluate", *(places.get(word, word) for word in arguments.split()), *HOW[2:]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and message in printed.err.splitlines()[-1] and "Traceback" not in printed.err
    assert sorted(tmp_path.rglob("*")) == before, "nothing was written"


def test_the_help_says_what_it_does(call, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert call("evaluate", "--help") == 0
    text = capsys.readouterr().out
    assert all(len(line) <= 80 for line in text.splitlines())
    for option in ("run", "data", "crops", "per-class", "figure4", "json", "batch", "backend", "threads"):
        assert re.search(rf"^  --{option}\b", text, re.MULTILINE), option
