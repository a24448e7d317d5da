"""Preparation that survives what happens to it."""

import functools
import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tqdm import tqdm

from minialex.data import prepare as module
from minialex.data.decode import decode, resize_crop
from minialex.data.packed import open_packed, verify
from minialex.data.prepare import default_cache, fingerprint, open_data, prepare, report
from minialex.data.sources import open_source
from minialex.errors import RunError, UserError
from minialex.files import LOCK, alone_in
from tests.data.conftest import png

# Preparation

BROKEN = "train/ape/2.png"


@pytest.fixture
def source(folder, small_shards):
    """10 + 3 images in shards of four, one of them broken."""
    (folder / BROKEN).write_bytes((folder / BROKEN).read_bytes()[:-30])
    return open_source(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != LOCK}


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


def test_the_bytes_do_not_depend_on_the_worker_processes(source, tmp_path, monkeypatch, capsys):
    prepare(source, tmp_path / "1", workers=1, progress=False)
    alone = capsys.readouterr().err
    monkeypatch.setattr(module, "FEW", 0)
    prepare(source, tmp_path / "2", workers=2, progress=False)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert capsys.readouterr().err == alone  # names what was left out
    assert not multiprocessing.active_children()


def test_statistics_are_those_of_the_training_pixels(source, tmp_path):
    packed = prepare(source, tmp_path / "packed", progress=False)
    pixels = packed.train.images(range(9)).reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(packed.index["covariance"], np.cov(pixels.T, bias=True), rtol=1e-12)
    for split in ("train", "val"):
        images = getattr(packed, split).images(range(len(getattr(packed, split))))
        crc32 = np.load(tmp_path / "packed" / f"{split}-crc32.npy")
        assert crc32.dtype == np.uint32 and crc32.tolist() == [zlib.crc32(image.tobytes()) for image in images]
        assert f"{split}-crc32.npy" in packed.index["files"]


def test_sums_are_exact_at_a_shard_of_white_images():
    white = np.full((2, 256, 256, 3), 255, np.uint8)
    _, image, products = module._figures(white)
    assert (image == 510).all() and (products == 2 * 256 * 256 * 255**2).all()
    assert 1024 * 255 <= np.iinfo(image.dtype).max, "the largest shard"
    assert 1_281_167 * 256 * 256 * 255**2 < 2**53, "the products of all of ImageNet"


def test_a_shard_is_what_numpy_saves(source, tmp_path):
    prepare(source, tmp_path / "packed", progress=False)
    for path in (tmp_path / "packed").glob("*-0*.npy"):
        file = io.BytesIO()
        np.save(file, np.load(path))
        assert path.read_bytes() == file.getvalue()


