import os
import subprocess
import sys
from pathlib import Path

import pytest

import minialex
from minialex import doctor
from minialex.__main__ import main
from minialex.errors import UserError

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
    main(["summary", variant])
    printed = capsys.readouterr().out
    assert "conv1" in printed and "1000" in printed


def test_summary_passes_classes_and_width_on(capsys):
    main(["summary", "paper", "--classes", "37", "--width", "0.125"])
    small = capsys.readouterr().out
    assert "37" in small and "4096" not in small
    main(["summary", "paper"])
    assert "4096" in capsys.readouterr().out


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
