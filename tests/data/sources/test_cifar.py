"""CIFAR-10 is the same data set in either version, packed or not; its pickles may build arrays and nothing else."""

import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minialex.data.sources import cifar, open_source
from minialex.errors import UserError

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STEMS = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")
BATCH = 4  # images


def pixels_of(item) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(item.read())))


def contents(source) -> dict:
    return {split: [(item.name, item.label, item.read()) for item in items] for split, items in source.splits.items()}


@pytest.fixture(scope="module")
def batches() -> dict[str, tuple[np.ndarray, list[int]]]:
    """{batch: (images uint8 (4,32,32,3), labels)}."""
    rng = np.random.default_rng(0)
    return {
        stem: (rng.integers(0, 256, (BATCH, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, BATCH).tolist())
        for stem in STEMS
    }


# Python 2's cPickle wrote strings as bytes of a kind that Python 3 does not write, so the opcodes are put by hand.


def py2(value) -> bytes:
    """The opcodes that build `value` as Python 2 wrote it: bytes are its strings."""
    if isinstance(value, dict):
        return b"}(" + b"".join(py2(key) + py2(item) for key, item in value.items()) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(py2, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(py2, value)) + b"t"
    if isinstance(value, bytes):
        return b"T" + struct.pack("<i", len(value)) + value
    if isinstance(value, np.ndarray):
        dtype = (
            b"cnumpy\ndtype\n"
            + py2((value.dtype.str[1:].encode(), 0, 1))
            + b"R"
            + py2((3, b"|", None, None, None, -1, -1, 0))
            + b"b"
        )
        empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + py2((0,)) + py2(b"b") + b"tR"
        return empty + b"(" + py2(1) + py2(value.shape) + dtype + py2(False) + py2(value.tobytes()) + b"tb"
    plain = {None: b"N", False: b"\x89"}
    return b"J" + struct.pack("<i", value) if type(value) is int else plain[value]


def pickled(value) -> bytes:
    return b"\x80\x02" + py2(value) + b"."


def python_files(batches) -> dict[str, bytes]:
    files = {"batches.meta": pickled({b"num_cases_per_batch": 10000, b"label_names": [n.encode() for n in NAMES]})}
    for stem, (images, labels) in batches.items():
        planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        files[stem] = pickled({b"batch_label": stem.encode(), b"labels": labels, b"data": planes})
    return files


def binary_files(batches) -> dict[str, bytes]:
    files = {"batches.meta.txt": "\n".join(NAMES).encode() + b"\n\n"}
    for stem, (images, labels) in batches.items():
        records = [bytes([k]) + image.transpose(2, 0, 1).tobytes() for k, image in zip(labels, images, strict=True)]
        files[f"{stem}.bin"] = b"".join(records)
    return files


def unpacked(root: Path, name: str, files: dict[str, bytes]) -> Path:
    (root / name).mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (root / name / file).write_bytes(data)
    return root / name


def packed(path: Path, folder: str, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_items_are_the_pixels_by_label_and_place(tmp_path, batches):
    source = open_source(unpacked(tmp_path, "cifar-10-batches-bin", binary_files(batches)))
    assert source.classes == NAMES and source.name == "cifar-10"
    assert {split: len(items) for split, items in source.splits.items()} == {"train": 20, "val": 4}
    images = np.concatenate([batches[stem][0] for stem in STEMS[:5]])
    labels = sum((batches[stem][1] for stem in STEMS[:5]), [])
    order = sorted(range(20), key=lambda k: (labels[k], k))
    for item, k in zip(source.splits["train"], order, strict=True):
        assert item.label == labels[k] and item.name == f"train/{NAMES[labels[k]]}/{k:05}.png"
        assert np.array_equal(pixels_of(item), images[k])
    assert {item.name for item in source.splits["val"]} == {
        f"val/{NAMES[label]}/{k:05}.png" for k, label in enumerate(batches["test_batch"][1])
    }
    assert source.remarks == (
        "train has 20 images, where CIFAR-10 has 50,000",
        "val has 4 images, where CIFAR-10 has 10,000",
    )
    item = source.splits["val"][0]
    assert pickle.loads(pickle.dumps(item)) == item and len(pickle.dumps(item)) < 3500


def test_labels_follow_the_class_names_as_they_are_listed(tmp_path, batches):
    files = binary_files(batches) | {"batches.meta.txt": "\n".join(reversed(NAMES)).encode()}
    source = open_source(unpacked(tmp_path, "cifar-10-batches-bin", files))
    labels = [item.label for item in source.splits["train"]]
    assert source.classes == NAMES[::-1] and labels == sorted(labels) and len(set(labels)) > 5


def test_both_versions_packed_or_not_are_the_same(tmp_path, batches):
    binary, python = binary_files(batches), python_files(batches)
    places = [
        unpacked(tmp_path, "cifar-10-batches-bin", binary),
        unpacked(tmp_path, "cifar-10-batches-py", python),
        unpacked(tmp_path, "under another name", python),
        packed(tmp_path / "cifar-10-binary.tar.gz", "cifar-10-batches-bin", binary),
        packed(tmp_path / "another.tgz", "cifar-10-batches-py", python),
        tmp_path,
        packed(unpacked(tmp_path, "one", {}) / "cifar-10-python.tar.gz", "cifar-10-batches-py", python).parent,
    ]
    sources = [open_source(place) for place in places]
    assert all(contents(source) == contents(sources[0]) for source in sources)
    assert len({source.revision for source in sources}) == 1
    assert all(source.classes == NAMES for source in sources)


def test_the_revision_follows_the_pixels(tmp_path, batches):
    files = binary_files(batches)
    before = open_source(unpacked(tmp_path, "a", files)).revision
    files["test_batch.bin"] = files["test_batch.bin"][:-1] + bytes([files["test_batch.bin"][-1] ^ 1])
    assert open_source(unpacked(tmp_path, "b", files)).revision != before


class Evil:
    def __reduce__(self):
        return (print, ("evil",))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (pickle.dumps(Evil(), 2), "it asks for __builtin__.print"),
        (b"cos\nsystem\n(S'echo evil'\ntR.", "it asks for os.system"),
        (b"cnumpy\nload\n(S'x'\ntR.", "it asks for numpy.load"),
        (b"cnumpy.core.multiarray\nscalar\n.", "it asks for numpy.core.multiarray.scalar"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.", "it asks for numpy.ndarray.dumps"),
        (b"", "refused: Ran out of input"),
        (b"hello", "refused"),
        (pickled({b"labels": [1]})[:-3], "refused"),
        (pickled([1, 2]), "holds a list: expected a dict"),
        (pickled({b"labels": [1]}), "has no b'data' of uint8"),
        (pickled({b"labels": [1], b"data": np.zeros((2, 3072), np.uint8)}), "has no b'labels' for its 2 images"),
        (pickled({b"labels": [1, b"x"], b"data": np.zeros((2, 3072), np.uint8)}), "has no b'labels' for its 2"),
        (pickled({b"labels": [1, 2], b"data": np.zeros((2, 3071), np.uint8)}), "has no b'data' of uint8"),
        (pickled({b"labels": [1, 2], b"data": np.zeros((2, 3072), np.int8)}), "has no b'data' of uint8"),
        (pickled({b"labels": [1, 10], b"data": np.zeros((2, 3072), np.uint8)}), "in train: expected 0 to 9"),
    ],
)
def test_a_pickle_that_is_not_a_batch_is_refused_in_one_line(tmp_path, batches, capfd, data, found):
    place = unpacked(tmp_path, "cifar-10-batches-py", python_files(batches) | {"data_batch_2": data})
    with pytest.raises(UserError, match=found) as error:
        open_source(place)
    assert "\n" not in str(error.value) and str(place) in str(error.value)
    assert "evil" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("data_batch_3.bin", None, "has no data_batch_3.bin: expected the five batches"),
        ("batches.meta.txt", None, "has no batches.meta.txt"),
        ("data_batch_3.bin", b"", "has 0 bytes: expected a multiple of 3,073"),
        ("data_batch_3.bin", bytes(3072), "has 3,072 bytes"),
        ("test_batch.bin", b"\x0a" + bytes(3072), "has labels 10 to 10 in val: expected 0 to 9"),
    ],
)
def test_a_binary_version_that_is_not_whole(tmp_path, batches, name, data, found):
    place = unpacked(tmp_path, "cifar-10-batches-bin", binary_files(batches))
    (place / name).unlink()
    if data is not None:
        (place / name).write_bytes(data)
    with pytest.raises(UserError, match=found) as error:
        open_source(place)
    assert "\n" not in str(error.value)


