"""From the command line to a run's folder: exit statuses, one-line errors, signals, the same bits."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors import safe_open

from minialex import checkpoint
from minialex.data.augment import Augmentation
from minialex.data.prepare import open_data
from minialex.files import LOCK
from minialex.optim import Steps
from minialex.recipes import RECIPES
from tests import photos
from tests.emulation.raw_module import missing
from tests.examples.conftest import ROOT, SMALL
from tests.strict_cupy import StandIn

OPTIONS = "data classes workers variant width epochs batch lr seed dtype backend threads out resume".split()
OPTIONS += "recipe bias-lr warm-up drop-after momentum decay color crops-per-draw tf32 kernels".split()
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")

PROGRAM = ROOT / "examples" / "train_imagenet.py"

SLOWLY = """
import time
from minialex import train
train.SAVE_EVERY = -1  # a checkpoint after each step
plain = train.step
def step(*args, **kwargs):
    time.sleep(0.2)
    return plain(*args, **kwargs)
train.step = step
"""


def tensors(folder):
    """Every tensor of a run's newest checkpoint, as bytes."""
    with safe_open(checkpoint.latest(folder / "checkpoints"), "numpy") as file:
        return {key: file.get_tensor(key).tobytes() for key in file.keys()}


def log(folder):
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    times = {"seconds", "images_per_second", "wait"}
    return [{key: record[key] for key in record if key not in times} for record in records]


def until(process, found, seconds=120):
    """Wait until found() is true, while the process runs."""
    end = time.monotonic() + seconds
    while not found():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


def one_line(text):
    """The last line of an error; nothing like a traceback above it, at most the bar of a preparation."""
    assert "Traceback" not in text and "Warning" not in text
    *above, last = text.strip().splitlines()
    assert not above or above[0].startswith(("usage:", "preparing:")), text
    return last


# The same bits


@posix
def test_a_killed_run_resumes_to_the_same_bits(finished, data, call, start, tmp_path):
    out = tmp_path / "run"
    process = start("train_imagenet", "--data", data, "--out", out, *SMALL, first=SLOWLY)
    until(process, lambda: (out / "checkpoints" / "0001-0000002.safetensors").exists())
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (out / "checkpoints" / "0002-0000000.safetensors").exists(), "killed too late to show anything"
    assert call("train_imagenet", "--data", data, "--out", out, *SMALL, "--resume") == 0
    assert tensors(out) == tensors(finished)
    assert log(out) == log(finished)


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_the_same_command_goes_on(finished, data, call, start, tmp_path, number):
    process = start("train_imagenet", "--data", data, *SMALL, first=SLOWLY, cwd=tmp_path)
    first_line = process.stdout.readline().decode()  # comes at once, though nobody looks at a pipe
    assert "everything goes to runs" in first_line
    out = tmp_path / "runs" / "photos-bn-1"
    until(process, lambda: checkpoint.latest(out / "checkpoints"))
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert "stopped and saved" in one_line(errors.decode()) and "--resume --out" in errors.decode()
    assert call("train_imagenet", "--data", data, "--out", out, *SMALL, "--resume") == 0
    assert tensors(out) == tensors(finished)
    assert log(out) == log(finished)


def test_a_packed_folder_does_not_change_the_bits(finished, data, call, tmp_path, monkeypatch):
    packed = next((data.parent / "cache").iterdir())
    assert call("train_imagenet", "--data", packed, "--out", tmp_path / "run", *SMALL) == 0
    assert tensors(tmp_path / "run") == tensors(finished)
    assert log(tmp_path / "run") == log(finished)


def damaged(path):
    data = bytearray(path.read_bytes())
    data[-7] ^= 16
    path.write_bytes(data)
    return path


def test_a_damaged_checkpoint_is_named_and_the_last_good_one_leads_to_the_same_bits(
    finished, data, call, capsys, tmp_path
):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    path = damaged(checkpoint.latest(out / "checkpoints"))
    command = ["train_imagenet", "--data", data, "--out", out, *SMALL, "--resume"]
    assert call(*command) == 2
    line = one_line(capsys.readouterr().err)
    assert f"{path} is not a whole checkpoint" in line and "--resume last-good goes on" in line
    assert call(*command, "last-good") == 0
    assert f"a damaged checkpoint was set aside: {path}.damaged" in capsys.readouterr().out
    assert tensors(out) == tensors(finished)
    assert log(out) == log(finished)
    for path in (out / "checkpoints").glob("*.safetensors"):
        damaged(path)
    assert call(*command, "last-good") == 2
    assert "has no whole checkpoint: start anew with another --out" in one_line(capsys.readouterr().err)


