"""Pictures of lesson 12: two kernels of 3x3 in place of one of 5x5, and the network without one of its layers."""

import json
from pathlib import Path

import numpy as np
from matplotlib.patches import Rectangle

from drawings.style import BLUE, GREEN, INK, ORANGE, PALE, blank, canvas

RESULTS = Path(__file__).parent.parent / "results"
CHANGES = {  # what is changed: the experiment, and what the paper or its authors' notes have for it, in points
    "no LRN": ("no-lrn", 1.4),
    "batch normalisation for LRN": ("batch-norm", None),
    "pooling 2/2 for 3/2": ("pool-2x2", 0.4),
    "one tower": ("one-tower", 1.7),
    "towers joined at fc8 only": ("joined-late", 1.17),
    "no dropout": ("no-dropout", None),
    "no random crops": ("no-crops", None),
    "no mirror images": ("no-mirror", None),
    "no colour noise": ("no-color", 1.0),
    "biases of 0": ("zero-biases", None),
    "sigma 0.01 in conv3 to conv5": ("sigma-0.01", None),
    "no conv3": ("no-conv3", 2.0),
    "no conv4": ("no-conv4", 2.0),
    "no conv5": ("no-conv5", 2.0),
    "the order of the authors' code": ("code2012", None),
}


def discussion_stacked():
    """What a unit over two kernels of 3x3 sees, and the weights of a stack against those of one kernel."""
    figure, (grids, curve) = canvas(9, 3.0, 1, 2, gridspec_kw={"width_ratios": [1.5, 1]})
    blank(grids)
    layers = ((0, 5, "5 × 5 pixels", BLUE), (7, 3, "3 × 3 units", GREEN), (12, 1, "1 unit", ORANGE))
    for left, size, words, color in layers:
        for i, j in np.ndindex(size, size):
            square = Rectangle((left + j, i - size / 2), 1, 1, facecolor=color, alpha=0.3, edgecolor=INK)
            grids.add_patch(square)
        grids.text(left + size / 2, 3.4, words, ha="center", va="center")
    for left, wide, right, narrow in ((3, 1.5, 7, 0.5), (10, 1.5, 12, 0.5)):
        for sign in (-1, 1):
            grids.plot([left, right], [sign * wide, sign * narrow], color=INK, linewidth=1)
    grids.add_patch(Rectangle((0, -1.5), 3, 3, fill=False, edgecolor=GREEN, linewidth=3))
    grids.add_patch(Rectangle((7, -0.5), 1, 1, fill=False, edgecolor=GREEN, linewidth=3))
    grids.add_patch(Rectangle((7, -1.5), 3, 3, fill=False, edgecolor=ORANGE, linewidth=3))
    grids.set_xlim(-0.5, 13.6)
    grids.set_ylim(4.0, -3.2)
    sees = np.arange(3, 12, 2)
    curve.plot(sees, sees**2, color=BLUE, marker="o", label="one kernel")
    curve.plot(sees, 9 * (sees - 1) // 2, color=GREEN, marker="o", label="a stack of 3 × 3")
    curve.set(xticks=sees, xlabel="pixels that a unit sees, a side")
    curve.set_title("weights, in units of C²")
    curve.legend()
    return figure


def discussion_ablation():
    """The change of the error by each change of the network: the mean over seeds, each seed, and the paper's."""
    plain = errors("baseline")
    figure, axes = canvas(9, 5.4)
    axes.axvspan(min(plain) - np.mean(plain), max(plain) - np.mean(plain), color=PALE, zorder=0)
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    for place, (name, paper) in enumerate(CHANGES.values()):
        change = np.array(errors(name)) - np.mean(plain)
        axes.barh(place, change.mean(), height=0.6, color=BLUE, alpha=0.35, zorder=1)
        dots = axes.scatter(change, np.full(len(change), place), color=BLUE, s=18, zorder=3)
        if paper is not None:
            mark = axes.scatter(paper, place, color=ORANGE, marker="D", s=30, zorder=2)
    axes.set_yticks(range(len(CHANGES)), CHANGES)
    axes.invert_yaxis()
    axes.set_xlabel("top-1 error more than that of the whole network, in points; grey: the whole network's own seeds")
    axes.legend([dots, mark], ["a seed of ours, CIFAR-10", "the paper or its authors, ImageNet"], loc="best")
    return figure


def errors(name: str) -> list[float]:
    """The validation errors of an experiment's seeds, in percent."""
    files = sorted((RESULTS / name).glob("*.json"))
    return [100 * json.loads(file.read_text(encoding="utf-8"))["val_error"] for file in files]