def test_an_archive_cut_short(tmp_path, batches):
    path = packed(tmp_path / "cifar-10-binary.tar.gz", "cifar-10-batches-bin", binary_files(batches))
    path.write_bytes(path.read_bytes()[:-20000])
    with pytest.raises(UserError, match="cifar-10-binary.tar.gz cannot be read as a whole tar.gz"):
        open_source(path)


# The .npz forms


def lossless(path: Path, **changes) -> Path:
    rng = np.random.default_rng(0)
    arrays = {
        "images": rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8),
        "labels": np.array([6, 9, 9, 4, 1, 1], np.uint8),
        "class_names": np.array(NAMES),
    }
    np.savez(path, **(arrays | changes))
    return path


def jpegs(path: Path, **changes) -> Path:
    arrays = {
        "train_jpeg": np.frombuffer(b"aabbbcdd", np.uint8),
        "train_offsets": np.array([0, 2, 5, 6, 8]),
        "train_labels": np.array([0, 0, 3, 3], np.uint8),
        "train_number": np.array([4499, 4500, 2, 4999], np.uint16),
        "class_names": np.array(NAMES),
    }
    np.savez(path, **(arrays | changes))
    return path


def test_the_lossless_npz(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar, "LOSSLESS_TRAIN", 4)
    path = lossless(tmp_path / "x.npz")
    source = open_source(path)
    assert [(item.name, item.label) for item in source.splits["train"]] == [
        ("train/deer/00003.png", 4),
        ("train/frog/00000.png", 6),
        ("train/truck/00001.png", 9),
        ("train/truck/00002.png", 9),
    ]
    assert [item.name for item in source.splits["val"]] == ["val/automobile/00000.png", "val/automobile/00001.png"]
    assert np.array_equal(pixels_of(source.splits["val"][1]), np.load(path)["images"][5])
    assert "an accuracy on it is not one on CIFAR-10's test images" in source.remarks[0]


