"""Preparation that survives what happens to it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minialex.data import prepare as module
from minialex.data.decode import decode, resize_crop
from minialex.data.packed import open_packed, verify
from minialex.data.prepare import default_cache, fingerprint, main, open_data, prepare
from minialex.data.sources import open_source
from minialex.errors import RunError, UserError, main_status

# Preparation

BROKEN = "train/ape/2.png"


@pytest.fixture
def source(folder, small_shards):
    """10 + 3 images in shards of four, one of them broken."""
    (folder / BROKEN).write_bytes((folder / BROKEN).read_bytes()[:-30])
    return open_source(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_packed_set_holds_every_image_that_can_be_read(source, tmp_path, capsys):
    packed = prepare(source, tmp_path / "packed", progress=False)
    kept = [item for item in source.splits["train"] if item.name != BROKEN]
    images = np.stack([resize_crop(decode(item.read())[0]) for item in kept])
    np.testing.assert_array_equal(packed.train.images(range(9)), images)
    assert packed.train.labels.tolist() == [item.label for item in kept] == [0] * 4 + [1] * 4 + [2]
    np.testing.assert_array_equal(packed.mean, images.mean(axis=0, dtype=np.float64).astype(np.float32))
    index = packed.index
    assert [shard["count"] for shard in index["shards"]["train"]] == [3, 4, 2]
    assert index["counts"] == {"train": 9, "val": 3}
    assert list(index["rejected"]) == [BROKEN] and "truncated" in index["rejected"][BROKEN]
    assert index["converted"] == {"train/ape/3.png": ["grey"], "train/cat/3.png": ["grey"]}
    assert index["recipe"]["filter"] == "bilinear" and index["fingerprint"] == fingerprint(source)
    assert capsys.readouterr().err.startswith(f"left out {BROKEN}: image file is truncated")
    verify(tmp_path / "packed")


def test_the_bytes_do_not_depend_on_the_workers(source, tmp_path):
    for workers in (1, 4):
        prepare(source, tmp_path / str(workers), workers=workers, progress=False)
    assert contents(tmp_path / "1") == contents(tmp_path / "4")


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """The names of the images that are decoded from here on."""
    names = []
    original = module._decode
    monkeypatch.setattr(module, "_decode", lambda data, name: names.append(name) or original(data, name))
    return names


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "split", "again"),
    [
        (lambda folder: None, "train", []),
        (lambda folder: (folder / "index.json").unlink(), "train", []),
        (lambda folder: flip(folder / "mean.npy"), "train", []),
        (lambda folder: (folder / "val-00000.npy").unlink(), "val", ["cat/0", "cat/1", "dog/0"]),
        (lambda folder: (folder / "train-00002.json").unlink(), "train", ["cat/3", "dog/0"]),
        (lambda folder: (folder / "train-00002.json").write_text("{"), "train", ["cat/3", "dog/0"]),
        (lambda folder: flip(folder / "train-00002.npy"), "train", ["cat/3", "dog/0"]),
    ],
)
def test_a_rerun_redoes_only_what_is_missing_or_damaged(source, tmp_path, decoded, damage, split, again):
    prepare(source, tmp_path / "packed", progress=False)
    before = contents(tmp_path / "packed")
    damage(tmp_path / "packed")
    decoded.clear()
    prepare(source, tmp_path / "packed", progress=False)
    assert sorted(decoded) == [f"{split}/{name}.png" for name in again]
    assert contents(tmp_path / "packed") == before


CHILD = """
import sys, time
from minialex.data import prepare
from minialex.data.sources import open_source
prepare.SHARD = 4
resize = prepare.resize_crop
prepare.resize_crop = lambda image: time.sleep(0.1) or resize(image)
prepare.prepare(open_source(sys.argv[1]), sys.argv[2], workers=1, progress=False)
"""


def test_killed_in_the_middle_and_run_again(source, folder, tmp_path, decoded):
    prepare(source, tmp_path / "whole", progress=False)
    killed = tmp_path / "killed"
    root = Path(module.__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(killed)],
        env=os.environ | {"PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while not (killed / "train-00001.json").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    child.kill()
    child.communicate()
    assert (killed / "train-00001.json").exists() and not (killed / "train-00002.json").exists()
    with pytest.raises(UserError, match="has no index.json"):
        open_packed(killed)
    decoded.clear()
    prepare(source, killed, progress=False)
    assert not {item.name for item in source.splits["train"][:8]} & set(decoded)
    files = {name: data for name, data in contents(killed).items() if not name.endswith(".tmp")}
    assert files == contents(tmp_path / "whole")


def test_half_written_files_are_swept(source, tmp_path):
    (tmp_path / "packed").mkdir()
    half = tmp_path / "packed" / ".mean.npy.1.tmp"
    half.write_bytes(b"x")
    prepare(source, tmp_path / "packed", progress=False)
    assert not half.exists()


def test_another_source_in_the_same_folder_is_refused(source, folder, tmp_path):
    prepare(source, tmp_path / "packed", progress=False)
    before = contents(tmp_path / "packed")
    path = folder / "train" / "dog" / "0.png"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(UserError, match="holds another data set, or an older state"):
        prepare(open_source(folder), tmp_path / "packed", progress=False)
    assert contents(tmp_path / "packed") == before


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_class_that_is_lost_whole_is_an_error(source, folder, tmp_path, capsys, split):
    (folder / split / "dog" / "0.png").write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match=f"photos: no image of {split}/dog can be read"):
        prepare(open_source(folder), tmp_path / "packed", progress=False)
    assert f"left out {split}/dog/0.png: not an image" in capsys.readouterr().err
    assert not (tmp_path / "packed" / "index.json").exists()


def test_a_disk_that_is_too_small_is_noticed_at_the_start(source, tmp_path, monkeypatch, decoded):
    usage = SimpleNamespace(free=13 * 256 * 256 * 3 - 1)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="13 images need 0.0 GB in .*packed, where 0.0 GB are free"):
        prepare(source, tmp_path / "packed", progress=False)
    assert not decoded
    usage.free += 1
    prepare(source, tmp_path / "packed", progress=False)


def test_a_disk_that_fills_up_ends_the_run_and_leaves_no_litter(source, tmp_path, monkeypatch):
    written = []

    def save(file, array):
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(array)
        np.lib.format.write_array(file, array)

    with monkeypatch.context() as patch:
        patch.setattr(module.np, "save", save)
        with pytest.raises(RunError, match="No space left on device; the same command goes on from here"):
            prepare(source, tmp_path / "packed", progress=False)
    left = ["train-00000.json", "train-00000.npy", "train-00001.json", "train-00001.npy"]
    assert sorted(contents(tmp_path / "packed")) == left
    prepare(source, tmp_path / "packed", progress=False)
    verify(tmp_path / "packed")


def test_no_file_has_its_name_before_it_is_whole_and_on_disk(source, tmp_path, monkeypatch, synced):
    def replace(temporary, path):
        assert len(synced) == 1
        assert np.load(temporary).shape == (3, 256, 256, 3) and not path.exists()
        raise OSError("stopped before the renaming")

    monkeypatch.setattr(module.os, "replace", replace)
    with pytest.raises(RunError, match="stopped before the renaming"):
        prepare(source, tmp_path / "packed", progress=False)
    assert not contents(tmp_path / "packed")


def test_a_source_that_cannot_be_read_any_more_is_no_broken_image(source, folder, tmp_path):
    (folder / "train" / "cat" / "1.png").unlink()
    with pytest.raises(RunError, match=r"1\.png.*the same command goes on"):
        prepare(source, tmp_path / "packed", progress=False)


def test_workers_are_at_least_one(source, tmp_path):
    with pytest.raises(UserError, match="0 workers"):
        prepare(source, tmp_path / "packed", workers=0)


def test_the_bar_counts_every_image(source, tmp_path, capsys):
    prepare(source, tmp_path / "packed")
    assert "13/13" in capsys.readouterr().err


# Opening


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MINIALEX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_folder_is_prepared_once_and_again_when_it_changes(source, folder, cache, decoded):
    first = open_data(folder, progress=False)
    assert first.folder.parent == cache and first.folder.name.startswith("photos-")
    decoded.clear()
    assert open_data(str(folder), progress=False).folder == first.folder
    assert not decoded
    path = folder / "train" / "dog" / "0.png"
    path.write_bytes(path.read_bytes() + b"\0")
    second = open_data(folder, progress=False)
    assert second.folder != first.folder and len(list(cache.iterdir())) == 2


def test_a_packed_folder_is_opened_as_it_is(packed_folder, cache):
    assert open_data(packed_folder).folder == packed_folder
    assert not cache.exists()


def test_no_path_means_the_toy_set(source, cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "minialex.data.toy", SimpleNamespace(source=lambda: source))
    monkeypatch.setattr("minialex.data.toy", sys.modules["minialex.data.toy"], raising=False)
    assert open_data(None, progress=False).classes == source.classes


def test_a_large_set_is_prepared_on_request_only(source, folder, cache, monkeypatch):
    monkeypatch.setattr(module, "LARGE", 12)
    with pytest.raises(UserError, match="13 images: run `python -m minialex.data.prepare .*photos FOLDER`"):
        open_data(folder)
    assert not cache.exists()
    assert len(prepare(source, cache / "own", progress=False).train) == 9
    assert len(open_data(cache / "own").train) == 9


def test_the_fingerprint_sees_names_labels_classes_and_revision(source):
    items = source.splits["train"]
    others = [
        SimpleNamespace(**(vars(source) | change))
        for change in (
            {"revision": "2"},
            {"classes": ("ape", "cat", "doe")},
            {"splits": source.splits | {"train": items[1:]}},
            {"splits": source.splits | {"train": (SimpleNamespace(name=items[0].name, label=1), *items[1:])}},
            {"splits": source.splits | {"train": (SimpleNamespace(name="train/ape/x", label=0), *items[1:])}},
        )
    ]
    assert len({fingerprint(other) for other in (source, *others)}) == 6
    assert fingerprint(SimpleNamespace(**(vars(source) | {"name": "moved"}))) == fingerprint(source)


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"MINIALEX_CACHE": "here"}, Path("here")),
        ("linux", {}, Path.home() / ".cache" / "minialex"),
        ("linux", {"XDG_CACHE_HOME": "xdg"}, Path("xdg") / "minialex"),
        ("darwin", {}, Path.home() / "Library" / "Caches" / "minialex"),
        ("win32", {"LOCALAPPDATA": "local"}, Path("local") / "minialex"),
        ("win32", {}, Path.home() / "AppData" / "Local" / "minialex"),
    ],
)
def test_the_cache_lies_where_the_platform_keeps_caches(monkeypatch, platform, variables, expected):
    for name in ("MINIALEX_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(module.sys, "platform", platform)
    assert default_cache() == expected


def test_the_command_reports_in_one_line(source, folder, tmp_path, capsys):
    assert main_status(main, [str(folder), str(tmp_path / "packed"), "--workers", "1"]) == 0
    assert capsys.readouterr().out == (
        f"{tmp_path / 'packed'}: 3 classes, 9 train and 3 val images; converted: 2 grey; left out: 1\n"
    )
    assert main_status(main, [str(tmp_path / "nowhere"), str(tmp_path / "packed")]) == 2


def test_original_photographs(real_data, tmp_path):
    """Twenty ImageNet originals: other shapes than square, and the index says what they were."""
    import tarfile

    with tarfile.open(real_data / "imagenet_samples" / "imagenet_samples_97.tar") as tar:
        for k, member in enumerate(member for member in tar if member.isreg()):
            for split in ("train", "val") if k < 20 else ():
                path = tmp_path / "photos" / split / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(tar.extractfile(member).read())
    packed = prepare(open_source(tmp_path / "photos"), tmp_path / "packed", progress=False)
    assert len(packed.train) == len(packed.val) == 20 and not packed.index["rejected"]
    assert json.loads((tmp_path / "packed" / "index.json").read_text()) == packed.index
    assert 80 < packed.mean.mean() < 150 and packed.mean.std(axis=(0, 1)).min() > 5
