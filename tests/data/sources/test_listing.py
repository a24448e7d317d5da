"""The devkit and Kaggle's files say which classes there are; what is wrong with them is told in one line."""

import dataclasses
import tarfile

import pytest

from minialex.data.sources import listing, open_source
from minialex.errors import UserError
from tests import ilsvrc
from tests.data.sources.conftest import (
    DEVKIT,
    TRAIN,
    VAL,
    contents,
    folders_and_devkit,
)


def test_a_mapping_in_any_order_gives_labels_in_the_order_of_wnids(tmp_path, mini):
    expected = open_source(ilsvrc.kaggle(tmp_path, mini))
    path = tmp_path / "LOC_synset_mapping.txt"
    path.write_text("\n".join(reversed(path.read_text("utf-8").splitlines())), encoding="utf-8")
    assert contents(open_source(tmp_path)) == contents(expected)
    assert open_source(tmp_path).words == expected.words


def test_a_class_that_has_no_images_keeps_its_label(tmp_path, mini):
    train = {wnid: files for wnid, files in mini.train.items() if wnid != "n01000000"}
    val = {name: data for name, data in mini.val.items() if mini.val_class(name) != "n01000000"}
    source = open_source(ilsvrc.three_tars(tmp_path, dataclasses.replace(mini, train=train, val=val)))
    assert source.classes == mini.classes
    assert [item.label for item in source.splits["val"]] == [1, 1, 2, 2]
    assert "n01000000 has 0 of 2" in source.remarks[0]


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


def test_kaggles_usual_mapping_and_the_one_with_colons(real_data, tmp_path):
    path = real_data / "ilsvrc2012_meta" / "LOC_synset_mapping.txt"
    (tmp_path / "LOC_synset_mapping.txt").write_bytes(path.read_bytes())
    colons = listing.find_listing(tmp_path)
    (tmp_path / "LOC_synset_mapping.txt").write_text(path.read_text("utf-8").replace(" : ", " "), encoding="utf-8")
    plain = listing.find_listing(tmp_path)
    assert colons == plain and len(plain.wnids) == 1000
    assert plain.words[0] == "tench, Tinca tinca"