def test_few_images_make_smaller_shards(source, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHARD", 1024)

    def sizes(train, val):
        many = SimpleNamespace(splits={"train": range(train), "val": range(val)})
        return {len(part.items) for part in module._parts(many, tmp_path)}

    assert sizes(512, 256) == {256}
    assert sizes(1_281_167, 50_000) == {1024, 1_281_167 % 1024, 50_000 % 1024}


def test_the_index_tells_what_else_is_known(source, folder, tmp_path):
    (folder / "train" / "cat" / "0.png").write_bytes(png((31, 400, 3)))
    (folder / "train" / "cat" / "1.png").write_bytes(png((32, 400, 3)))
    source = replace(open_source(folder), words=("a", "b", "c"), remarks=("odd: 3",))
    index = prepare(source, tmp_path / "packed", progress=False).index
    assert index["words"] == ["a", "b", "c"] and index["remarks"] == ["odd: 3"] and index["format"] == 2
    assert index["tiny"]["train/cat/0.png"] == "400x31" and "train/cat/1.png" not in index["tiny"]


def test_a_report_of_all_that_is_unusual(source, tmp_path):
    packed = prepare(source, tmp_path / "packed", progress=False)
    packed.index.update(remarks=["two classes have fewer images than ImageNet's"])
    assert report(packed).splitlines() == [
        f"{tmp_path / 'packed'}: 3 classes, 9 train and 3 val images",
        "2 converted (grey): train/ape/3.png, train/cat/3.png",
        "12 kept, though tiny: train/ape/0.png 12x5, train/ape/1.png 11x6, train/ape/3.png 9x8, ...",
        f"1 left out: {BROKEN} (image file is truncated)",
        "two classes have fewer images than ImageNet's",
    ]


def test_fewer_than_no_broken_images_is_a_mistake(source, tmp_path):
    with pytest.raises(UserError, match="-1 images .*: expected 0 or more"):
        prepare(source, tmp_path / "packed", max_rejected=-1, progress=False)
    assert not (tmp_path / "packed").exists()


def test_too_many_broken_images_stop_it_early_and_keep_what_is_finished(source, folder, tmp_path, decoded):
    for name in ("ape/0", "ape/1", "cat/2"):
        (folder / "train" / f"{name}.png").write_bytes(b"\x89PNG")
    source = open_source(folder)
    with pytest.raises(RunError, match="3 of 4 images cannot be read .--max-rejected is 2.; the same command goes on"):
        prepare(source, tmp_path / "packed", max_rejected=2, progress=False)
    assert len(decoded) == 4 and (tmp_path / "packed" / "train-00000.json").exists()
    decoded.clear()
    assert len(prepare(source, tmp_path / "packed", max_rejected=4, progress=False).train) == 6
    assert len(decoded) == 9


def test_a_hundred_or_one_in_a_hundred_may_be_broken():
    part = SimpleNamespace(split="val", items=range(500))

    def gather(rejected, limit):
        record = {"rejected": {str(k): "broken" for k in range(rejected)}}
        shard = SimpleNamespace(record=record, crc32=[])
        return module._gather([(0, shard)], [part], tqdm(disable=True), limit)

    gather(100, 100)
    with pytest.raises(RunError, match="101 of 500"):
        gather(101, 100)
    assert (module._limit(500, None), module._limit(20_000, None), module._limit(20_000, 3)) == (100, 200, 3)


def test_a_second_preparation_of_the_same_folder_is_refused(source, tmp_path):
    with alone_in(tmp_path / "packed"), pytest.raises(UserError, match="is in use by another process"):
        prepare(source, tmp_path / "packed", progress=False)


def test_a_worker_that_dies_is_told(source, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FEW", 0)
    monkeypatch.setattr(module, "_start_worker", functools.partial(os._exit, 1))
    with pytest.raises(RunError, match="a worker process died .*; the same command goes on"):
        prepare(source, tmp_path / "packed", workers=2, progress=False)


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


ORPHANS = """
import sys, time
from minialex.data import prepare
prepare.FEW, prepare.SHARD = 0, 4
prepare._gather = lambda shards, *rest: print(next(shards)[0], flush=True) or time.sleep(60)
prepare.prepare(prepare.open_source(sys.argv[1]), sys.argv[2], workers=2, progress=False)
"""


def test_workers_end_with_a_parent_that_was_killed(source, folder, tmp_path):
    command = [sys.executable, "-c", ORPHANS, str(folder), str(tmp_path / "killed")]
    environment = os.environ | {"PYTHONPATH": str(Path(module.__file__).parents[2])}
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    assert child.stdout.readline().strip().isdigit()
    child.kill()
    child.communicate(timeout=30)  # the pipe is open for as long as a worker lives


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("fingerprint", "fingerprinu"),
        lambda text: text.replace("sha256", "sha257"),
        lambda text: text.replace("rejected", "rejectee"),
        lambda text: text.replace(BROKEN, BROKEN.replace("train", "tsain")),
        lambda text: "[]",
        lambda text: "{",
    ],
)
def test_a_damaged_record_of_a_shard_is_made_again(source, tmp_path, damage):
    prepare(source, tmp_path / "packed", progress=False)
    before = contents(tmp_path / "packed")
    record = next(path for path in sorted((tmp_path / "packed").glob("train-0*.json")) if BROKEN in path.read_text())
    record.write_text(damage(record.read_text()))
    (tmp_path / "packed" / "index.json").unlink()
    prepare(source, tmp_path / "packed", progress=False)
    assert contents(tmp_path / "packed") == before


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
    with pytest.raises(UserError, match="holds another data set, or an older state of it: give another folder"):
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
    headers = []
    plain = module._write_header

    def write_header(file, count):
        headers.append(count)
        if len(headers) == 6:  # the third shard's images are written
            raise OSError(28, "No space left on device")
        plain(file, count)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_write_header", write_header)
        with pytest.raises(RunError, match="No space left on device; the same command goes on from here"):
            prepare(source, tmp_path / "packed", progress=False)
    left = ["train-00000.json", "train-00000.npy", "train-00001.json", "train-00001.npy"]
    assert sorted(contents(tmp_path / "packed")) == left
    prepare(source, tmp_path / "packed", progress=False)
    verify(tmp_path / "packed")


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on the size of files stands for a full disk")
def test_a_full_disk_is_one_line_and_goes_on_when_there_is_room(source, folder, tmp_path):
    full = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
    full += "from minialex.data import prepare, sources; from minialex.errors import main_status\n"
    full += "source = sources.open_source(sys.argv[1])\n"
    full += "sys.exit(main_status(lambda argv: prepare.prepare(source, sys.argv[2], workers=1) and 0))"
    command = [sys.executable, "-c", full, str(folder), str(tmp_path / "packed")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("failed: preparing") and last.endswith("File too large; the same command goes on from here")
    assert not contents(tmp_path / "packed")
    prepare(source, tmp_path / "packed", progress=False)
    verify(tmp_path / "packed")


def test_two_preparations_of_one_folder_at_once(source, tmp_path):
    with alone_in(tmp_path / "packed"), pytest.raises(UserError, match="packed is in use by another process"):
        prepare(source, tmp_path / "packed", progress=False)
    assert not contents(tmp_path / "packed")


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


def test_the_disk_is_told_before_the_bar_counts_every_image(source, tmp_path, capsys):
    prepare(source, tmp_path / "packed")
    told = capsys.readouterr().err
    assert told.startswith("preparing: 13 images need 0.0 GB in ") and "13/13" in told
    prepare(source, tmp_path / "packed")
    assert "need" not in capsys.readouterr().err


def test_listing_is_told_where_it_takes_long(folder, capsys, monkeypatch):
    timer = threading.Timer
    monkeypatch.setattr(module.threading, "Timer", lambda seconds, call, *rest: timer(0, call, *rest))
    monkeypatch.setattr(module, "open_source", lambda path: time.sleep(0.2) or open_source(path))
    assert module.list_images(folder).classes == ("ape", "cat", "dog")
    assert f"listing the images of {folder}" in capsys.readouterr().err


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
    told = f"13 images: run `python examples/prepare_imagenet.py {folder} OUT` once .0 GB; .*in place of {folder}$"
    with pytest.raises(UserError, match=told):
        open_data(folder)
    spaced = shutil.copytree(folder, folder.with_name("my photos"))
    with pytest.raises(UserError, match=f"prepare_imagenet.py '{spaced}' OUT`"):
        open_data(spaced)
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