def test_the_jpeg_npz(tmp_path):
    source = open_source(jpegs(tmp_path / "x.npz"))
    assert contents(source) == {
        "train": [("train/airplane/04499.jpg", 0, b"aa"), ("train/cat/00002.jpg", 3, b"c")],
        "val": [("val/airplane/04500.jpg", 0, b"bbb"), ("val/cat/04999.jpg", 3, b"dd")],
    }
    assert source.classes == NAMES and "JPEG re-encodings" in source.remarks[0]


def test_two_npz_in_a_folder_are_not_chosen_between(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar, "LOSSLESS_TRAIN", 4)
    lossless(tmp_path / "cifar10_lossless_first4000.npz")
    assert len(open_source(tmp_path).splits["train"]) == 4
    jpegs(tmp_path / "cifar10_jpeg.npz")
    with pytest.raises(UserError, match="holds cifar10_.* and cifar10_.*, which are different data sets: give one"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("make", "changes", "found"),
    [
        (lossless, {"labels": np.zeros(5, np.uint8)}, r"has images uint8 \(6, 32, 32, 3\): expected uint8 \(5, 32"),
        (lossless, {"images": np.zeros((6, 32, 32, 3))}, "has images float64"),
        (lossless, {"labels": np.zeros(6, np.uint8)}, "has no images in val: expected at least one"),
        (lossless, {"labels": np.array([{}], object)}, "cannot be read as a whole .npz of plain arrays"),
        (jpegs, {"train_offsets": np.array([0, 2, 5, 6])}, "arrays that do not fit together"),
        (jpegs, {"train_offsets": np.array([0, 2, 5, 6, 9])}, "arrays that do not fit together"),
        (jpegs, {"train_offsets": np.array([0, 5, 2, 6, 8])}, "arrays that do not fit together"),
        (jpegs, {"train_offsets": np.array([-1, 2, 5, 6, 8])}, "arrays that do not fit together"),
        (jpegs, {"train_labels": np.array([0, 3, 3, 10])}, "has labels 3 to 10 in val: expected 0 to 9"),
        (jpegs, {"train_number": np.arange(4)}, "has no images in val"),
    ],
)
def test_an_npz_that_is_not_whole(tmp_path, make, changes, found):
    with pytest.raises(UserError, match=found) as error:
        open_source(make(tmp_path / "x.npz", **changes))
    assert "\n" not in str(error.value)


def test_another_npz_and_a_broken_one(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(UserError, match="x.npz holds a: expected class_names with"):
        open_source(tmp_path / "x.npz")
    data = lossless(tmp_path / "y.npz").read_bytes()
    (tmp_path / "y.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="y.npz cannot be read as a whole .npz"):
        open_source(tmp_path / "y.npz")


# The real ones


def test_real_pixels(real_data):
    path = real_data / "cifar10" / "cifar10_lossless_first4000.npz"
    source = open_source(path)
    assert [len(source.splits[split]) for split in ("train", "val")] == [3200, 800]
    arrays = np.load(path)
    for item in (source.splits["train"][0], source.splits["val"][799]):
        k = int(item.name[-9:-4]) + 3200 * item.name.startswith("val")
        assert item.label == arrays["labels"][k] and np.array_equal(pixels_of(item), arrays["images"][k])


def test_real_jpegs(real_data):
    source = open_source(real_data / "cifar10" / "cifar10_jpeg.npz")
    for split, count in (("train", 4500), ("val", 500)):
        labels = [item.label for item in source.splits[split]]
        assert labels == sorted(labels) and np.bincount(labels).tolist() == [count] * 10
    assert pixels_of(source.splits["val"][-1]).shape == (32, 32, 3)
