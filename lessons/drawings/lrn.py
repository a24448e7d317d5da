"""Pictures of lesson 05: who is in a window, and how much the normalisation takes away."""

import numpy as np
from matplotlib.patches import Rectangle

from drawings.style import BLUE, GREEN, INK, ORANGE, PALE, RED, blank, canvas
from minialex.ops import lrn_forward


def lrn_windows():
    """The windows of three of twelve maps: whole, cut at the first map, cut between the towers."""
    figure, axes = canvas(9, 2.5)
    blank(axes)
    maps, half = 12, 2
    rows = [(5, 1, BLUE, "one group, map 5"), (0, 1, GREEN, "one group, map 0"), (5, 2, ORANGE, "two groups, map 5")]
    for row, (i, groups, color, words) in enumerate(rows):
        size = maps // groups
        first = i // size * size
        for j in range(maps):
            inside = max(first, i - half) <= j <= min(first + size - 1, i + half)
            gap = 0.5 * (groups == 2 and j >= size)
            axes.add_patch(Rectangle((j + gap, 1.3 * row), 0.92, 0.92, facecolor=color if inside else PALE, alpha=0.85))
            mark = {"color": "white" if inside else INK, "fontweight": "bold" if j == i else "normal"}
            axes.text(j + gap + 0.46, 1.3 * row + 0.46, j, ha="center", va="center", **mark)
        axes.text(-0.4, 1.3 * row + 0.46, words, ha="right", va="center")
    axes.set_xlim(-4.2, maps + 0.7)
    axes.set_ylim(1.3 * len(rows), -0.3)
    return figure


def lrn_response():
    """What is left of an input after the normalisation, against the input's scale, for alpha on the sum and alpha/n."""
    figure, axes = canvas(9, 3.4)
    x = np.random.default_rng(0).normal(size=(1, 16, 16, 96))
    scales = np.geomspace(0.1, 1000, 41)
    for alpha, color, words in ((1e-4, BLUE, "alpha on the sum, as printed"), (1e-4 / 5, ORANGE, "alpha / n")):
        left = [np.mean(lrn_forward(scale * x, alpha=alpha)[0] / (scale * x)) for scale in scales]
        axes.plot(scales, left, color=color, label=words)
    axes.axhline(2**-0.75, color=RED, linewidth=1, linestyle=":")
    axes.text(0.1, 2**-0.75 + 0.015, "$2^{-0.75} = 0.595$: the constant k alone", color=RED)
    axes.set_xscale("log")
    axes.set_ylim(0, 0.68)
    axes.set_xlabel("standard deviation of x")
    axes.set_title("mean of y / x")
    axes.legend(loc="lower left")
    return figure
