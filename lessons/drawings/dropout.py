"""Pictures of lesson 09: the networks that share two layers' weights, and what dropout does to a gap."""

import json
from itertools import product
from pathlib import Path

import numpy as np

from drawings.style import BLUE, INK, ORANGE, PALE, blank, canvas

RESULTS = Path(__file__).parent.parent / "results"


def dropout_masks():
    """The eight networks of three droppable units, and the one that stands for all of them in testing."""
    figure, axes = canvas(9, 2.2)
    blank(axes)
    for place, mask in enumerate([*product((1, 0), repeat=3), None]):
        left = 2.6 * place + 1.3 * (mask is None)
        hidden = [(left + 0.8 * (unit - 1), 2.0) for unit in range(3)]
        for unit, (x, y) in enumerate(hidden):
            kept = mask is None or mask[unit]
            color = ORANGE if mask is None else BLUE if kept else PALE
            for end in [(left + 0.8 * (other - 1), 4.0) for other in range(3)] + [(left - 0.4, 0), (left + 0.4, 0)]:
                if kept:
                    axes.plot((x, end[0]), (y, end[1]), color=color, linewidth=0.8, zorder=1)
            axes.scatter(x, y, s=110, color=color, zorder=2)
        axes.scatter([left - 0.8, left, left + 0.8], [4.0] * 3, s=40, color=INK, zorder=2)
        axes.scatter([left - 0.4, left + 0.4], [0] * 2, s=40, color=INK, zorder=2)
        words = "testing: all, times 1/2" if mask is None else "".join(map(str, mask))
        axes.text(left, 5.2, words, ha="center", va="center")
    axes.text(-1.6, 4.0, "x", ha="right", va="center")
    axes.text(-1.6, 2.0, "units", ha="right", va="center")
    axes.text(-1.6, 0, "logits", ha="right", va="center")
    axes.set_xlim(-3.3, 2.6 * 8 + 3.6)
    axes.set_ylim(5.7, -0.5)
    return figure


def dropout_gap():
    """Top-1 and loss on training and validation images while a network learns, with dropout and without."""
    result = json.loads((RESULTS / "dropout.json").read_text(encoding="utf-8"))
    figure, panels = canvas(9, 3.5, 1, 2)
    for axes, what in zip(panels, ("top1", "loss"), strict=True):
        for dropped, color, words in ((False, BLUE, "without"), (True, ORANGE, "with dropout")):
            runs = [run for run in result["runs"] if run["dropout"] == dropped]
            for split, style, name in (("train", "--", "training"), ("val", "-", "validation")):
                curves = np.array([run[f"{split}_{what}"] for run in runs])
                axes.plot(result["epochs"], curves.mean(axis=0), style, color=color, label=f"{words}: {name}")
                axes.fill_between(result["epochs"], curves.min(axis=0), curves.max(axis=0), color=color, alpha=0.15)
        axes.set_xlabel("epoch")
    panels[0].set_title("top-1")
    panels[0].set_ylim(0, 1.03)
    panels[1].set_title("loss")
    panels[1].set_ylim(0, 3.4)
    panels[0].legend(loc="lower right", bbox_to_anchor=(1.0, 0.02), fontsize=9)
    return figure
