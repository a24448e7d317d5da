"""Pictures of lesson 04: who is wired to whom, and the matrix that groups make."""

from matplotlib.patches import FancyArrowPatch, Rectangle

from drawings.style import BLUE, INK, ORANGE, PALE, RED, blank, canvas

# Layer, maps or units of each tower, whether it reads both towers.
LAYERS = [
    ("conv1", "48", True),
    ("conv2", "128", False),
    ("conv3", "192", True),
    ("conv4", "192", False),
    ("conv5", "128", False),
    ("fc6", "2048", True),
    ("fc7", "2048", True),
    ("fc8", "1000", True),
]
WIDE, HIGH, STEP, GAP = 0.95, 0.8, 1.65, 1.9


def towers_wiring():
    """The eight layers in two rows; arrows from each half to the halves that read it, the crossing ones in red."""
    figure, axes = canvas(9, 2.9)
    blank(axes)
    _box(axes, -STEP, GAP / 2, PALE, "image\n3")
    for place, (name, size, both) in enumerate(LAYERS):
        x = STEP * place
        axes.text(x + WIDE / 2, -0.35, name, ha="center")
        halves = (GAP / 2,) if name == "fc8" else (0, GAP)
        before = (GAP / 2,) if place == 0 else (0, GAP)
        for y in halves:
            color = PALE if name == "fc8" else BLUE if y == 0 else ORANGE
            _box(axes, x, y, color, size)
            for start in before:
                if both or start == y:
                    crossing = start != y and 0 < place < len(LAYERS) - 1
                    _arrow(axes, (x - STEP + WIDE, start + HIGH / 2), (x, y + HIGH / 2), RED if crossing else INK)
    axes.text(-STEP, 0.2, "GPU 0", color=BLUE, va="center", fontweight="bold")
    axes.text(-STEP, GAP + 0.6, "GPU 1", color=ORANGE, va="center", fontweight="bold")
    axes.set_xlim(-STEP - 0.1, STEP * len(LAYERS) - 0.6)
    axes.set_ylim(GAP + HIGH + 0.15, -0.9)
    return figure


def _box(axes, x, y, color, words):
    axes.add_patch(Rectangle((x, y), WIDE, HIGH, facecolor=color, alpha=0.35, edgecolor=INK))
    axes.text(x + WIDE / 2, y + HIGH / 2, words, ha="center", va="center")


def _arrow(axes, start, end, color):
    width = 1.6 if color == RED else 1.0
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=9, color=color, lw=width, shrinkA=1))


def towers_blocks():
    """The weights of a layer with 6 inputs and 4 outputs as a matrix: one group, and two, whose corners are empty."""
    figure, panels = canvas(9, 2.9, 1, 2)
    for axes, groups in zip(panels, (1, 2), strict=True):
        blank(axes, title=f"groups={groups}: {24 // groups} weights a pixel of the kernel")
        for row in range(6):
            for column in range(4):
                same = groups == 1 or (row < 3) == (column < 2)
                color = ("white", PALE)[groups == 1] if groups == 1 or not same else (BLUE, ORANGE)[row >= 3]
                box = Rectangle((column, row), 0.94, 0.94, facecolor=color, alpha=0.55, edgecolor=INK)
                axes.add_patch(box)
                axes.text(column + 0.47, row + 0.5, "w" if same else "0", ha="center", va="center")
        axes.text(-0.3, 3, "6 channels in", ha="right", va="center")
        axes.text(2, 6.6, "4 maps out", ha="center", va="center")
        axes.set_xlim(-3.5, 6)
        axes.set_ylim(7, -0.2)
    return figure
