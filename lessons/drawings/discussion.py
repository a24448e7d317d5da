"""Pictures of lesson 12: two kernels of 3x3 in place of one of 5x5, and the network without one of its layers."""

import json
from pathlib import Path

import numpy as np
from matplotlib.patches import Rectangle

from drawings.style import BLUE, GREEN, INK, ORANGE, PALE, blank, canvas

RESULTS = Path(__file__).parent.parent / "results"


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
    """The accuracy of each network: a bar for the mean over seeds, a point a seed."""
    rows = json.loads((RESULTS / "ablation.json").read_text(encoding="utf-8"))["rows"]
    figure, axes = canvas(9, 2.9)
    for place, row in enumerate(rows):
        top1 = 100 * np.array(row["top1"])
        axes.barh(place, top1.mean(), height=0.6, color=BLUE if place == 0 else PALE, zorder=1)
        axes.scatter(top1, np.full(len(top1), place), color=ORANGE, zorder=2, label="one seed" if place == 0 else None)
    axes.set_yticks(range(len(rows)), [f"{row['net']}, {row['parameters']:,}" for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("top-1 on the validation images, %")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98))
    return figure
