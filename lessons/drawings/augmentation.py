"""Pictures of lesson 08: ten crops of one image, and colour noise in three sizes."""

from functools import cache

import numpy as np
from matplotlib.patches import Rectangle

from drawings.style import COLORS, PALE, canvas
from minialex.data import toy
from minialex.data.augment import Augmentation, principal_components, ten_patches
from minialex.data.preprocess import Preprocessing

SIZE = 224


def augmentation_ten_crops():
    """The places of the five crops in an image, and the ten crops."""
    figure, panels = canvas(9, 3.3, 2, 7, gridspec_kw={"width_ratios": [1.15, 1.15, 1, 1, 1, 1, 1]})
    photo = toy.draw(toy.CLASSES.index("leaf"), 4, "val")
    whole = figure.add_subplot(panels[0, 0].get_gridspec()[:, :2])
    for axes in panels.ravel():
        axes.axis("off")
    whole.imshow(photo)
    whole.axis("off")
    whole.set_title("256 × 256")
    patches = ten_patches(1, SIZE)
    crops = Preprocessing(np.zeros((256, 256, 3), "float32")).apply(photo[None], patches)
    for j, ((top, left), color) in enumerate(zip(patches.offsets, [*COLORS] * 2, strict=True)):
        axes = panels[j // 5, 2 + j % 5]
        axes.imshow(crops[j].astype("uint8"))
        axes.add_patch(Rectangle((2, 2), SIZE - 5, SIZE - 5, fill=False, edgecolor=color, linewidth=3))
        if j < 5:
            place = left - 0.5 + 2 * (j - 2), top - 0.5 + 2 * (j - 2)  # apart, or one outline would hide another
            whole.add_patch(Rectangle(place, SIZE, SIZE, fill=False, edgecolor=color, linewidth=2))
    whole.set(xlim=(-8, 264), ylim=(264, -8))
    panels[0, 2].set_title("ten crops of 224 × 224")
    return figure


def augmentation_noise():
    """One image with noise along the first component, from -2 to 2 deviations, in the three sizes."""
    figure, panels = canvas(9, 5.4, 3, 5)
    photo = toy.draw(toy.CLASSES.index("die"), 1, "val").astype(float)
    stdevs, vectors = principal_components(covariance())
    rows = {"root of eigenvalue": stdevs, "eigenvalue, 0..255": stdevs**2, "eigenvalue, [0, 1]": stdevs**2 / 255}
    for line, (words, sizes) in zip(panels, rows.items(), strict=True):
        for axes, a in zip(line, (-2, -1, 0, 1, 2), strict=True):
            noise = a * Augmentation().color_sigma * sizes[2]
            axes.imshow(np.clip(photo + noise * vectors[:, 2], 0, 255).astype("uint8"))
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color=PALE)  # or a white image would not be seen
            axes.set_title(f"{noise:+,.0f}" if a else "0", loc="center", fontsize=9)
        line[0].set_ylabel(words, fontsize=9)
    return figure


@cache
def covariance():
    """Of the RGB values of twenty training images, two of each class."""
    images = np.stack([toy.draw(label, i, "train") for label in range(10) for i in range(2)])
    return np.cov(images[:, ::4, ::4].reshape(-1, 3).T.astype(float))
