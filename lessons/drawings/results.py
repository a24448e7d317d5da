"""Pictures of lesson 11, Figures 3 and 4 of the paper: of a network that learnt from photographs, and of a small one.

lessons/experiments/photographs.py and results.py there keep what they show.
"""

from pathlib import Path

import numpy as np

from drawings.style import BLUE, ORANGE, PALE, canvas
from minialex.data import toy

RESULTS = Path(__file__).parent.parent / "results"
VAL, TRAIN = 50, 200  # images of each class
GUESSED = (0, 63, 111, 242, 310, 356, 420, 495)  # validation images, half of them mistaken
ALIKE = (10, 177, 263, 402)


def results_kernels():
    """The kernels of conv1 on one scale, and each on a scale of its own."""
    W = np.moveaxis(np.load(RESULTS / "photographs.npz")["conv1"], 3, 0)  # (maps,KH,KW,3)
    figure, panels = canvas(9, 2.75, 1, 2)
    scales = np.abs(W).max(), np.abs(W).max(axis=(1, 2, 3), keepdims=True)
    for axes, scale, title in zip(panels, scales, ("one scale for all", "each on its own scale"), strict=True):
        axes.imshow(tiled(0.5 + W / (2 * scale), columns=9), interpolation="nearest")
        axes.axis("off")
        axes.set_title(title)
    return figure


def tiled(images, columns: int):
    """Images (n,H,W,3) side by side, with a white line between two and a wider one between the towers."""
    n, H, W, _ = images.shape
    rows = n // columns
    page = np.ones((rows * (H + 1) + 2, columns * (W + 1), 3))
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        top = row * (H + 1) + 3 * (row >= rows // 2)
        page[top : top + H, column * (W + 1) : column * (W + 1) + W] = image
    return page


def results_guesses():
    """Validation images with the five classes that the network holds likeliest."""
    p = np.load(RESULTS / "results.npz")["p"]
    figure, panels = canvas(9, 2.9, 2, len(GUESSED), height_ratios=(1, 1.25))
    for place, (image, bars) in zip(GUESSED, panels.T, strict=True):
        label = place // VAL
        image.imshow(toy.draw(label, place % VAL, "val")[::2, ::2])
        image.set_title(toy.CLASSES[label], fontsize=10)
        best = np.argsort(-p[place], kind="stable")[:5]
        bars.barh(range(5), p[place, best], color=[ORANGE if each == label else PALE for each in best], alpha=0.75)
        for row, each in enumerate(best):
            bars.text(0.03, row, toy.CLASSES[each], va="center", fontsize=9)
        bars.set(xlim=(0, 1), ylim=(4.5, -0.5))
        image.axis("off")
        bars.axis("off")
    return figure


def results_alike():
    """Validation images, and the training images nearest to them: in the last hidden layer, and in pixels."""
    kept = np.load(RESULTS / "results.npz")
    nearest = [np.concatenate([kept["by_features"][q, :5], kept["by_pixels"][q, :5]]) for q in ALIKE]
    widths = [1, 0.12, *[1] * 5, 0.12, *[1] * 5]
    figure, panels = canvas(9, 3.35, len(ALIKE), len(widths), width_ratios=widths)
    for query, rows, line in zip(ALIKE, nearest, panels, strict=True):
        for axes in line:
            axes.axis("off")
        label = query // VAL
        line[0].imshow(toy.draw(label, query % VAL, "val")[::3, ::3])
        for axes, row in zip([*line[2:7], *line[8:]], rows, strict=True):
            axes.imshow(toy.draw(int(row) // TRAIN, int(row) % TRAIN, "train")[::3, ::3])
            if row // TRAIN == label:  # framed: of the same class
                axes.axis("on")
                axes.set(xticks=[], yticks=[])
                for spine in axes.spines.values():
                    spine.set(visible=True, color=BLUE, linewidth=2.5)
    for column, title in ((0, "image"), (2, "nearest in features"), (8, "nearest in pixels")):
        panels[0, column].set_title(title, fontsize=10)
    return figure
