"""What section 2 does to photographs, and how labels go wrong: `python lessons/experiments/dataset.py DATA`.

DATA is a folder with photographs as ImageNet has them (imagenet_samples/, a tar and index.csv) and with the lists of
ILSVRC2012 (ilsvrc2012_meta/). Nothing is drawn at random. It prints a table and writes lessons/results/dataset.json.
"""

import argparse
import csv
import json
import sys
import tarfile
from datetime import date
from pathlib import Path

import numpy as np

from minialex.data.decode import decode, resize_crop
from minialex.errors import main_status

RESULT = Path(__file__).parent.parent / "results" / "dataset.json"


def photographs(folder: Path) -> list[np.ndarray]:
    """The photographs that were chosen for nothing but to be a sample, decoded, each in its own size."""
    rows = csv.DictReader((folder / "index.csv").read_text(encoding="utf-8").splitlines())
    chosen = {row["file"] for row in rows if row["chosen_because"] == "sample"}
    with tarfile.open(folder / "imagenet_samples_97.tar") as tar:
        files = [member for member in tar if Path(member.name).name in chosen]
        return [decode(tar.extractfile(member).read())[0] for member in files]


def sizes(photos: list[np.ndarray]) -> dict:
    """How large the photographs are, and what the central square leaves out."""
    sides = np.sort([photo.shape[:2] for photo in photos], axis=1)  # (n,2), the shorter one first
    shorter, longer = sides.T
    return {
        "photographs": len(photos),
        "different sizes": len({photo.shape for photo in photos}),
        "shorter side, smallest": int(shorter.min()),
        "shorter side, median": float(np.median(shorter)),
        "shorter side, largest": int(shorter.max()),
        "enlarged, for the shorter side is below 256": int((shorter < 256).sum()),
        "longer side over shorter, median": round(float(np.median(longer / shorter)), 2),
        "pixels outside the square, %": round(100 * float((1 - shorter / longer).mean()), 1),
    }


def common_part(photos: list[np.ndarray]) -> dict:
    """The mean cosine between two photographs, as they are, and without the mean image of other photographs."""
    x = np.stack([resize_crop(photo) for photo in photos]).reshape(len(photos), -1).astype("float64")
    known, new = x[::2], x[1::2]
    return {
        "cosine of two photographs": round(mean_cosine(new), 2),
        "cosine without the mean image of others": round(mean_cosine(new - known.mean(axis=0)), 2),
    }


def mean_cosine(x) -> float:
    """Of all pairs of different rows of x (N,D)."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    N = len(x)
    return float(((x @ x.T).sum() - N) / (N * (N - 1)))


def labels(folder: Path) -> dict:
    """What becomes of the validation labels if the devkit's ids, 1 to 1000, are taken for labels."""
    rows = [line.split() for line in (folder / "map_clsloc.txt").read_text(encoding="utf-8").splitlines()]
    wnids = sorted(wnid for wnid, *_ in rows)
    label = {int(number): wnids.index(wnid) for wnid, number, _ in rows}
    truth = (folder / "ILSVRC2012_validation_ground_truth.txt").read_text(encoding="ascii").split()
    counts = np.bincount([label[int(number)] for number in truth])
    return {
        "classes": len(wnids),
        "validation images": len(truth),
        "validation images of a class": sorted(set(counts.tolist())),
        "ids that are the label plus one": sum(number - 1 == label[number] for number in label),
        "validation images labelled right by id minus one": sum(int(n) - 1 == label[int(n)] for n in truth),
    }


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder with imagenet_samples and ilsvrc2012_meta")
    data = parser.parse_args(argv).data
    photos = photographs(data / "imagenet_samples")
    result = {
        "command": "python lessons/experiments/dataset.py DATA",
        "date": date.today().isoformat(),
        "machine": "two cores of a shared cloud machine",
        "data": "photographs of ImageNet in their own sizes, one a class; the lists of ILSVRC2012",
        "seeds": [],
        "photographs": sizes(photos) | common_part(photos),
        "labels": labels(data / "ilsvrc2012_meta"),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for part in ("photographs", "labels"):
        for name, value in result[part].items():
            print(f"{name}: {value}")


if __name__ == "__main__":
    sys.exit(main_status(main))
