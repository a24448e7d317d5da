"""Pictures of lesson 06: how often windows cover a pixel, and where a gradient goes."""

import numpy as np
from matplotlib.patches import Rectangle

from drawings.style import BLUE, INK, ORANGE, PALE, blank, canvas
from minialex.ops import max_pool_backward, max_pool_forward

X = np.array([[1, 4, 2, 0, 3], [0, 2, 1, 6, 1], [5, 3, 2, 2, 7], [1, 0, 4, 7, 0], [8, 2, 3, 1, 6]], dtype="float64")
DY = np.array([[1.0, 10.0], [100.0, 1000.0]])


def pool_coverage():
    """Eleven pixels of a row under windows of 3 and of 2, 2 pixels apart; and a whole map under windows of 3."""
    figure, (left, right) = canvas(9, 3.3, 1, 2, width_ratios=[1.75, 1])
    blank(left, title="a row of 11 pixels, and how many windows see each")
    for kernel, top, color in ((3, 0.0, BLUE), (2, 4.1, ORANGE)):
        counts = covered(11, kernel)
        left.text(-0.4, top + 0.45, f"windows of {kernel}", ha="right", va="center")
        for pixel, count in enumerate(counts):
            left.add_patch(Rectangle((pixel, top), 0.9, 0.9, facecolor=color, alpha=0.35 * count, edgecolor=PALE))
            left.text(pixel + 0.45, top + 0.47, f"{count}", ha="center", va="center")
        for window in range(5):
            down = top + 1.25 + 0.5 * (window % 2)
            left.plot([2 * window + 0.05, 2 * window + kernel - 0.15], [down, down], color=color, linewidth=3)
    left.set_xlim(-3.2, 11.1)
    blank(right, title="a map of 11x11, windows of 3x3")
    both = np.outer(covered(11, 3), covered(11, 3))
    right.imshow(both, cmap="Blues", vmin=0, vmax=7)
    for (row, column), count in np.ndenumerate(both):
        right.text(column, row, f"{count}", ha="center", va="center", fontsize=9)
    return figure


def covered(size: int, kernel: int) -> np.ndarray:
    """How many windows, 2 pixels apart, each pixel of a row lies in."""
    counts = np.zeros(size, int)
    for start in range(0, size - kernel + 1, 2):
        counts[start : start + kernel] += 1
    return counts


def pool_by_hand():
    """A map of 5x5, what its four windows find, a gradient from above, and where all of it goes."""
    x = X.reshape(1, 5, 5, 1)
    y, cache = max_pool_forward(x)
    dx = max_pool_backward(DY.reshape(1, 2, 2, 1), cache)
    figure, panels = canvas(9, 2.75, 1, 4, width_ratios=[5, 2.6, 2.6, 5])
    parts = [("x", X), ("y", y.reshape(2, 2)), ("dy", DY), ("dx", dx.reshape(5, 5))]
    marked = dx.reshape(5, 5) != 0
    for axes, (title, numbers) in zip(panels, parts, strict=True):
        blank(axes, title=title)
        for (row, column), number in np.ndenumerate(numbers):
            mark = marked[row, column] if numbers.shape == marked.shape else True
            color = ORANGE if (numbers.shape == marked.shape and (row, column) == (2, 4)) else BLUE
            box = Rectangle((column, row), 0.94, 0.94, facecolor=color if mark else "white", alpha=0.3, edgecolor=INK)
            axes.add_patch(box)
            axes.text(column + 0.47, row + 0.49, f"{number:.0f}", ha="center", va="center", fontsize=10)
        axes.set_xlim(-0.1, 5.1 if numbers.shape == (5, 5) else 2.1)
        axes.set_ylim(5.1 if numbers.shape == (5, 5) else 3.6, -0.1 if numbers.shape == (5, 5) else -1.5)
    return figure
