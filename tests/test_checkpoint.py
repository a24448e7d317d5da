"""A snapshot comes back bit for bit, or the file is refused in one line."""

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from minialex import checkpoint
from minialex.backend import to_numpy
from minialex.checkpoint import Snapshot
from minialex.errors import RunError, UserError
from tests.strict_cupy import StandIn


@pytest.fixture
def snapshot():
    rng = np.random.default_rng(0)

    def some(dtype):
        values = {
            "conv1.W": rng.standard_normal((3, 2, 4, 5)),
            "conv1.b": np.array([np.nan, np.inf, -0.0, 1e-310, 5]),
            "own/gain": np.array(0.1),
            "turned.W": rng.standard_normal((3, 4)).T,
        }
        with np.errstate(under="ignore"):
            return {name: value.astype(dtype) for name, value in values.items()}

    return Snapshot(
        params=some("float32"),
        velocity=some("float64"),
        state={"bn1.mean": rng.standard_normal(4)},
        mean=rng.random((4, 8, 3)).astype("float32")[:, ::2],
        config={"data": "Fotos für alle", "classes": ["a", "b"], "recipe": {"rate": 0.1}},
        epoch=3,
        step=17,
        history=[{"epoch": 1, "loss": 0.1 + 0.2, "val_error": 1 / 3}],
        sums={"loss": 1e-17, "images": 128},
    )


def same_bits(a, b):
    return (
        a.shape == b.shape
        and a.dtype == b.dtype
        and np.array_equal(a, b, equal_nan=True)
        and a.tobytes() == b.tobytes()
    )


def assert_equal(mine, its):
    for group in ("params", "velocity", "state"):
        ours, theirs = getattr(mine, group), getattr(its, group)
        assert set(ours) == set(theirs)
        assert all(same_bits(ours[name], theirs[name]) for name in ours), group
    assert same_bits(mine.mean, its.mean)
    for name in ("config", "epoch", "step", "history", "sums"):
        assert getattr(mine, name) == getattr(its, name)


def test_a_round_trip_bit_for_bit(tmp_path, snapshot):
    checkpoint.save(tmp_path / "a.safetensors", snapshot)
    loaded = checkpoint.load(tmp_path / "a.safetensors", xp=np)
    assert_equal(loaded, snapshot)
    loaded.params["conv1.W"] += 1  # what is trained on is writable, and not the file
    assert_equal(checkpoint.load(str(tmp_path / "a.safetensors"), xp=np), snapshot)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_arrays_of_a_device_come_back_to_it(tmp_path, snapshot):
    device = StandIn()
    moved = {name: {key: device.asarray(value) for key, value in getattr(snapshot, name).items()}
             for name in ("params", "velocity", "state")}  # fmt: skip
    checkpoint.save(tmp_path / "a.safetensors", replace(snapshot, **moved))
    loaded = checkpoint.load(tmp_path / "a.safetensors", xp=device)
    assert type(loaded.params["conv1.W"]) is device.ndarray
    assert same_bits(to_numpy(loaded.velocity["conv1.b"]), snapshot.velocity["conv1.b"])
    assert_equal(checkpoint.load(tmp_path / "a.safetensors", xp=np), snapshot)


def test_every_array_is_changed_and_nothing_else(snapshot):
    changed = snapshot.on(lambda value: value + 1)
    for group in checkpoint.GROUPS:
        ours, its = getattr(changed, group), getattr(snapshot, group)
        assert list(ours) == list(its) and its
        for name, value in its.items():
            np.testing.assert_array_equal(ours[name], value + 1)
    assert (changed.epoch, changed.history, changed.mean is snapshot.mean) == (snapshot.epoch, snapshot.history, True)


def test_any_program_can_read_it(tmp_path, snapshot):
    checkpoint.save(tmp_path / "a.safetensors", snapshot)
    (tmp_path / "plain").write_bytes(b"")
    tensors = load_file(tmp_path / "a.safetensors")
    assert same_bits(tensors["params/turned.W"], snapshot.params["turned.W"])
    assert {key.partition("/")[0] for key in tensors} == {"params", "velocity", "state", "mean"}
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1, "as readable as any other file"


def test_names_come_back_in_the_networks_order(tmp_path, snapshot):
    snapshot.params = dict(reversed(snapshot.params.items()))
    checkpoint.save(tmp_path / "a.safetensors", snapshot)
    loaded = checkpoint.load(tmp_path / "a.safetensors", xp=np)
    assert list(loaded.params) == list(snapshot.params) != sorted(snapshot.params)


