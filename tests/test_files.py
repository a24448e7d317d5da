"""A file is whole or not there."""

import errno
import os

import pytest

from minialex.errors import RunError
from minialex.files import write_atomically


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
