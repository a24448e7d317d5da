"""Tars are read in place, also those within tars; names in them lead nowhere, and one that is not whole is named."""

import io
import tarfile
from pathlib import Path

import pytest

from minialex.data.sources import open_source, tars
from minialex.errors import UserError
from tests import ilsvrc
from tests.data.sources.conftest import TRAIN, contents, make_tar, tar_of


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


def test_names_in_a_tar_lead_nowhere(tmp_path):
    path = tar_of(tmp_path / "x.tar", "/train/a/x.png", "val/a/../../../evil.png", "val/a/y.png")
    source = open_source(path)
    assert contents(source) == {"train": [("train/a/x.png", 0, b"abc")], "val": [("val/a/y.png", 0, b"abc")]}
    assert sorted(tmp_path.iterdir()) == [path]


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


def inner(name: str, kind=tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/hostname"
    info.size = 3 if kind == tarfile.REGTYPE else 0
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(info, io.BytesIO(b"abc"))
    return file.getvalue()


def with_first_class(root: Path, mini, data: bytes) -> Path:
    """The three tars, the first inner one replaced."""
    ilsvrc.three_tars(root, mini)
    ilsvrc.write(root / TRAIN, ilsvrc.tar_of(ilsvrc.class_tars(mini) | {"n01000000.tar": data}))
    return root


@pytest.mark.parametrize("name", ["../../etc/x.JPEG", "/etc/x.JPEG", "a/b/x.JPEG", "./x.JPEG"])
def test_names_in_an_inner_tar_lead_nowhere(tmp_path, mini, name):
    root = with_first_class(tmp_path / "raw", mini, inner(name))
    before = sorted(tmp_path.rglob("*"))
    first = open_source(root).splits["train"][0]
    assert (first.name, first.read()) == ("train/n01000000/x.JPEG", b"abc")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_specials_in_an_inner_tar_are_refused(tmp_path, mini, kind):
    with pytest.raises(UserError, match=r"train.tar: n01000000.tar: x.JPEG is a link or special"):
        open_source(with_first_class(tmp_path, mini, inner("x.JPEG", kind)))


def test_the_folder_itself_in_an_inner_tar_is_no_image(tmp_path, mini):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        folder = tarfile.TarInfo("./")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        ilsvrc.add(tar, "./x.JPEG", b"abc")
    source = open_source(with_first_class(tmp_path, mini, data.getvalue()))
    assert [item.name for item in source.splits["train"] if item.label == 0] == ["train/n01000000/x.JPEG"]


def negative_size() -> bytes:
    data = bytearray(inner("x.JPEG"))
    data[124:136] = (-1024).to_bytes(12, "big", signed=True)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a tar" * 100,
        inner("x.JPEG")[:1024],  # no mark of its end
        inner("x.JPEG")[:512],  # the bytes of its image are the next member of the outer tar
        negative_size(),
    ],
    ids=["empty", "no tar", "no end", "cut", "negative"],
)
def test_an_inner_tar_that_is_not_whole_is_named(tmp_path, mini, data):
    with pytest.raises(UserError, match=r"train.tar: n01000000.tar cannot be read as a whole, uncompressed tar"):
        open_source(with_first_class(tmp_path, mini, data))


@pytest.mark.parametrize("cut", [1, 3, 10, 30])
def test_the_train_tar_cut_short(tmp_path, mini, cut):
    root = ilsvrc.three_tars(tmp_path, mini)
    (root / TRAIN).write_bytes((root / TRAIN).read_bytes()[: cut * 1024 + 100])
    with pytest.raises(UserError, match="cannot be read as a whole") as error:
        open_source(root)
    assert str(root / TRAIN) in str(error.value) and "\n" not in str(error.value)


def test_headers_are_not_kept(tmp_path, mini, monkeypatch):
    """tarfile keeps every header that it has read: 1.28 million of them would take gigabytes."""
    kept, following = [], tarfile.TarFile.next

    def counted(self):
        kept.append(len(self.members))
        return following(self)

    monkeypatch.setattr(tarfile.TarFile, "next", counted)
    list(tars.tar_entries(ilsvrc.three_tars(tmp_path, mini) / TRAIN))
    assert len(kept) > 12 and max(kept) <= 1