def refused(path, reason=""):
    with pytest.raises(UserError, match=f"is not a whole checkpoint of minialex .*{reason}") as caught:
        checkpoint.load(path, xp=np)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_cut_short(tmp_path, snapshot):
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, snapshot)
    whole = path.read_bytes()
    for length in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path)


def test_a_changed_byte_wherever_it_is(tmp_path, snapshot):
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, snapshot)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    assert header > 1000 and len(whole) > header + 1000
    places = [*range(12), *range(12, header, 7), header - 1, header, *range(header, len(whole), 19), len(whole) - 1]
    assert len(places) > 300
    for place in places:
        for flip in (0x01, 0x20, 0x80):  # 0x20: letters in hexadecimal change their case
            path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            refused(path, "begin" if 8 <= place < checkpoint.PLACE.start else "its checksum does not agree")
    path.write_bytes(whole + b" ")
    refused(path, "its checksum does not agree")
    path.write_bytes(whole)
    checkpoint.load(path, xp=np)


REST = {"tensors": ["mean"], "config": {}, "epoch": 0, "step": 0, "history": [], "sums": {}}
OTHERS = {
    "no metadata": ({"mean": np.ones(3)}, None),
    "another program's": ({"mean": np.ones(3)}, {"format": "pt"}),
    "no JSON": ({"mean": np.ones(3)}, {"minialex": "{"}),
    "JSON of another kind": ({"mean": np.ones(3)}, {"minialex": "[1]"}),
    "no config": ({"mean": np.ones(3)}, {"minialex": json.dumps({"epoch": 1})}),
    "more than we know": ({"mean": np.ones(3)}, {"minialex": json.dumps(REST | {"new": 1})}),
    "no mean": ({"params/a": np.ones(3)}, {"minialex": json.dumps(REST)}),
    "a strange group": ({"mean": np.ones(3), "secrets/a": np.ones(3)}, {"minialex": json.dumps(REST)}),
}


@pytest.mark.parametrize("tensors, metadata", OTHERS.values(), ids=OTHERS.keys())
def test_a_file_of_another_kind(tmp_path, tensors, metadata, monkeypatch):
    save_file(tensors, tmp_path / "other.safetensors", metadata)
    refused(tmp_path / "other.safetensors", "begin")
    monkeypatch.setattr(checkpoint, "_check_whole", lambda path: None)  # as if its checksum agreed
    refused(tmp_path / "other.safetensors")


def test_nothing_is_unpickled(tmp_path):
    opened = tmp_path / "opened"

    class Trap:
        def __reduce__(self):
            return Path.touch, (opened,)

    (tmp_path / "trap.safetensors").write_bytes(pickle.dumps(Trap()))
    refused(tmp_path / "trap.safetensors")
    assert not opened.exists()


def test_no_file_and_no_file_at_all(tmp_path):
    refused(tmp_path / "none.safetensors")
    refused(tmp_path)


def test_a_full_disk_leaves_the_older_one_whole(tmp_path, snapshot, monkeypatch):
    path = tmp_path / "best.safetensors"
    checkpoint.save(path, snapshot)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="cannot write .*best.safetensors: No space left on device"):
        checkpoint.save(path, replace(snapshot, epoch=4))
    assert_equal(checkpoint.load(path, xp=np), snapshot)
    assert list(tmp_path.iterdir()) == [path]


# A folder of them


def fill(folder, snapshot, places):
    for epoch, step in places:
        (folder / checkpoint.name_of(replace(snapshot, epoch=epoch, step=step))).touch()
    (folder / "best.safetensors").touch()
    (folder / f".{checkpoint.name_of(replace(snapshot, epoch=9999))}.1.tmp").touch()


def test_sorted_by_name_they_are_sorted_by_age(snapshot):
    places = [(0, 1), (0, 9), (0, 10), (1, 0), (1, 3), (2, 0), (9, 99999), (10, 0), (100, 0)]
    names = [checkpoint.name_of(replace(snapshot, epoch=epoch, step=step)) for epoch, step in places]
    assert sorted(names) == names and len(set(names)) == len(names)


