"""CIFAR-10 as the experiments use it: in memory, with crops of 28x28, mirror images and colour noise (section 4.1)."""

from dataclasses import dataclass

import numpy as np

from minialex.data.augment import Augmentation, color_noise
from minialex.data.decode import decode
from minialex.data.sources import Source

SIDE, CROP = 32, 28
POSITIONS = SIDE - CROP + 1
TEN = [(0, 0), (0, SIDE - CROP), (SIDE - CROP, 0), (SIDE - CROP, SIDE - CROP), ((SIDE - CROP) // 2,) * 2]


@dataclass(frozen=True, eq=False)
class Images:
    """uint8 pixels (n,32,32,3) and labels (n,) of a split, with what the training images tell about pixels."""

    pixels: np.ndarray
    labels: np.ndarray
    mean: np.ndarray  # (32,32,3), of the training images
    covariance: np.ndarray  # (3,3) of their RGB values


@dataclass(frozen=True)
class Variation:
    """Which of section 4.1's ways of varying the training images are in use."""

    crops: bool = True
    mirror: bool = True
    color: str = "stdev"  # or "none", as in data.augment.Augmentation


ALL = Variation()


def load(source: Source, train: int, val: int) -> dict[str, Images]:
    """The first so many images of each class."""
    pixels, labels = _first(source.splits["train"], train)
    mean = pixels.mean(axis=0, dtype="float64")
    covariance = np.cov(pixels.reshape(-1, 3), rowvar=False)
    val_pixels, val_labels = _first(source.splits["val"], val)
    return {
        "train": Images(pixels, labels, mean.astype("float32"), covariance),
        "val": Images(val_pixels, val_labels, mean.astype("float32"), covariance),
    }


def _first(items, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    classes = sorted({item.label for item in items})
    chosen = [item for label in classes for item in [i for i in items if i.label == label][:per_class]]
    return np.stack([decode(item.read())[0] for item in chosen]), np.array([item.label for item in chosen])


def varied(images: Images, rows, variation: Variation, rng) -> np.ndarray:
    """A random crop of each of these images, perhaps mirrored and recoloured: the network's input (n,28,28,3)."""
    n = len(rows)
    offsets = rng.integers(0, POSITIONS, (n, 2)) if variation.crops else np.full((n, 2), POSITIONS // 2)
    mirrored = rng.random(n) < 0.5 if variation.mirror else np.zeros(n, bool)
    noise = color_noise(n, images.covariance, Augmentation(color=variation.color), rng).astype("float32")
    x = _cut(images.pixels[rows] - images.mean, offsets)
    x[mirrored] = x[mirrored, :, ::-1]
    return x + noise[:, None, None]


def central(images: Images) -> np.ndarray:
    """The central crop of every image, as a network is tested on it."""
    return _cut(images.pixels - images.mean, np.full((len(images.pixels), 2), POSITIONS // 2))


def ten(images: Images, rows) -> np.ndarray:
    """Ten crops of each image, next to each other: corners and centre, then mirrored (n*10,28,28,3)."""
    x = images.pixels[rows] - images.mean
    five = [x[:, top : top + CROP, left : left + CROP] for top, left in TEN]
    return np.stack(five + [crop[:, :, ::-1] for crop in five], axis=1).reshape(-1, CROP, CROP, 3)


def _cut(x, offsets) -> np.ndarray:
    pixels = np.arange(CROP)
    rows, columns = offsets[:, :1] + pixels, offsets[:, 1:] + pixels  # (n,28)
    return x[np.arange(len(x))[:, None, None], rows[:, :, None], columns[:, None, :]]
