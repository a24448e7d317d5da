"""Class folders and tars of the same are read alike; anything else is told in one line."""

import io
import os
import pickle
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from minialex.data.sources import open_source
from minialex.errors import UserError


def contents(source) -> dict:
    return {split: [(item.name, item.label, item.read()) for item in items] for split, items in source.splits.items()}


def make_tar(path: Path, folder: Path, splits=("train", "val"), prefix="") -> Path:
    with tarfile.open(path, "w") as tar:
        for split in splits:
            tar.add(folder / split, arcname=prefix + split)
    return path


def tar_of(path: Path, *members) -> Path:
    """A tar with the given TarInfo or names; every file holds three bytes."""
    with tarfile.open(path, "w") as tar:
        for member in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = 3 if info.isreg() else 0
            tar.addfile(info, io.BytesIO(b"abc"))
    return path


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


@pytest.mark.parametrize("prefix", ["", "./", "photos/"])
def test_tars_are_read_as_the_folder_is(folder, tmp_path, prefix):
    expected = contents(open_source(folder))
    one = open_source(make_tar(tmp_path / "photos.tar", folder, prefix=prefix))
    (tmp_path / "two").mkdir()
    make_tar(tmp_path / "two" / "b_train.tar", folder, ["train"], prefix)
    make_tar(tmp_path / "two" / "a_val.tar", folder, ["val"], prefix)
    two = open_source(str(tmp_path / "two"))
    assert contents(one) == contents(two) == expected
    assert one.classes == two.classes == ("ape", "cat", "dog")
    assert one.revision == two.revision == open_source(folder).revision
    assert one.name == "photos"


def test_a_tar_of_this_folder(folder, tmp_path):
    """`tar cf photos.tar .` begins with the folder itself."""
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        tar.add(folder, arcname=".")
    assert contents(open_source(tmp_path / "photos.tar")) == contents(open_source(folder))


def test_items_survive_pickling(folder, tmp_path):
    for source in (open_source(folder), open_source(make_tar(tmp_path / "photos.tar", folder))):
        item = source.splits["train"][3]
        assert pickle.loads(pickle.dumps(item)) == item
        assert pickle.loads(pickle.dumps(item)).read() == item.read()


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


def test_names_in_a_tar_lead_nowhere(tmp_path):
    path = tar_of(tmp_path / "x.tar", "/train/a/x.png", "val/a/../../../evil.png", "val/a/y.png")
    source = open_source(path)
    assert contents(source) == {"train": [("train/a/x.png", 0, b"abc")], "val": [("val/a/y.png", 0, b"abc")]}
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_tar_that_became_shorter_is_an_error(folder, tmp_path):
    path = make_tar(tmp_path / "photos.tar", folder)
    item = open_source(path).splits["val"][-1]
    path.write_bytes(path.read_bytes()[: item.offset + 2])
    with pytest.raises(OSError, match="ends inside val/dog/0.png"):
        item.read()


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


def link(kind) -> tarfile.TarInfo:
    info = tarfile.TarInfo("train/a/link.png")
    info.type, info.linkname = kind, "/etc/hostname"
    return info


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ([], "has no classes in train/"),
        (["n01/x.png"], "n01/x.png is under neither train/ nor val/"),
        (["train/x.png"], "train/x.png is a file where a class folder should be"),
        (["train/a/x.png", "train/a/x.png", "val/a/x.png"], "has train/a/x.png twice"),
        (["train/a/x.png", link(tarfile.SYMTYPE)], "link.png is a link"),
        (["train/a/x.png", link(tarfile.LNKTYPE)], "link.png is a link"),
    ],
)
def test_what_a_tar_has_wrong_is_told_in_one_line(tmp_path, members, found):
    with pytest.raises(UserError, match=found) as error:
        open_source(tar_of(tmp_path / "x.tar", *members))
    assert "\n" not in str(error.value)


def test_files_that_are_no_uncompressed_tar(folder, tmp_path):
    with tarfile.open(tmp_path / "z.tar", "w:gz") as tar:
        tar.add(folder / "train", arcname="train")
    (tmp_path / "x.txt").write_bytes(b"hello")
    for name in ("z.tar", "x.txt"):
        with pytest.raises(UserError, match=f"{name} cannot be read as a whole, uncompressed tar"):
            open_source(tmp_path / name)


@pytest.mark.parametrize("length", [512 + 1, 1024, 1024 + 100, 1024 + 512 + 1, 2048])
def test_a_tar_cut_short(tmp_path, length):
    """Inside a file's bytes, between files, inside a header, and before the block of zeros at the end."""
    path = tar_of(tmp_path / "x.tar", "val/a/x.png", "train/a/x.png")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match="x.tar cannot be read as a whole, uncompressed tar"):
        open_source(path)


def test_imagenette_in_two_tars(real_data):
    source = open_source(real_data / "imagenette224")
    assert len(source.classes) == 10 and source.classes[0] == "n01440764"
    assert [len(source.splits[split]) for split in ("train", "val")] == [5000, 1000]
    item = source.splits["val"][999]
    assert item.label == 9 and item.read()[:2] == b"\xff\xd8" and item.read()[-2:] == b"\xff\xd9"
