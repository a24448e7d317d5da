"""Photographs are the same data set in whatever shape they lie there; anything else is told in one line."""

import os
import pickle
import re
import shutil
from pathlib import Path

import pytest

from minialex.data.prepare import fingerprint
from minialex.data.sources import open_source
from minialex.errors import UserError
from tests import ilsvrc
from tests.data.sources.conftest import DEVKIT, LAYOUTS, TRAIN, VAL, contents, folders_and_devkit, half_unpacked


def test_a_folder_gives_sorted_classes_and_items(folder):
    source = open_source(folder)
    assert source.name == "photos"
    assert source.classes == ("ape", "cat", "dog")
    assert [item.name for item in source.splits["val"]] == ["val/cat/0.png", "val/cat/1.png", "val/dog/0.png"]
    assert [item.label for item in source.splits["val"]] == [1, 1, 2]
    assert [item.label for item in source.splits["train"]] == [0] * 5 + [1] * 4 + [2]
    for item in (*source.splits["train"], *source.splits["val"]):
        assert item.read() == (folder / item.name).read_bytes()


def test_nested_folders_hidden_files_and_upper_case_suffixes(folder):
    (folder / "train" / "ape" / "more" / "deep").mkdir(parents=True)
    shutil.copy(folder / "train" / "ape" / "0.png", folder / "train" / "ape" / "more" / "deep" / "x.JPEG")
    (folder / "train" / ".DS_Store").write_bytes(b"x")
    (folder / "train" / "ape" / "._0.png").write_bytes(b"x")
    (folder / "train" / ".git" / "z").mkdir(parents=True)
    source = open_source(folder)
    assert source.classes == ("ape", "cat", "dog")
    assert [item.name for item in source.splits["train"] if item.label == 0] == [
        *(f"train/ape/{k}.png" for k in range(5)),
        "train/ape/more/deep/x.JPEG",
    ]


def link_or_skip(link: Path, target, **kind):
    try:
        link.symlink_to(target, **kind)
    except OSError:
        pytest.skip("this system does not let us make links")


def test_a_subset_of_linked_class_folders(folder, tmp_path):
    for split in ("train", "val"):
        (tmp_path / "subset" / split).mkdir(parents=True)
        link_or_skip(tmp_path / "subset" / split / "cat", folder / split / "cat", target_is_directory=True)
    assert len(open_source(tmp_path / "subset").splits["train"]) == 4


def test_a_link_to_nothing_is_named(folder):
    link_or_skip(folder / "train" / "cat" / "x.png", "gone")
    with pytest.raises(UserError, match="cannot read .*x.png: No such file"):
        open_source(folder)


def test_a_folder_that_cannot_be_listed_is_named(folder, monkeypatch):
    def walk(top, onerror, followlinks):
        onerror(PermissionError(13, "Permission denied", str(top)))

    monkeypatch.setattr("os.walk", walk)
    with pytest.raises(UserError, match="cannot read .*train: Permission denied"):
        open_source(folder)


def test_the_folder_itself_is_named_where_it_cannot_be_read(folder, monkeypatch):
    scan = os.scandir

    def refuse(top="."):
        if Path(top) == folder:
            raise PermissionError(13, "Permission denied", str(top))
        return scan(top)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=f"cannot read {re.escape(str(folder))}: Permission denied$"):
        open_source(folder)


def test_the_revision_follows_the_sizes(folder):
    before = open_source(folder).revision
    path = folder / "val" / "cat" / "0.png"
    path.write_bytes(path.read_bytes() + b"\0")
    assert open_source(folder).revision != before


def remove_val(folder):
    shutil.rmtree(folder / "val")


def empty_val(folder):
    shutil.rmtree(folder / "val")
    (folder / "val").mkdir()


def only_other_names(folder):
    (folder / "train").rename(folder / "training")
    (folder / "val").rename(folder / "validation")


def file_as_split(folder):
    remove_val(folder)
    (folder / "val").write_bytes(b"")


