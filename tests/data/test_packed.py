"""Packed folders: what is read is what was written, and what was changed is named."""

import json
import shutil
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minialex.data import packed
from minialex.data.packed import Subset, open_packed, verify
from minialex.errors import RunError, UserError


@pytest.fixture
def copy(packed_folder, tmp_path) -> Path:
    return Path(shutil.copytree(packed_folder, tmp_path / "copy"))


def edit_index(folder: Path, change) -> None:
    index = json.loads((folder / "index.json").read_text())
    change(index)
    (folder / "index.json").write_text(json.dumps(index))


def shards(folder: Path, split: str) -> list[np.ndarray]:
    return [np.load(path, mmap_mode="r") for path in sorted(folder.glob(f"{split}-[0-9]*.npy"))]


def test_numpy_opens_every_file(packed_folder):
    assert [shard.shape for shard in shards(packed_folder, "train")] == [(n, 256, 256, 3) for n in (4, 4, 2)]
    assert [shard.shape for shard in shards(packed_folder, "val")] == [(3, 256, 256, 3)]
    data = open_packed(packed_folder)
    assert data.classes == ("ape", "cat", "dog")
    assert data.train.labels.tolist() == [0] * 5 + [1] * 4 + [2] and data.train.labels.dtype == np.int64
    assert data.val.labels.tolist() == [1, 1, 2]
    assert len(data.train) == 10 and len(data.val) == 3
    assert data.mean.shape == (256, 256, 3) and data.mean.dtype == np.float32


def test_images_come_in_any_order_from_any_shard(packed_folder):
    train, stored = open_packed(packed_folder).train, np.concatenate(shards(packed_folder, "train"))

    @settings(max_examples=25)
    @given(st.lists(st.integers(0, 9), max_size=6))
    def check(indices):
        images = train.images(indices)
        assert images.dtype == np.uint8 and images.shape == (len(indices), 256, 256, 3)
        np.testing.assert_array_equal(images, stored[indices])

    check()


@pytest.mark.parametrize("indices", [[-1], [10], [3, 10], [0, -2]])
def test_an_index_outside_is_an_error(packed_folder, indices):
    with pytest.raises(IndexError, match=f"{min(indices)}..{max(indices)} of a split of 10 images"):
        open_packed(packed_folder).train.images(indices)


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
def test_shards_are_not_held_open(packed_folder):
    """A thousand shards are more than a process may usually hold open; a memory map holds its file."""
    data = open_packed(packed_folder)
    data.train.images(range(10))
    held = [path.resolve() for path in Path("/proc/self/fd").iterdir()]
    assert not [path for path in held if packed_folder in path.parents]


def test_verify_passes_what_is_whole(packed_folder):
    verify(packed_folder)


@pytest.mark.parametrize("at", [200, 4 * 196_608 // 2, -1])
@pytest.mark.parametrize("name", ["train-00001.npy", "val-00000.npy"])
def test_a_changed_byte_is_noticed_and_its_shard_named(copy, name, at):
    flip(copy / name, at)
    open_packed(copy)
    with pytest.raises(UserError, match=f"{name} has changed"):
        verify(copy)


@pytest.mark.parametrize("name", ["train-labels.npy", "val-labels.npy", "train-crc32.npy", "val-crc32.npy", "mean.npy"])
def test_a_changed_byte_in_a_small_file_is_noticed_on_opening(copy, name):
    flip(copy / name, -2)
    with pytest.raises(UserError, match=f"{name} has changed"):
        open_packed(copy)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda folder: (folder / "index.json").unlink(), "is not a packed data set"),
        (lambda folder: shutil.rmtree(folder), "is not a packed data set"),
        (lambda folder: (folder / "index.json").write_text("{"), "index.json cannot be read"),
        (lambda folder: (folder / "index.json").write_bytes(b"\xff"), "index.json cannot be read"),
        (lambda folder: (folder / "index.json").write_text("[]"), "index.json is not of format 2"),
        (
            lambda folder: edit_index(folder, lambda index: index.update(format=1)),
            "is not of format 2: .* into another folder",
        ),
        (lambda folder: edit_index(folder, lambda index: index.pop("shards")), "damaged .*'shards'"),
        (lambda folder: edit_index(folder, lambda index: index.pop("classes")), "damaged .*'classes'"),
        (lambda folder: edit_index(folder, lambda index: index.update(classes=3)), "damaged"),
        (lambda folder: edit_index(folder, lambda index: index["classes"].pop()), "train are not in 0..1"),
        (lambda folder: edit_index(folder, lambda index: index.pop("words")), "damaged .*'words'"),
        (lambda folder: edit_index(folder, lambda index: index.update(words=["ape"])), "damaged .*1 words"),
        (lambda folder: edit_index(folder, lambda index: index.pop("covariance")), "damaged .*'covariance'"),
        (lambda folder: edit_index(folder, lambda index: index.update(covariance=[1, 2, 3])), "no covariance"),
        (lambda folder: (folder / "val-crc32.npy").unlink(), "val-crc32.npy cannot be read"),
        (lambda folder: edit_index(folder, lambda index: index["shards"]["train"].pop()), "not int64 .8,"),
        (lambda folder: (folder / "train-00002.npy").unlink(), "train-00002.npy cannot be read"),
        (lambda folder: cut(folder / "train-00002.npy"), "train-00002.npy cannot be read"),
        (lambda folder: longer(folder / "train-00002.npy"), "train-00002.npy cannot be read .it has 393345 bytes"),
        (lambda folder: (folder / "val-00000.npy").write_bytes(b""), "val-00000.npy cannot be read"),
        (lambda folder: np.save(folder / "val-00000.npy", np.array([{}])), "holds object"),
        (lambda folder: np.save(folder / "val-00000.npy", np.zeros((3, 256, 256, 3))), "holds float64"),
        (lambda folder: np.save(folder / "val-00000.npy", np.zeros((2, 9, 9, 3), "u1")), "holds uint8 .2, 9"),
        (
            lambda folder: np.save(folder / "val-00000.npy", np.zeros((3, 256, 256, 3), "u1", order="F")),
            "val-00000.npy holds",
        ),
    ],
)
def test_what_is_wrong_with_a_folder_is_told_in_one_line(copy, damage, found):
    damage(copy)
    with pytest.raises(UserError, match=found) as error:
        open_packed(copy)
    assert "\n" not in str(error.value) and str(copy) in str(error.value)


