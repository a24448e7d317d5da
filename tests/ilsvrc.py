"""ILSVRC2012 in miniature, in the shapes that people hold it in, for tests of what reads it."""

import csv
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import savemat

DEVKIT = "ILSVRC2012_devkit_t12"
TRUTH = "ILSVRC2012_validation_ground_truth.txt"


@dataclass(frozen=True)
class Miniature:
    """synsets: (id, wnid, words, training images) of each class, by id; train: {wnid: {file: bytes}};
    val: {file: bytes}; truth: the id of each validation image that the devkit knows."""

    synsets: tuple[tuple[int, str, str, int], ...]
    train: dict[str, dict[str, bytes]]
    val: dict[str, bytes]
    truth: tuple[int, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted(wnid for _, wnid, _, _ in self.synsets))

    def val_class(self, file: str) -> str:
        wnids = {id: wnid for id, wnid, _, _ in self.synsets}
        return wnids[self.truth[int(file[-13:-5]) - 1]]


def invented() -> Miniature:
    """Three classes whose ids are in another order than their labels, 2 + 3 + 4 training and 5 validation images."""
    synsets = (
        (1, "n02000000", "middle thing", 3),
        (2, "n03000000", "last thing, end", 4),
        (3, "n01000000", "first thing", 2),
    )
    train = {wnid: {f"{wnid}_{k * 7}.JPEG": f"{wnid} {k}".encode() for k in range(n)} for _, wnid, _, n in synsets}
    truth = tuple(id for _ in range(50) for id in (2, 3, 1))
    val = {f"ILSVRC2012_val_{k:08}.JPEG": b"val %d" % k for k in (1, 2, 3, 4, 150)}
    return Miniature(synsets, train, val, truth)


def real(data: Path) -> Miniature:
    """The 97 samples and some of the ten classes as training images, the ten classes' validation images as such."""
    rows = [line.split() for line in (data / "ilsvrc2012_meta" / "map_clsloc.txt").read_text("utf-8").splitlines()]
    lines = (data / "ilsvrc2012_meta" / "synset_words.txt").read_text("utf-8").splitlines()
    words = dict(line.split(" ", 1) for line in lines)
    train: dict[str, dict[str, bytes]] = {}
    val = {}
    with tarfile.open(data / "imagenet_samples" / "imagenet_samples_97.tar") as tar:
        for member in tar:
            wnid, file = member.name.split("/")
            train.setdefault(wnid, {})[file] = tar.extractfile(member).read()
    with tarfile.open(data / "imagenette224" / "imagenette224_val.tar") as tar:
        for member in tar:
            _, wnid, file = member.name.split("/")
            place = val if file.startswith("ILSVRC2012_val_") else train.setdefault(wnid, {})
            place[file] = tar.extractfile(member).read()
    truth = (data / "ilsvrc2012_meta" / TRUTH).read_text("ascii").split()
    synsets = tuple((int(id), wnid, words[wnid], 1300) for wnid, id, _ in rows)
    return Miniature(synsets, train, val, tuple(int(id) for id in truth))


# Files


def meta_mat(synsets) -> bytes:
    """The devkit's meta.mat: a column of structs, the leaves by id, and above them what they are kinds of."""
    fields = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height")
    parents = [(1001, "n00001740", "entity", 0), (1002, "n00001930", "physical entity", 0)]
    table = np.zeros((len(synsets) + len(parents), 1), [(name, object) for name in (*fields, "num_train_images")])
    for row, (id, wnid, words, count) in zip(table, [*synsets, *parents], strict=True):
        children = [1, 2] if id > 1000 else []
        number = [np.array(value, float) for value in (id, len(children), 1.0, count)]
        row[0] = (number[0], wnid, words, "a gloss", number[1], np.array(children, float), number[2], number[3])
    file = io.BytesIO()
    savemat(file, {"synsets": table})
    return file.getvalue()


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def tar_of(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, data in files.items():
            add(tar, name, data)
    return file.getvalue()


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


# Shapes


def devkit(root: Path, mini: Miniature, packed: bool = True) -> None:
    text = "".join(f"{id}\n" for id in mini.truth).encode()
    files = {f"{DEVKIT}/data/meta.mat": meta_mat(mini.synsets), f"{DEVKIT}/data/{TRUTH}": text}
    if packed:
        root.mkdir(parents=True, exist_ok=True)
        with tarfile.open(root / f"{DEVKIT}.tar.gz", "w:gz") as tar:
            for name, data in {f"{DEVKIT}/readme.txt": b"about", **files}.items():
                add(tar, name, data)
    else:
        for name, data in files.items():
            write(root / name, data)


def class_tars(mini: Miniature) -> dict[str, bytes]:
    return {f"{wnid}.tar": tar_of(files) for wnid, files in mini.train.items()}


def three_tars(root: Path, mini: Miniature) -> Path:
    write(root / "ILSVRC2012_img_train.tar", tar_of(class_tars(mini)))
    write(root / "ILSVRC2012_img_val.tar", tar_of(mini.val))
    devkit(root, mini)
    return root


def train_folders(root: Path, mini: Miniature) -> None:
    for wnid, files in mini.train.items():
        for name, data in files.items():
            write(root / wnid / name, data)


def flat_val(root: Path, mini: Miniature) -> None:
    for name, data in mini.val.items():
        write(root / name, data)


def val_folders(root: Path, mini: Miniature) -> None:
    for name, data in mini.val.items():
        write(root / mini.val_class(name) / name, data)


def class_folders(root: Path, mini: Miniature) -> Path:
    train_folders(root / "train", mini)
    val_folders(root / "val", mini)
    return root


def kaggle(root: Path, mini: Miniature, separator: str = " ") -> Path:
    data = root / "ILSVRC" / "Data" / "CLS-LOC"
    train_folders(data / "train", mini)
    flat_val(data / "val", mini)
    write(data / "test" / "ILSVRC2012_test_00000001.JPEG", b"test")
    lines = [f"{wnid}{separator}{words}\n" for _, wnid, words, _ in sorted(mini.synsets, key=lambda row: row[1])]
    write(root / "LOC_synset_mapping.txt", "".join(lines).encode())
    with open(root / "LOC_val_solution.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["ImageId", "PredictionString"])
        for name in reversed(sorted(mini.val)):
            wnid = mini.val_class(name)
            table.writerow([name.removesuffix(".JPEG"), f"{wnid} 1 2 30 40 {wnid} 5 6 7 8 "])
    return root