@pytest.mark.parametrize(
    ("break_it", "found"),
    [
        (remove_val, "has no classes in val/"),
        (empty_val, "has no classes in val/"),
        (only_other_names, "holds training, validation: expected train/ and val/.*, or ImageNet or CIFAR-10"),
        (lambda folder: (folder / "train" / "eel").mkdir(), "class train/eel has no images"),
        (lambda folder: (folder / "val" / "cat").rename(folder / "val" / "cow"), "lacks: cow"),
        (lambda folder: (folder / "train" / "x.png").write_bytes(b""), "train/x.png is a file where a class"),
        (lambda folder: (folder / "train" / "cat" / "notes.txt").write_bytes(b""), "txt is not an image"),
        (file_as_split, "is a file: expected"),
        (shutil.rmtree, "no such file or folder"),
    ],
)
def test_what_a_folder_lacks_is_told_in_one_line(folder, break_it, found):
    break_it(folder)
    with pytest.raises(UserError, match=found) as error:
        open_source(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


def test_imagenette_in_two_tars(real_data):
    source = open_source(real_data / "imagenette224")
    assert len(source.classes) == 10 and source.classes[0] == "n01440764"
    assert [len(source.splits[split]) for split in ("train", "val")] == [5000, 1000]
    item = source.splits["val"][999]
    assert item.label == 9 and item.read()[:2] == b"\xff\xd8" and item.read()[-2:] == b"\xff\xd9"


def test_the_three_tars(tmp_path, mini):
    source = open_source(ilsvrc.three_tars(tmp_path / "raw", mini))
    assert source.name == "raw"
    assert source.classes == ("n01000000", "n02000000", "n03000000")
    assert source.words == ("first thing", "middle thing", "last thing, end")
    assert contents(source) == {
        "train": [
            (f"train/{wnid}/{file}", label, mini.train[wnid][file])
            for label, wnid in enumerate(source.classes)
            for file in sorted(mini.train[wnid])
        ],
        "val": [  # line k of the ground truth says 2, 3, 1, 2, ... 1, and these are ids, not labels
            ("val/n01000000/ILSVRC2012_val_00000002.JPEG", 0, b"val 2"),
            ("val/n02000000/ILSVRC2012_val_00000003.JPEG", 1, b"val 3"),
            ("val/n02000000/ILSVRC2012_val_00000150.JPEG", 1, b"val 150"),
            ("val/n03000000/ILSVRC2012_val_00000001.JPEG", 2, b"val 1"),
            ("val/n03000000/ILSVRC2012_val_00000004.JPEG", 2, b"val 4"),
        ],
    }
    item = source.splits["train"][-1]
    assert pickle.loads(pickle.dumps(item)) == item and item.size == len(item.read())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_the_same_data_set(tmp_path, mini, layout):
    expected = open_source(ilsvrc.three_tars(tmp_path / "raw", mini))
    source = open_source(LAYOUTS[layout](tmp_path / "other", mini))
    assert contents(source) == contents(expected)
    assert source.classes == expected.classes and source.words == expected.words
    assert source.revision == expected.revision and fingerprint(source) == fingerprint(expected)


def test_plain_class_folders_of_the_same_images(tmp_path, mini):
    expected = open_source(ilsvrc.three_tars(tmp_path / "raw", mini))
    source = open_source(ilsvrc.class_folders(tmp_path / "folders", mini))
    assert contents(source) == contents(expected) and source.classes == expected.classes
    assert source.words == ()


@pytest.mark.parametrize("inner", ["", "ILSVRC", "ILSVRC/Data", "ILSVRC/Data/CLS-LOC"])
def test_any_folder_on_kaggles_way(tmp_path, mini, inner):
    source = open_source(ilsvrc.kaggle(tmp_path, mini) / inner)
    assert source.classes == mini.classes and source.words[0] == "first thing"
    assert [item.label for item in source.splits["val"]] == [0, 1, 1, 2, 2]


def test_kaggles_files_are_found_where_its_folders_are_links(tmp_path, mini):
    root = ilsvrc.kaggle(tmp_path / "here", mini)
    (root / "ILSVRC").rename(tmp_path / "there")
    try:
        (root / "ILSVRC").symlink_to(tmp_path / "there", target_is_directory=True)
    except OSError:
        pytest.skip("this system does not let us make links")
    assert open_source(root).words[0] == "first thing"


def test_the_nearest_train_and_val_are_meant(tmp_path, mini):
    ilsvrc.class_folders(ilsvrc.kaggle(tmp_path, mini), mini)
    ilsvrc.write(tmp_path / "train" / "n01000000" / "more.JPEG", b"x")
    assert len(open_source(tmp_path).splits["train"]) == 10


def test_two_tars_under_other_names_are_known_by_what_they_hold(tmp_path, mini):
    raw = ilsvrc.three_tars(tmp_path / "raw", mini)
    expected = contents(open_source(raw))
    (raw / TRAIN).rename(raw / "a.tar")
    (raw / VAL).rename(raw / "b.tar")
    assert contents(open_source(raw)) == expected


def test_what_is_missing_is_remarked(tmp_path, mini):
    del mini.train["n03000000"]["n03000000_0.JPEG"]
    source = open_source(ilsvrc.three_tars(tmp_path, mini))
    assert source.remarks == (
        f"train has 8 images, where {DEVKIT} lists 9: n03000000 has 3 of 4",
        f"val has 5 images, where {DEVKIT} lists 150: "
        "n01000000 has 1 of 50, n02000000 has 2 of 50, n03000000 has 2 of 50",
    )


def test_a_thousand_classes_without_counts_are_compared_with_the_total(tmp_path):
    for split in ("train", "val"):
        for k in range(1000):
            ilsvrc.write(tmp_path / split / f"n{k:08}" / "x.JPEG", b"x")
    assert open_source(tmp_path).remarks[:2] == (
        "train has 1,000 images, where ILSVRC2012 has 1,281,167",
        "val has 1,000 images, where ILSVRC2012 has 50,000",
    )


def test_a_validation_image_in_the_wrong_class_folder_is_remarked(tmp_path, mini):
    folders_and_devkit(tmp_path, mini)
    path = tmp_path / "val" / "n03000000" / "ILSVRC2012_val_00000001.JPEG"
    path.rename(tmp_path / "val" / "n01000000" / path.name)
    wrong = "val: 1 images lie in the wrong class folder: ILSVRC2012_val_00000001.JPEG is n03000000, not n01000000"
    assert wrong in open_source(tmp_path).remarks
    ilsvrc.write(tmp_path / "val" / "n01000000" / "n01000000_5.JPEG", b"as Imagenette has them")
    assert wrong in open_source(tmp_path).remarks


def test_the_tar_is_taken_before_what_was_unpacked_from_it(tmp_path, mini):
    ilsvrc.three_tars(tmp_path, mini)
    ilsvrc.write(tmp_path / "train" / "n01000000" / "half.JPEG", b"x")
    source = open_source(tmp_path)
    assert len(source.splits["train"]) == 9
    assert f"{TRAIN} is read, and train/ beside it is not" in source.remarks


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("train/ILSVRC2012_val_00000005.JPEG", "is a file where a class folder should be"),
        ("val/n01000000.tar", "is not an image by its name"),
    ],
)
def test_files_in_the_wrong_split(tmp_path, mini, name, found):
    ilsvrc.write(half_unpacked(tmp_path, mini) / name, ilsvrc.tar_of({"x.JPEG": b"x"}))
    with pytest.raises(UserError, match=f"{name} {found}"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("name", "kind", "there", "missing"),
    [
        (TRAIN, "train", [], f"with {VAL} and {DEVKIT} beside it"),
        (TRAIN, "train", [VAL], f"with {DEVKIT} beside it"),
        (VAL, "val", [DEVKIT], f"with {TRAIN} beside it"),
        (DEVKIT, "devkit", [TRAIN], f"with {VAL} beside it"),
        (TRAIN, "train", [VAL, DEVKIT], None),
    ],
)
def test_one_of_the_three_alone_says_what_goes_with_it(tmp_path, mini, name, kind, there, missing):
    ilsvrc.three_tars(tmp_path, mini)
    for other in {TRAIN, VAL, DEVKIT} - {name, *there}:
        (tmp_path / other).unlink()
    with pytest.raises(UserError) as error:
        open_source(tmp_path / name)
    end = f", {missing}" if missing else ""
    expected = f"{tmp_path / name} is the {kind} part of ILSVRC2012 alone: give its folder, {tmp_path}{end}"
    assert str(error.value) == expected


