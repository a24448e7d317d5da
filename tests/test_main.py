import os
import subprocess
import sys
from pathlib import Path

import pytest

import minialex
from minialex import doctor
from minialex.__main__ import main, with_classes
from minialex.data.packed import open_packed
from minialex.data.prepare import prepare
from minialex.data.sources import open_source
from minialex.errors import UserError
from tests import photos

ROOT = Path(__file__).parent.parent


def run(*arguments, cwd=None):
    command = [sys.executable, "-m", "minialex", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def test_doctor_prints_its_report(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "report", lambda: "all is well")
    main(["doctor"])
    assert capsys.readouterr().out == "all is well\n"


def test_doctor_runs_as_a_program_in_any_folder(tmp_path):
    done = run("doctor", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("minialex ")


@pytest.mark.parametrize("variant", ["paper", "code2012", "caffe", "owt", "bn"])
def test_summary_of_each_variant(capsys, variant):
    main(["summary", variant, "--width", "0.125"])  # of full width it draws 60 million numbers
    printed = capsys.readouterr().out
    assert "conv1" in printed and "1000" in printed


def test_summary_passes_classes_and_width_on(capsys):
    main(["summary", "paper", "--classes", "37", "--width", "0.125"])
    small = capsys.readouterr().out
    assert "37" in small and "4096" not in small
    main(["summary", "paper"])
    assert "4096" in capsys.readouterr().out


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """36 images of three classes to train on, prepared."""
    folder = tmp_path_factory.mktemp("photos")
    return prepare(open_source(photos.draw(folder / "raw")), folder / "packed", workers=1, progress=False).folder


SMALL = ["--variant", "bn", "--width", "0.0625", "--backend", "numpy"]


def health(photographs, *arguments):
    main(["health", "--data", str(photographs), *SMALL, *arguments])


def test_health_is_the_table_alone(photographs, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    health(photographs)
    printed = capsys.readouterr().out
    assert printed.startswith("health before the first step, on one batch: loss 1.")
    assert [line.split()[0] for line in printed.splitlines()[1:12]] == [
        "layer", "conv1", "bn1", "conv2", "bn2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8",
    ]  # fmt: skip
    assert printed.count("health") == 1 and not list(tmp_path.iterdir()), "nothing is kept"


def test_health_after_some_steps_begins_with_the_same_table(photographs, capsys):
    health(photographs)
    first = capsys.readouterr().out
    health(photographs, "--steps", "2", "--recipe", "small")
    printed = capsys.readouterr().out
    assert printed.startswith(first) and printed[len(first) :].startswith("health after 2 steps")
    for other in ("--seed", "1"), ("--lr", "0.1"), ("--batch", "5"), ("--recipe", "caffe"):
        health(photographs, *other)
        assert capsys.readouterr().out != first, other


def test_health_of_more_classes_than_the_data_has(photographs, capsys):
    health(photographs, "--classes", "500", "--recipe", "small")
    assert "(guessing gives ln 500 = 6.21)" in capsys.readouterr().out
    health(photographs, "--classes", "2")
    assert "(guessing gives ln 2 = 0.69)" in capsys.readouterr().out


def test_drawn_labels_are_of_all_classes_and_the_images_stay(photographs):
    packed = open_packed(photographs)
    more = with_classes(packed, 20, seed=0)
    assert len(more.classes) == 20 and len(set(more.train.labels)) > 10 and max(more.train.labels) < 20
    assert (more.train.labels == with_classes(packed, 20, seed=0).train.labels).all()
    assert (more.train.images([3]) == packed.train.images([3])).all()


MISTAKES = [
    ("--steps -1", "--steps is -1"),
    ("--classes 0", "--classes is 0"),
    ("--classes 1", "1 classes of 3"),
    ("--width nan", "--width is nan"),
    ("--batch 0", "--batch is 0"),
    ("--lr 0", "--lr is 0"),
    ("--seed -1", "--seed is -1"),
]


@pytest.mark.parametrize("arguments, message", MISTAKES, ids=[arguments for arguments, _ in MISTAKES])
def test_numbers_that_cannot_be_are_user_errors(photographs, arguments, message):
    with pytest.raises(UserError, match=message):
        health(photographs, *arguments.split())


@pytest.mark.parametrize("arguments", [["lenet"], ["paper", "--classes", "0"], ["paper", "--width", "-1"]])
def test_a_network_that_cannot_be_is_a_user_error(arguments):
    with pytest.raises(UserError):
        main(["summary", *arguments])


def test_a_user_error_is_one_line_and_status_2():
    done = run("summary", "lenet")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [[], ["lenet"], ["summary"], ["summary", "bn", "--width", "wide"]])
def test_a_wrong_command_line_is_status_2(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"minialex {minialex.__version__}\n"
