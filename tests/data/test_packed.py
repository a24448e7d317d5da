"""Packed folders: what is read is what was written, and what was changed is named."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minialex.data.packed import open_packed, verify
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
    packed = open_packed(packed_folder)
    assert packed.classes == ("ape", "cat", "dog")
    assert packed.train.labels.tolist() == [0] * 5 + [1] * 4 + [2] and packed.train.labels.dtype == np.int64
    assert packed.val.labels.tolist() == [1, 1, 2]
    assert len(packed.train) == 10 and len(packed.val) == 3
    assert packed.mean.shape == (256, 256, 3) and packed.mean.dtype == np.float32


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
    packed = open_packed(packed_folder)
    packed.train.images(range(10))
    held = [path.resolve() for path in Path("/proc/self/fd").iterdir()]
    assert not [path for path in held if packed_folder in path.parents]


def test_verify_passes_what_is_whole(packed_folder):
    verify(packed_folder)


@pytest.mark.parametrize("at", [200, 4 * 196_608 // 2, -1])
@pytest.mark.parametrize("name", ["train-00001.npy", "val-00000.npy"])
def test_a_changed_byte_is_noticed_and_its_shard_named(copy, name, at):
    data = bytearray((copy / name).read_bytes())
    data[at] ^= 1
    (copy / name).write_bytes(data)
    open_packed(copy)
    with pytest.raises(UserError, match=f"{name} has changed"):
        verify(copy)


@pytest.mark.parametrize("name", ["train-labels.npy", "val-labels.npy", "mean.npy"])
def test_a_changed_byte_in_labels_or_mean_is_noticed_on_opening(copy, name):
    data = bytearray((copy / name).read_bytes())
    data[-2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(UserError, match=f"{name} has changed"):
        open_packed(copy)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda folder: (folder / "index.json").unlink(), "is not a packed data set"),
        (lambda folder: shutil.rmtree(folder), "is not a packed data set"),
        (lambda folder: (folder / "index.json").write_text("{"), "index.json cannot be read"),
        (lambda folder: (folder / "index.json").write_bytes(b"\xff"), "index.json cannot be read"),
        (lambda folder: (folder / "index.json").write_text("[]"), "index.json is not of format 2"),
        (lambda folder: edit_index(folder, lambda index: index.update(format=1)), "is not of format 2"),
        (lambda folder: edit_index(folder, lambda index: index.pop("shards")), "damaged .*'shards'"),
        (lambda folder: edit_index(folder, lambda index: index.pop("classes")), "damaged .*'classes'"),
        (lambda folder: edit_index(folder, lambda index: index.update(classes=3)), "damaged"),
        (lambda folder: edit_index(folder, lambda index: index["classes"].pop()), "train are not in 0..1"),
        (lambda folder: edit_index(folder, lambda index: index["shards"]["train"].pop()), "not int64 .8,"),
        (lambda folder: (folder / "train-00002.npy").unlink(), "train-00002.npy cannot be read"),
        (lambda folder: cut(folder / "train-00002.npy"), "train-00002.npy cannot be read"),
        (lambda folder: (folder / "val-00000.npy").write_bytes(b""), "val-00000.npy cannot be read"),
        (lambda folder: np.save(folder / "val-00000.npy", np.array([{}])), "val-00000.npy cannot be read"),
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


@pytest.mark.parametrize("damage", [Path.unlink, cut])
def test_a_shard_that_is_damaged_during_a_run_is_named(copy, damage):
    packed = open_packed(copy)
    damage(copy / "train-00001.npy")
    packed.train.images([0, 9])
    with pytest.raises(RunError, match="cannot read .*train-00001.npy"):
        packed.train.images([0, 7])
