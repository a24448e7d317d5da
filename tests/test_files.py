"""A file is whole or not there."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from minialex.errors import RunError, UserError
from minialex.files import LOCK, alone_in, write_atomically

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def path(tmp_path):
    (tmp_path / "run.json").write_text("old")
    return tmp_path / "run.json"


def half(error):
    """Writes one half, then fails."""

    def write(temporary):
        temporary.write_text("ne")
        raise error

    return write


def only_the_old(path):
    return path.read_text() == "old" and list(path.parent.iterdir()) == [path]


def test_the_new_file_takes_the_place_of_the_old(path):
    write_atomically(path, lambda temporary: temporary.write_text("new"))
    assert path.read_text() == "new" and list(path.parent.iterdir()) == [path]
    write_atomically(str(path.with_name("other")), lambda temporary: temporary.write_text("more"))
    assert path.with_name("other").read_text() == "more"


def test_until_then_the_old_one_is_whole(path):
    def write(temporary):
        temporary.write_text("new")
        assert path.read_text() == "old" and temporary.parent == path.parent
        assert temporary.name.startswith(".") and temporary.suffix == ".tmp", "no glob for results may match it"

    write_atomically(path, write)


def test_a_full_disk_leaves_the_old_file_and_no_other(path):
    with pytest.raises(RunError, match="cannot write .*run.json: No space left on device"):
        write_atomically(path, half(OSError(errno.ENOSPC, "No space left on device")))
    assert only_the_old(path)


@pytest.mark.parametrize("error", [ValueError("no such value"), KeyboardInterrupt()])
def test_any_other_error_stays_itself(path, error):
    with pytest.raises(type(error)) as caught:
        write_atomically(path, half(error))
    assert caught.value is error and only_the_old(path)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(RunError, match="cannot write .*x.json: "):
        write_atomically(tmp_path / "none" / "x.json", lambda temporary: temporary.write_text("new"))
    assert list(tmp_path.iterdir()) == []


def test_a_rename_that_fails(path, monkeypatch):
    def fail(*args):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(RunError, match="Permission denied"):
        write_atomically(path, lambda temporary: temporary.write_text("new"))
    assert only_the_old(path)


def test_content_is_on_disk_before_its_name(path, monkeypatch):
    done, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("replace"), replace(*names)))
    write_atomically(path, lambda temporary: (temporary.write_text("new"), done.append("write")))
    folder = ["fsync"] if os.name == "posix" else []
    assert done == ["write", "fsync", "replace", *folder]


# One writer a folder


def test_a_second_writer_is_refused_while_the_first_is_there(tmp_path):
    folder = tmp_path / "runs" / "new"
    with alone_in(folder):
        (folder / "kept").touch()
        with pytest.raises(UserError, match="new is in use by another process"), alone_in(folder):
            raise AssertionError("two at once")
        with alone_in(tmp_path / "runs" / "other"):
            pass
    with alone_in(str(folder)):
        assert {path.name for path in folder.iterdir()} - {LOCK} == {"kept"}


def test_it_is_free_again_after_an_error(tmp_path):
    with pytest.raises(OSError, match="^of the block$"), alone_in(tmp_path):
        raise OSError("of the block")
    with alone_in(tmp_path):
        pass


def test_the_lock_goes_with_a_killed_process(tmp_path):
    code = f"from minialex.files import alone_in\nwith alone_in({str(tmp_path)!r}): print('in', flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, **pipes)
    with process:
        assert process.stdout.readline().strip() == b"in"
        with pytest.raises(UserError, match="in use"), alone_in(tmp_path):
            pass
        process.kill()
    with alone_in(tmp_path):
        pass


def test_half_written_files_are_swept_and_only_by_the_one_writer(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    half = [tmp_path / ".log.jsonl.1.tmp", tmp_path / "checkpoints" / ".best.safetensors.77.tmp"]
    mine = [tmp_path / "log.jsonl", tmp_path / "notes.tmp", tmp_path / ".hidden"]
    with alone_in(tmp_path):
        for path in half + mine:
            path.touch()
        with pytest.raises(UserError), alone_in(tmp_path):
            pass
        assert all(path.exists() for path in half)
    with alone_in(tmp_path):
        assert not any(path.exists() for path in half) and all(path.exists() for path in mine)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("here first")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="cannot make .*file"), alone_in(folder):
            pass
    assert (tmp_path / "file").read_text() == "here first"