def test_the_latest_also_within_an_epoch(tmp_path, snapshot):
    assert checkpoint.latest(tmp_path) is None and checkpoint.latest(tmp_path / "none") is None
    fill(tmp_path, snapshot, [(1, 0), (10, 0), (2, 40), (9, 700)])
    assert checkpoint.latest(tmp_path).name == "0010-0000000.safetensors"
    fill(tmp_path, snapshot, [(10, 2), (10, 11)])
    assert checkpoint.latest(str(tmp_path)).name == "0010-0000011.safetensors"


def save_at(folder, snapshot, *places):
    for epoch, step in places:
        at = replace(snapshot, epoch=epoch, step=step)
        checkpoint.save(folder / checkpoint.name_of(at), at)


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return bytes(data)


def test_the_last_good_one_and_the_damaged_out_of_the_way(tmp_path, snapshot):
    save_at(tmp_path, snapshot, (1, 0), (1, 5), (1, 9), (2, 0))
    loaded, damaged = checkpoint.last_good(tmp_path, xp=np)
    assert (loaded.epoch, loaded.step, damaged) == (2, 0, [])

    damage(tmp_path / "0001-0000000.safetensors")  # older than the last good one: nobody looks at it
    changed = [damage(tmp_path / name) for name in ("0002-0000000.safetensors", "0001-0000009.safetensors")]
    loaded, damaged = checkpoint.last_good(str(tmp_path), xp=np)
    assert (loaded.epoch, loaded.step) == (1, 5)
    assert [path.name for path in damaged] == ["0002-0000000.safetensors.damaged", "0001-0000009.safetensors.damaged"]
    assert [path.read_bytes() for path in damaged] == changed
    assert checkpoint.latest(tmp_path).name == "0001-0000005.safetensors"
    checkpoint.keep_newest(tmp_path, 0)
    assert sorted(tmp_path.iterdir()) == sorted(damaged), "it is kept for whoever wants to look at it"


def test_the_best_one_may_be_the_last_good_one(tmp_path, snapshot):
    save_at(tmp_path, snapshot, (4, 0))
    checkpoint.save(tmp_path / "best.safetensors", snapshot)
    damage(tmp_path / "0004-0000000.safetensors")
    loaded, damaged = checkpoint.last_good(tmp_path, xp=np)
    assert_equal(loaded, snapshot)
    assert len(damaged) == 1


def test_no_good_one_at_all(tmp_path, snapshot):
    save_at(tmp_path, snapshot, (1, 0), (2, 0))
    for path in tmp_path.iterdir():
        damage(path)
    before = sorted(tmp_path.iterdir())
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match="has no whole checkpoint: start anew"):
            checkpoint.last_good(folder, xp=np)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "count, kept", [(0, []), (1, [(2, 0)]), (2, [(1, 9), (2, 0)]), (9, [(0, 5), (1, 0), (1, 9), (2, 0)])]
)
def test_the_newest_are_kept_and_the_best(tmp_path, snapshot, count, kept):
    fill(tmp_path, snapshot, [(1, 0), (2, 0), (0, 5), (1, 9)])
    checkpoint.keep_newest(tmp_path, count)
    names = {f"{epoch:04d}-{step:07d}.safetensors" for epoch, step in kept}
    others = {path.name for path in tmp_path.iterdir()} - names
    assert names | others == {path.name for path in tmp_path.iterdir()} and len(others) == 2
    assert "best.safetensors" in others


def test_the_best_of_a_run_or_its_newest_or_the_file_itself(tmp_path, snapshot):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for run in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match="no checkpoints"):
            checkpoint.best_of(run)
    checkpoint.save(folder / "0001-0000000.safetensors", snapshot)
    assert checkpoint.best_of(tmp_path).name == "0001-0000000.safetensors"
    checkpoint.save(folder / "best.safetensors", snapshot)
    assert checkpoint.best_of(str(tmp_path)) == folder / "best.safetensors"
    assert checkpoint.best_of(folder / "0001-0000000.safetensors").name == "0001-0000000.safetensors"


def test_a_file_that_may_not_be_read_is_not_set_aside(tmp_path, snapshot, monkeypatch):
    checkpoint.save(tmp_path / "0001-0000000.safetensors", snapshot)
    checkpoint.save(tmp_path / "0002-0000000.safetensors", snapshot)

    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(checkpoint, "_check_whole", forbidden)
    with pytest.raises(PermissionError, match="0002"):
        checkpoint.last_good(tmp_path, xp=np)
    assert not list(tmp_path.glob("*.damaged")) and len(list(tmp_path.iterdir())) == 2
