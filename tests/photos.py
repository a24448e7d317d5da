"""A small class folder of images, for tests that train on one."""

import numpy as np
from PIL import Image

CLASSES = ("blue", "green", "red")
TRAIN, VAL = 12, 4  # images a class


def draw(folder):
    """Write train/ and val/ with three classes of noisy 48x40 images that their colour tells apart; returns folder."""
    rng = np.random.default_rng(0)
    for split, count in (("train", TRAIN), ("val", VAL)):
        for label, name in enumerate(CLASSES):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 200, (40, 48, 3))
                pixels[..., 2 - label] += 55
                Image.fromarray(pixels.astype("uint8")).save(folder / split / name / f"{number}.png")
    return folder