@pytest.mark.parametrize(
    "name", ["../train-00000.npy", "/etc/passwd.npy", "a/b.npy", "..\\x.npy", "C:x.npy", ".npy", "x.txt", ""]
)
def test_names_in_an_index_never_leave_its_folder(copy, name):
    shutil.copy(copy / "train-00000.npy", copy.parent / "train-00000.npy")
    edit_index(copy, lambda index: index["shards"]["train"][0].update(file=name))
    with pytest.raises(UserError, match="expected a plain .npy file beside it"):
        open_packed(copy)


def flip(path: Path, at: int) -> None:
    """Change one bit of the byte `at` of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_changed_byte_is_noticed_when_its_image_is_first_read(copy):
    flip(copy / "train-00001.npy", 128 + 2 * 196_608 + 77)  # image 2 of the shard is image 6 of train
    train = open_packed(copy).train
    train.images([0, 4, 5, 7, 9])
    for _ in range(2):  # and every time that it is asked for
        with pytest.raises(RunError, match="image 2 of .*train-00001.npy has changed since it was made") as error:
            train.images([9, 6])
        assert "\n" not in str(error.value)


def test_an_image_is_compared_with_its_checksum_once(copy, monkeypatch):
    train, compared = open_packed(copy).train, []
    monkeypatch.setattr(packed.zlib, "crc32", lambda image, crc32=zlib.crc32: compared.append(1) or crc32(image))
    for indices in ([3, 8, 3], [8, 3, 0], [0]):
        train.images(indices)
    assert len(compared) == 3
    open_packed(copy).train.images([3])
    assert len(compared) == 4


def test_images_are_read_into_what_is_given(packed_folder):
    train = open_packed(packed_folder).train
    out = np.zeros((2, 256, 256, 3), np.uint8)
    assert train.images([9, 1], out=out) is out
    np.testing.assert_array_equal(out, train.images([9, 1]))
    subset = Subset(train, np.array([1, 9]))
    other = np.zeros_like(out)
    assert subset.images([1, 0], out=other) is other
    np.testing.assert_array_equal(other, out)


def test_words_are_those_of_the_source_or_the_names(copy):
    assert open_packed(copy).words == ("ape", "cat", "dog")
    edit_index(copy, lambda index: index.update(words=["great ape", "tabby, cat", "dog"]))
    data = open_packed(copy)
    assert data.words == ("great ape", "tabby, cat", "dog") and data.classes == ("ape", "cat", "dog")
    assert data.first_classes(2).words == ("great ape", "tabby, cat")


def test_the_covariance_is_the_indexs(copy):
    covariance = [[3.0, 1, 0], [1, 2, 0.5], [0, 0.5, 1]]
    edit_index(copy, lambda index: index.update(covariance=covariance))
    np.testing.assert_array_equal(open_packed(copy).covariance, np.array(covariance), strict=True)


@pytest.mark.parametrize("damage", [Path.unlink, cut])
def test_a_shard_that_is_damaged_during_a_run_is_named(copy, damage):
    data = open_packed(copy)
    damage(copy / "train-00001.npy")
    data.train.images([0, 9])
    with pytest.raises(RunError, match="cannot read .*train-00001.npy"):
        data.train.images([0, 7])
