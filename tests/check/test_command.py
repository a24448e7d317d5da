"""`python -m minialex check`: which file is meant, what is printed, and the exit status."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from minialex.__main__ import main
from minialex.check import NAMES, command
from minialex.errors import UserError

ROOT = Path(__file__).parents[2]
SOLUTIONS = ROOT / "lessons" / "solutions"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of a learner's: the stubs of two exercises, and the current folder."""
    folder = tmp_path / "lessons" / "exercises"
    folder.mkdir(parents=True)
    for name in ("relu", "lrn"):
        source = (ROOT / "lessons" / "exercises" / f"{name}.py").read_text(encoding="utf-8")
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return folder


def solve(folder, name, old="", new=""):
    source = (SOLUTIONS / f"{name}.py").read_text(encoding="utf-8")
    assert old in source
    (folder / f"{name}.py").write_text(source.replace(old, new) if old else source, encoding="utf-8")


def run(*arguments, cwd=ROOT):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-m", "minialex", "check", *arguments]
    return subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def test_a_stub_is_one_line_and_status_1(project, capsys):
    assert main(["check", "relu"]) == 1
    path = Path("lessons/exercises/relu.py")
    assert capsys.readouterr().out == f"relu ({path}): not begun (relu.py:12)\n"


def test_what_is_right_is_status_0(project, capsys):
    solve(project, "relu")
    assert main(["check", "relu"]) == 0
    assert capsys.readouterr().out.endswith("all is right\n")


def test_what_is_wrong_is_status_1(project, capsys):
    solve(project, "lrn", "- 2 * alpha * beta * x * through_neighbours")
    assert main(["check", "lrn"]) == 1
    assert "dx: FAIL" in (printed := capsys.readouterr().out) and "the cross-term is missing" in printed


def test_the_project_is_found_from_a_folder_inside_it(project, monkeypatch, capsys):
    solve(project, "relu")
    monkeypatch.chdir(project)
    assert main(["check", "relu"]) == 0


def test_as_a_program():
    done = run("lrn")
    assert (done.returncode, done.stderr) == (1, "") and "not begun" in done.stdout
    done = run(str(SOLUTIONS / "lrn.py"))
    assert (done.returncode, done.stderr) == (0, "")
    done = run("lenet")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["lnr"], "there is no exercise 'lnr': did you mean lrn?"),
        (["zebra"], "there is no exercise 'zebra': choose count, "),
        (["conv"], "there is no file "),
        (["nowhere/lrn.py"], "there is no file "),
        (["mine.py"], "mine.py does not say which exercise it is: add --as NAME"),
        (["mine.py", "--as", "lnr"], "there is no exercise 'lnr'"),
        (["--all", "nowhere"], "there is no folder nowhere"),
        ([], "which exercise? name one"),
    ],
)
def test_a_user_s_error(project, arguments, says):
    (project.parents[1] / "mine.py").write_text("", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        main(["check", *arguments])
    assert str(caught.value).startswith(says)


def test_outside_of_any_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="there is no lessons/exercises here or above"):
        main(["check", "lrn"])


@pytest.mark.parametrize(
    "file, name", [("lrn", "lrn"), ("my_lrn", "lrn"), ("my_max_pool", "max_pool"), ("Ann_softmax_cross_entropy", None)]
)
def test_a_file_s_name_says_which_exercise_it_is(tmp_path, file, name):
    path = tmp_path / f"{file}.py"
    path.write_text("", encoding="utf-8")
    assert command.find(str(path)) == (name or "softmax_cross_entropy", path)


def test_as_says_which_exercise_a_file_is(tmp_path, capsys):
    path = tmp_path / "homework.py"
    path.write_text((SOLUTIONS / "relu.py").read_text(encoding="utf-8"), encoding="utf-8")
    assert main(["check", str(path), "--as", "relu"]) == 0


def test_a_file_that_cannot_be_run_is_told(project, capsys):
    (project / "relu.py").write_text("def relu_forward(x):\n    retrun x\n", encoding="utf-8")
    assert main(["check", "relu"]) == 1
    printed = capsys.readouterr().out
    assert "imports  FAIL" in printed and "relu.py:2: SyntaxError" in printed and "Traceback" not in printed