def test_another_seed_gives_other_bits(finished, data, call, tmp_path):
    assert call("train_imagenet", "--data", data, "--out", tmp_path, *SMALL, "--epochs", "1", "--seed", "1") == 0
    assert log(tmp_path)[0]["loss"] != log(finished)[0]["loss"]


# What it leaves


def test_the_files_of_a_run(finished):
    assert {path.name for path in finished.iterdir()} - {LOCK} == {
        "checkpoints", "config.json", "conv1.png", "curves.png", "health-0.txt", "log.jsonl",
    }  # fmt: skip
    used = json.loads((finished / "config.json").read_text())
    assert (used["data"], used["variant"], used["width"], used["seed"]) == ("photos", "bn", 0.0625, 0)
    assert used["classes"] == list(photos.CLASSES) and used["dtype"] == "float32" and used["images"]
    assert used["recipe"]["batch"] == 8 and used["recipe"]["epochs"] == 2
    assert used["recipe"]["rate"] == 0.001 and used["recipe"]["schedule"]["kind"] == "Steps"
    assert [record["epoch"] for record in log(finished)] == [1, 2]
    assert used["words"] == used["classes"] and used["preprocessing"]["order"] == "RGB"


@pytest.fixture
def config_for(call, data):
    """config_for(flags): what a command line on the data would train."""
    program = call.mains["train_imagenet"].__globals__
    packed = open_data(data, workers=1, progress=False)
    return lambda flags: program["configure"](program["arguments"](["--data", str(data), *flags.split()]), packed)


def test_a_shortened_run_tells_which_drops_of_the_rate_it_misses(config_for, call):
    unreached = call.mains["train_imagenet"].__globals__["unreached"]
    told = {flags: unreached(config_for(flags).recipe) for flags in ("", "--epochs 41", "--recipe paper --epochs 2")}
    assert told == {"": "", "--epochs 41": "41", "--recipe paper --epochs 2": ""}
    assert unreached(config_for("--recipe code2012 --epochs 20").recipe) == "25, 51, 79"
    assert unreached(config_for("--epochs 20 --drop-after 9").recipe) == ""


def test_a_recipe_is_used_and_any_flag_overrides_it(config_for):
    plain = config_for("--recipe caffe")
    assert plain.recipe == RECIPES["caffe"] and plain.variant == "code2012" and plain.width == 1
    flags = "--lr 0.001 --momentum 0.8 --decay 0.002 --warm-up 3 --color unit --crops-per-draw 4 --drop-after 1 2"
    changed = config_for(f"--recipe caffe {flags} --epochs 3 --batch 7")
    assert changed.recipe.bias_rate == pytest.approx(0.002), "the ratio stays"
    assert changed.recipe == replace(
        RECIPES["caffe"],
        rate=0.001,
        bias_rate=changed.recipe.bias_rate,
        momentum=0.8,
        decay=0.002,  # and none of the biases
        warm_up=3,
        augmentation=Augmentation(crops_per_draw=4, color="unit"),
        schedule=Steps((1, 2)),
        epochs=3,
        batch=7,
    )


def test_flags_that_are_0_are_given_too(config_for):
    recipe = config_for("--recipe paper --bias-lr 0.02 --decay 0 --momentum 0 --warm-up 0 --color none").recipe
    expected = {"bias_rate": 0.02, "decay": 0, "bias_decay": 0, "momentum": 0, "augmentation": Augmentation()}
    assert recipe == replace(RECIPES["paper"], **expected)


def test_the_data_and_the_variant_choose_a_recipe(config_for):
    assert config_for("").recipe == config_for("--variant caffe").recipe == RECIPES["small"]
    assert config_for("--decay 0.001").recipe == replace(RECIPES["small"], decay=0.001, bias_decay=0.001)


