"""examples/prepare_imagenet.py: from a folder of photographs to a packed data set, and what it says on the way."""

import pytest

from minialex.__main__ import main
from minialex.errors import main_status


def test_it_prepares_and_reports_and_training_takes_it(data, call, capsys, tmp_path):
    assert call("prepare_imagenet", data, tmp_path / "packed", "--workers", "1") == 0
    printed = capsys.readouterr()
    assert printed.out == f"{tmp_path / 'packed'}: 3 classes, 36 train and 12 val images\n"
    assert printed.err.startswith("preparing: 48 images need 0.0 GB") and "48/48" in printed.err
    assert main_status(main, ["verify", str(tmp_path / "packed")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'packed'} is as it was made\n"
    shard = tmp_path / "packed" / "val-00000.npy"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert main_status(main, ["verify", str(tmp_path / "packed")]) == 2
    assert "val-00000.npy has changed" in capsys.readouterr().err
    assert call("prepare_imagenet", data, tmp_path / "packed", "--workers", "1") == 0
    assert shard.read_bytes() == content, "a damaged shard is made again"


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (["nowhere", "OUT"], "nowhere: no such file or folder"),
        (["DATA", "OUT", "--workers", "0"], "0 workers"),
        (["DATA", "FILE"], "cannot make"),
        (["DATA", "OUT", "--md5"], "no file whose md5 sum is known"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(data, call, capsys, tmp_path, mistake, told):
    (tmp_path / "file").write_text("")
    names = {"DATA": data, "OUT": tmp_path / "out", "FILE": tmp_path / "file"}
    assert call("prepare_imagenet", *(names.get(word, word) for word in mistake)) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1
    assert printed.err.startswith("error: ") and told in printed.err


def test_too_many_broken_images_are_one_line_and_status_1(call, capsys, tmp_path):
    for split in ("train", "val"):
        (tmp_path / "photos" / split / "cat").mkdir(parents=True)
        (tmp_path / "photos" / split / "cat" / "1.jpg").write_bytes(b"no image")
    assert call("prepare_imagenet", tmp_path / "photos", tmp_path / "out", "--max-rejected", "0") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("failed: preparing") and "1 of 1 images cannot be read (--max-rejected is 0)" in last


def test_the_help_tells_what_it_makes(call, capsys):
    assert call("prepare_imagenet", "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "verify OUT compares each byte" in told and "100, or 1% of all" in told