def test_flat_val_without_the_truth_says_what_to_add(tmp_path, mini):
    ilsvrc.train_folders(tmp_path / "train", mini)
    ilsvrc.flat_val(tmp_path / "val", mini)
    with pytest.raises(
        UserError, match=rf"put {DEVKIT} there, or Kaggle's LOC_synset_mapping.txt and LOC_val_solution"
    ):
        open_source(tmp_path)


@pytest.fixture(scope="module")
def real_layouts(real_data, tmp_path_factory) -> tuple[ilsvrc.Miniature, Path]:
    mini, root = ilsvrc.real(real_data), tmp_path_factory.mktemp("ilsvrc")
    ilsvrc.three_tars(root / "tars", mini)
    half_unpacked(root / "half", mini, packed=False)
    ilsvrc.kaggle(root / "kaggle", mini, separator=" : ")
    ilsvrc.class_folders(root / "folders", mini)
    return mini, root


def test_real_photos_in_four_layouts(real_layouts):
    mini, root = real_layouts
    sources = {name: open_source(root / name) for name in ("tars", "half", "kaggle", "folders")}
    expected = contents(sources["tars"])
    assert [len(expected[split]) for split in ("train", "val")] == [963, 134]
    assert contents(sources["half"]) == contents(sources["kaggle"]) == expected
    unlabelled = [(name, data) for split in expected.values() for name, _, data in split]
    assert unlabelled == [(name, data) for split in contents(sources["folders"]).values() for name, _, data in split]
    assert len({source.revision for source in sources.values()}) == 1
    assert len(sources["tars"].classes) == 1000 and sources["tars"].words[0] == "tench, Tinca tinca"


def test_labels_of_real_validation_images_are_those_of_the_field(real_layouts, real_data):
    mini, root = real_layouts
    lines = (real_data / "ilsvrc2012_meta" / "val.txt").read_text("ascii").splitlines()
    labels = dict(line.split() for line in lines)
    items = open_source(root / "tars").splits["val"]
    assert {item.name.split("/")[2]: str(item.label) for item in items} == {
        item.name.split("/")[2]: labels[item.name.split("/")[2]] for item in items
    }
    assert len({item.label for item in items}) == 10