def test_what_is_given_is_used(data, call, tmp_path, capsys):
    given = ["--lr", "0.005", "--dtype", "float64", "--variant", "paper", "--classes", "2", "--epochs", "1"]
    assert call("train_imagenet", "--data", data, "--out", tmp_path, *SMALL, *given) == 0
    used = json.loads((tmp_path / "config.json").read_text())
    assert (used["recipe"]["rate"], used["recipe"]["bias_rate"], used["dtype"]) == (0.005, 0.005, "float64")
    assert used["classes"] == ["blue", "green"] and used["variant"] == "paper"
    kept = checkpoint.load(checkpoint.latest(tmp_path / "checkpoints"), xp=np)
    assert {value.dtype.name for value in kept.params.values()} == {"float64"}
    assert kept.params["fc8.b"].shape == (2,)
    out = capsys.readouterr().out
    assert "paper at width 0.0625, 24 images of 2 classes, on NumPy" in out and "top-1" in out.splitlines()[-2]


def test_tf32_is_off_unless_asked_for_and_is_said(config_for, call):
    plain, asked = config_for(""), config_for("--tf32")
    assert not plain.plain()["tf32"] and asked.plain()["tf32"]
    introduction = call.mains["train_imagenet"].__globals__["introduction"]
    packed = SimpleNamespace(train=range(24), classes="ab")
    assert introduction(plain, packed, StandIn(), 1).endswith("on CuPy")
    assert introduction(asked, packed, StandIn(), 1).endswith("on CuPy with TF32")
    both = config_for("--tf32 --kernels")
    assert both.plain()["kernels"] and introduction(both, packed, StandIn(), 1).endswith(
        "on CuPy with our kernels and TF32"
    )


@pytest.mark.skipif(bool(missing()), reason=str(missing()))
def test_a_run_on_our_kernels_is_that_on_array_code(data, call, tmp_path, monkeypatch):
    """And two layers at a time are in one of them; the stand-in for CuPy emulates them."""
    xp, results = StandIn(), []
    main = call.mains["train_imagenet"].__globals__
    monkeypatch.setitem(main, "get_backend", lambda name, tf32: xp if name == "cupy" else np)
    for name, extra in ("plain", ()), ("own", ("--backend", "cupy", "--kernels")):
        how = [*SMALL, "--variant", "paper", "--epochs", 1, *extra]
        assert call("train_imagenet", "--data", data, "--out", tmp_path / name, *how) == 0
        results.append([log(tmp_path / name)[0][key] for key in ("loss", "val_loss")])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5)
    assert {"bias_backward", "lrn_max_pool_forward", "update", "preprocess"} <= set(xp.launches)


def test_a_run_in_mixed_precision_is_resumed_evaluated_and_used(data, call, tmp_path, capsys):
    run = ["train_imagenet", "--data", data, "--out", tmp_path, *SMALL, "--dtype", "mixed", "--epochs"]
    assert call(*run, 1) == 0 and call(*run, 2, "--resume") == 0
    kept = checkpoint.load(checkpoint.latest(tmp_path / "checkpoints"), xp=np)
    assert {value.dtype.name for value in (kept.params | kept.velocity | kept.state).values()} == {"float32"}
    assert kept.config["dtype"] == "mixed" and kept.history[-1]["loss_scale"] == kept.loss_scale["factor"]
    out = capsys.readouterr().out
    for program in (
        ["evaluate", "--data", data, "--crops", 1, "--backend", "numpy"],
        ["predict", data / "val/red/0.png"],
    ):
        assert call(*program, "--run", tmp_path) == 0
    assert call(*run, 3, "--resume", "--dtype", "float32") == 2
    assert "started with another dtype" in capsys.readouterr().err
    assert "val loss" in out


