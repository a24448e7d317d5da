"""What the tests of sources share: ImageNet in every layout, tars made on the spot."""

import io
import tarfile
from pathlib import Path

import pytest

from tests import ilsvrc


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


TRAIN, VAL, DEVKIT = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz"


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