def test_an_exception_is_one_line_of_theirs(project, capsys):
    solve(project, "relu", "np.maximum(x, 0), x > 0", "np.maximum(y, 0), x > 0")
    assert main(["check", "relu"]) == 1
    printed = capsys.readouterr().out
    assert "relu.py:8: NameError: name 'y' is not defined" in printed and "Traceback" not in printed


def test_hints_come_one_after_the_other(project, capsys):
    hints = []
    for _ in range(4):
        assert main(["check", "relu", "--hint"]) == 1
        hints.append(capsys.readouterr().out.splitlines()[-1])
    assert [hint[:11] for hint in hints] == ["hint 1 of 3", "hint 2 of 3", "hint 3 of 3", "hint 1 of 3"]
    main(["check", "lrn", "--hint"])
    assert "hint 1 of 3" in capsys.readouterr().out, "each exercise counts its own"


def test_what_is_right_needs_no_hint(project, capsys):
    solve(project, "relu")
    assert main(["check", "relu", "--hint"]) == 0
    assert "hint" not in capsys.readouterr().out


@pytest.mark.parametrize("kept", ["no json", "[1]", '{"relu": "x"}'])
def test_a_broken_record_of_hints_begins_anew(project, capsys, kept):
    (project / command.HINTS_SEEN).write_text(kept, encoding="utf-8")
    main(["check", "relu", "--hint"])
    assert "hint 1 of 3" in capsys.readouterr().out


def test_hints_where_nothing_can_be_written(project, capsys):
    (project / command.HINTS_SEEN).mkdir()
    for _ in range(2):
        assert main(["check", "relu", "--hint"]) == 1
        assert "hint 1 of 3" in capsys.readouterr().out


def test_hints_do_not_show_the_solution():
    for name in NAMES:
        source = (SOLUTIONS / f"{name}.py").read_text(encoding="utf-8")
        lines = {line.strip() for line in source.splitlines() if len(line.strip()) > 25 and "return" in line}
        for hint in command.exercise(name).hints:
            assert not any(line in hint for line in lines)


def test_the_table_of_all(project, capsys):
    solve(project, "relu")
    assert main(["check", "--all"]) == 1
    lines = capsys.readouterr().out.splitlines()
    table = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines[:-1]}
    assert list(table) == list(NAMES)
    assert (table["relu"], table["lrn"], table["conv"]) == ("right", "not begun", "no file")
    assert lines[-1] == f"1 of {len(NAMES)} are right"


def test_the_table_of_another_folder(capsys):
    assert main(["check", "--all", str(SOLUTIONS)]) == 0
    assert capsys.readouterr().out.endswith(f"{len(NAMES)} of {len(NAMES)} are right\n")


def test_a_file_is_watched_until_it_is_saved(tmp_path):
    path, slept = tmp_path / "relu.py", []
    path.write_text("1", encoding="utf-8")

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            path.unlink()  # as editors do, for a moment
        if len(slept) == 5:
            path.write_text("22", encoding="utf-8")
        if len(slept) == 8:
            raise KeyboardInterrupt

    seen = command.changes(path, command._modified(path), sleep)
    next(seen)
    assert len(slept) == 5
    with pytest.raises(KeyboardInterrupt):
        next(seen)


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_watch_checks_again_and_ends_with_ctrl_c(project):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-m", "minialex", "check", "relu", "--watch"]
    process = subprocess.Popen(arguments, cwd=project.parents[1], env=environment, stdout=subprocess.PIPE, text=True)
    killer = threading.Timer(60, process.kill)
    killer.start()
    try:
        assert "not begun" in process.stdout.readline()
        solve(project, "relu")
        for line in process.stdout:
            if line == "all is right\n":
                break
        process.send_signal(2)
        assert process.wait(30) == 130
    finally:
        killer.cancel()
        process.kill()
        process.stdout.close()