def test_the_help_fits_a_screen(call, capsys, monkeypatch):
    for columns in ("60", "80", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        assert call("train_imagenet", "--help") == 0
        text = capsys.readouterr().out
        assert all(len(line) <= max(80, int(columns)) for line in text.splitlines())
        for option in OPTIONS:
            assert re.search(rf"^  --{option}\b", text, re.MULTILINE), option
        assert re.search(r"^code2012 +128 +91 +0.01 +0.02 +after 25, 51, 79 +stdev$", text, re.MULTILINE)
        assert re.search(r"^paper +128 +90 +0.01 +0.01 +three times +stdev$", text, re.MULTILINE)


# Mistakes


@pytest.fixture
def mistakes(data, tmp_path):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "empty").mkdir()
    shutil.copytree(data / "train" / "red", tmp_path / "single" / "train" / "red")
    shutil.copytree(data / "val" / "red", tmp_path / "single" / "val" / "red")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--data nowhere", "nowhere: no such file or folder"),
        ("--data file", "file cannot be read as a whole, uncompressed tar"),
        ("--data empty", "holds nothing"),
        ("--data single", "single needs two classes, and images of them in val/: it has ('red',)"),
        ("--classes 99", "99 classes of 3: it needs 2 to 3"),
        ("--classes 1", "1 classes of 3: it needs 2 to 3"),
        ("--classes -3", "--classes is -3"),
        ("--width 0", "--width is 0.0"),
        ("--width nan", "--width is nan"),
        ("--width inf", "--width is inf"),
        ("--lr nan", "--lr is nan"),
        ("--lr -1", "--lr is -1.0"),
        ("--epochs 0", "--epochs is 0"),
        ("--recipe vgg", "invalid choice: 'vgg'"),
        ("--color red", "invalid choice: 'red'"),
        ("--bias-lr 0", "--bias-lr is 0.0: it needs to be above 0, and finite"),
        ("--crops-per-draw 0", "--crops-per-draw is 0: it needs to be above 0"),
        ("--warm-up -1", "--warm-up is -1: it needs to be 0 or above"),
        ("--momentum 1", "--momentum is 1.0: it needs to be 0 or above, and below 1"),
        ("--decay -1", "--decay is -1.0: it needs to be 0 or above, and below 1"),
        ("--decay nan", "--decay is nan"),
        ("--drop-after 1 2", "--drop-after 2 never comes: the run has 2 epochs"),
        ("--drop-after 0", "--drop-after 0 never comes"),
        ("--drop-after 1 1", "--drop-after has 1 more than once"),
        ("--batch 0", "--batch is 0"),
        ("--threads 0", "--threads is 0"),
        ("--workers -1", "--workers is -1"),
        ("--seed -1", "--seed is -1"),
        ("--resume", "--resume needs --out"),
        ("--resume --out empty", "no checkpoint to resume from"),
        ("--resume last-good --out empty", "no checkpoint to resume from"),
        ("--resume oldest", "invalid choice: 'oldest'"),
        ("--out file", "cannot make"),
        ("--variant vgg", "invalid choice: 'vgg'"),
        ("--dtype float16", "invalid choice: 'float16'"),
        ("--kernels --backend numpy", "--kernels are for a GPU with CuPy: leave it out, or --backend cupy"),
        ("--tf32", "TF32 needs a GPU of compute capability 8.0 with CuPy; here is none: leave --tf32 out"),
        ("--tf32 --dtype float64", "--tf32 is about products of float32: leave it out, or --dtype float64"),
        ("--backend torch", "invalid choice: 'torch'"),
        ("--epochs three", "invalid int value: 'three'"),
        ("--flag", "unrecognized arguments: --flag"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(mistakes, data, call, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(mistakes)
    before = sorted(mistakes.rglob("*"))
    assert call("train_imagenet", "--data", data, *SMALL, *arguments.split()) == 2
    assert message in one_line(capsys.readouterr().err)
    assert sorted(mistakes.rglob("*")) == before, "nothing was written"


def test_a_run_is_not_overwritten(finished, data, call, capsys, tmp_path):
    before = tensors(finished)
    # Said before the data are opened: preparing them may take hours.
    assert call("train_imagenet", "--data", tmp_path / "nowhere", "--out", finished, *SMALL) == 2
    assert "holds a run already: go on with --resume, or choose another --out" in one_line(capsys.readouterr().err)
    assert tensors(finished) == before


def test_a_run_that_began_while_the_data_were_prepared_is_not_overwritten(
    finished, data, call, capsys, tmp_path, monkeypatch
):
    scope, out = call.mains["train_imagenet"].__globals__, tmp_path / "run"

    def open_data(*arguments, plain=scope["open_data"], **options):
        shutil.copytree(finished, out)
        return plain(*arguments, **options)

    monkeypatch.setitem(scope, "open_data", open_data)
    assert call("train_imagenet", "--data", data, "--out", out, *SMALL) == 2
    assert "holds a run already" in one_line(capsys.readouterr().err)
    assert tensors(out) == tensors(finished)


def test_a_second_trainer_on_the_folder_is_refused(data, start, call, capsys, tmp_path):
    out = tmp_path / "run"
    command = ["train_imagenet", "--data", data, "--out", out, *SMALL]
    first = start(*command, first=SLOWLY.replace("0.2", "2"))
    first.stdout.readline()
    assert call(*command) == 2
    assert f"{out} is in use by another process" in one_line(capsys.readouterr().err)
    until(first, lambda: checkpoint.latest(out / "checkpoints"))
    for resume in ([], ["newest"], ["last-good"]):
        assert call(*command, "--resume", *resume) == 2
        assert f"{out} is in use by another process" in one_line(capsys.readouterr().err)
    assert first.poll() is None, "the first has not minded"
    first.kill()
    first.wait()
    assert call(*command, "--resume") == 0, "a lock goes with its process"


def test_a_resume_with_other_numbers_is_refused_by_name(finished, data, call, capsys):
    arguments = ["--data", data, "--out", finished, *SMALL, "--resume"]
    for option, value, name in [("--seed", 1, "seed"), ("--variant", "paper", "variant"), ("--batch", 9, "batch")]:
        assert call("train_imagenet", *arguments, option, value) == 2
        assert f"started with another {name}:" in one_line(capsys.readouterr().err)


def test_a_resume_on_other_images_is_refused(finished, data, call, capsys, tmp_path):
    other = shutil.copytree(data, tmp_path / "photos")
    shutil.copy(other / "train" / "red" / "0.png", other / "train" / "red" / "more.png")
    assert call("train_imagenet", "--data", other, "--out", finished, *SMALL, "--resume") == 2
    assert "started with another images:" in one_line(capsys.readouterr().err)


def test_a_finished_run_is_done(finished, data, call, capsys):
    before = tensors(finished)
    assert call("train_imagenet", "--data", data, "--out", finished, *SMALL, "--resume") == 0
    assert "done: top-1" in capsys.readouterr().out and tensors(finished) == before


# Failures


def test_a_rate_far_too_high_is_one_line_and_status_1(data, start, call, tmp_path):
    out = tmp_path / "run"
    process = start("train_imagenet", "--data", data, "--out", out, *SMALL, "--lr", "1e30")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    line = one_line(errors.decode())
    assert line.startswith("failed: the loss is") and "first seen in the output of" in line
    assert call("train_imagenet", "--data", data, "--out", out, *SMALL, "--epochs", "1") == 0, "it can be tried again"


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on the size of files stands for a full disk")
def test_a_full_disk_is_one_line_and_status_1(finished, data, start, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    before = {path.name: path.read_bytes() for path in (out / "checkpoints").iterdir()}
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))"
    process = start("train_imagenet", "--data", data, "--out", out, *SMALL, "--epochs", 3, "--resume", first=full)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "cannot write" in one_line(errors.decode()) and "File too large" in errors.decode()
    assert {path.name: path.read_bytes() for path in (out / "checkpoints").iterdir()} == before


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs a file system that only the test can see")
def test_a_small_disk_that_is_full_is_one_line_and_status_1(finished, data, tmp_path):
    for name in ("small", "after"):
        (tmp_path / name).mkdir()
    train = f'"{sys.executable}" "{PROGRAM}" --data "{data}" --out small/run {" ".join(SMALL)} --epochs 3 --resume'
    script = f"""
        mount -t tmpfs -o size=9m tmpfs small || exit 77
        cp -r "{finished}" small/run && {train} > small/out
        echo status $? && cp -r small/run after
        mount -o remount,size=20m small && {train} > small/out
        echo status $?"""
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    if "status" not in done.stdout:
        pytest.skip(f"this user may not mount a small disk: {done.stderr.strip()}")
    assert done.stdout.split() == ["status", "1", "status", "0"], done.stderr
    assert "cannot write small/run/checkpoints/" in one_line(done.stderr) and "No space left" in done.stderr
    before, after = ({path.name: path.read_bytes() for path in (run / "checkpoints").iterdir()}
                     for run in (finished, tmp_path / "after" / "run"))  # fmt: skip
    assert after == before


@posix
def test_ctrl_c_while_preparing_ends_it_and_the_same_command_goes_on(data, start, call, tmp_path):
    slowly = """
import time
from minialex.data import prepare
plain = prepare._decode
def decode(*args):
    time.sleep(0.5)
    return plain(*args)
prepare._decode = decode
"""
    cache = {"MINIALEX_CACHE": str(tmp_path / "cache")}
    process = start("train_imagenet", "--data", data, "--out", tmp_path / "run", *SMALL, first=slowly, env=cache)
    until(process, lambda: (tmp_path / "cache").exists() and any((tmp_path / "cache").iterdir()))
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and b"Traceback" not in errors
    assert time.monotonic() - began < 10, "36 images at half a second each were not waited for"
    assert not (tmp_path / "run").exists()
