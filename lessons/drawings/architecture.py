"""Pictures of lesson 07: the whole network, im2col on a small image, and what one unit sees of a photo."""

import numpy as np
from matplotlib.patches import Polygon, Rectangle

from drawings.style import BLUE, COLORS, GREEN, INK, ORANGE, PALE, PURPLE, RED, blank, canvas
from minialex import alexnet
from minialex.data import toy
from minialex.layers import Conv, MaxPool
from minialex.ops.windows import im2col, output_size, pad_pairs

TOWERS = ((-1.05, BLUE), (1.05, ORANGE))  # the height at which each GPU's half is drawn, and its colour
FIELD_COLORS = (BLUE, GREEN, "#f2cc60", ORANGE, RED)
WIDTHS = {48: 0.3, 128: 0.62, 192: 0.85}  # of a box with so many maps


def architecture_network():
    """The network as two towers of boxes, in the spirit of the paper's Figure 2."""
    figure, axes = canvas(9, 4.3)
    blank(axes)
    axes.set_xlim(-0.75, 11.15)
    axes.set_ylim(3.0, -2.95)
    box(axes, 0.0, 0.0, 0.14, side(224), PALE)
    label(axes, 0.0, 1.3, "input\n224×224×3")
    columns = [("conv1", 1.2, 55, 48), ("conv2", 2.55, 27, 128), ("conv3", 4.2, 13, 192)]
    columns += [("conv4", 6.0, 13, 192), ("conv5", 7.75, 13, 128)]
    wires(axes, columns)
    for name, x, size, maps in columns:
        for y, colour in TOWERS:
            box(axes, x, y, WIDTHS[maps], side(size), colour)
        label(axes, x, 2.5, f"{name}\n{size}×{size}\n×{maps}", bold=name)
    for name, x, units in (("fc6", 9.0, 2048), ("fc7", 9.75, 2048)):
        for y, colour in TOWERS:
            bar(axes, x, y, 1.5, colour)
        label(axes, x, 2.5, f"{name}\n{units}", bold=name)
    bar(axes, 10.55, 0, 1.2, INK)
    label(axes, 10.55, 1.3, "fc8\n1000", bold="fc8")
    for x, words in ((0.55, "11×11\nstride 4"), (1.85, "pool\n5×5"), (3.35, "pool\n3×3"), (5.1, "3×3"), (6.95, "3×3")):
        axes.text(x, -2.35, words, ha="center", va="center", fontsize=9)
    axes.text(8.45, -2.35, "pool", ha="center", va="center", fontsize=9)
    for (y, colour), gpu in zip(TOWERS, ("GPU 0", "GPU 1"), strict=True):
        axes.text(0.45, -1.65 if y < 0 else 2.2, gpu, color=colour, ha="center", va="center", weight="bold")
    axes.text(6.05, 0, "red: what one GPU\nreads from the other", color=RED, ha="center", va="center", fontsize=9)
    return figure


def side(pixels: int) -> float:
    """How tall a box is drawn for maps with such a side: its root, or the last ones could not be seen."""
    return 0.11 * pixels**0.5


def box(axes, x: float, y: float, width: float, height: float, colour):
    """A box seen from the front and a little from above and the right, its front's middle at (x, y)."""
    left, top, slant = x - width / 2, y - height / 2, 0.28 * height
    front = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
    lid = [(left, top), (left + slant, top - slant), (left + width + slant, top - slant), (left + width, top)]
    end = [(left + width, top), (left + width + slant, top - slant)]
    end += [(left + width + slant, top + height - slant), (left + width, top + height)]
    for corners, alpha in ((front, 0.35), (lid, 0.18), (end, 0.55)):
        axes.add_patch(Polygon(corners, facecolor="white", edgecolor="none", zorder=2))
        axes.add_patch(Polygon(corners, facecolor=colour, alpha=alpha, edgecolor=INK, linewidth=0.8, zorder=3))


def bar(axes, x: float, y: float, height: float, colour):
    """The units of a fully connected layer."""
    for face, alpha, order in (("white", 1, 2), (colour, 0.35, 3)):
        patch = Rectangle((x - 0.1, y - height / 2), 0.2, height, facecolor=face, alpha=alpha, zorder=order)
        patch.set_edgecolor(INK)
        axes.add_patch(patch)


def label(axes, x: float, y: float, words: str, bold: str = ""):
    weight = "bold" if bold else "normal"
    head, _, rest = words.partition("\n")
    axes.text(x, y, head, ha="center", va="bottom", fontsize=9, weight=weight)
    axes.text(x, y + 0.04, rest, ha="center", va="top", fontsize=9, linespacing=1.1)


def wires(axes, columns):
    """Who reads whom: inside a tower in its colour, across the towers in red."""
    places = [x for _, x, _, _ in columns] + [9.0, 9.75, 10.5]
    crossing = {2, 5, 6}  # into conv3, fc6 and fc7; fc8 is one layer that reads both
    for y, colour in TOWERS:
        axes.plot([0.0, places[0]], [0, y], color=colour, linewidth=1.5, zorder=1)
        axes.plot(places[6:8], [y, 0], color=colour, linewidth=1.5, zorder=1)
        for k, (start, end) in enumerate(zip(places[:6], places[1:7], strict=True), start=1):
            axes.plot([start, end], [y, y], color=colour, linewidth=1.5, zorder=1)
            if k in crossing:
                axes.plot([start, end], [y, -y], color=RED, linewidth=1.5, zorder=1)


def architecture_im2col():
    """A 4x4 image, its four windows of 3x3 as the rows of a matrix, and how often each pixel was copied."""
    figure, (image, rows, counts) = canvas(9, 2.5, 1, 3, gridspec_kw={"width_ratios": [4.4, 11, 4.4]})
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    cols = im2col(x, (3, 3), 1, 0)
    cells(image, x[0, :, :, 0], "x, 4 × 4", lambda i, j: "white")
    for row, ((i, j), colour) in enumerate(zip(np.ndindex(2, 2), COLORS, strict=False)):
        corner = j - 0.59 + 0.06 * row, i - 0.59 + 0.06 * row  # apart, or one outline would hide the other
        image.add_patch(Rectangle(corner, 3, 3, fill=False, edgecolor=colour, linewidth=2.2))
    cells(rows, cols, "im2col(x): a window a row, 4 × 9", lambda i, j: COLORS[i])
    for i in range(4):
        rows.text(-0.75, i, f"y[{i // 2},{i % 2}]", ha="right", va="center", fontsize=9, color=COLORS[i])
    rows.set_xlim(-2.3, 8.7)
    copies = np.bincount(cols.astype(int).ravel()).reshape(4, 4)
    cells(counts, copies, "copies of each pixel", lambda i, j: PURPLE, alpha=lambda value: 0.12 * value)
    return figure


def cells(axes, numbers, title: str, colour, alpha=lambda value: 0.2):
    """A matrix as squares with numbers in them."""
    blank(axes, title=title)
    for (i, j), value in np.ndenumerate(numbers):
        square = Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=colour(i, j), alpha=alpha(value), edgecolor="none")
        axes.add_patch(square)
        axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=PALE, linewidth=1))
        axes.text(j, i, f"{value:.0f}", ha="center", va="center")
    axes.set_xlim(-0.7, numbers.shape[1] - 0.3)
    axes.set_ylim(numbers.shape[0] - 0.3, -0.7)


def architecture_fields():
    """What one unit of each convolution sees: the one in the middle of its map, and the one in the corner."""
    figure, panels = canvas(9, 4.7, 1, 2)
    photo = toy.draw(toy.CLASSES.index("gear"), 3, "val")[16:240, 16:240]
    for axes, where, place in zip(panels, ("middle", "upper left corner"), (0.5, 0), strict=True):
        axes.imshow(photo)
        for (name, units, first, step, width), colour in zip(fields(), FIELD_COLORS, strict=True):
            start = first + step * int(place * (units - 1)) - 0.5
            square = Rectangle((start, start), width, width, fill=False, edgecolor=colour, linewidth=2.4)
            axes.add_patch(square)
            square.set_label(f"{name}: {width} × {width}")
        axes.set_title(f"the unit in the {where} of its map")
        axes.set(xlim=(-70, 226), ylim=(226, -70), xticks=[0, 112, 223], yticks=[0, 112, 223])
    panels[1].legend(loc="lower right", fontsize=9, frameon=True, framealpha=0.92)
    return figure


def fields():
    """Of each convolution: name, units a side, where unit 0 begins to see, pixels from unit to unit, pixels it sees."""
    net = alexnet.build("paper")
    units, first, step, width = net.input_shape[0], 0, 1, 1
    for layer in net.layers:
        if isinstance(layer, Conv | MaxPool):
            before, after = pad_pairs(getattr(layer, "pad", 0))[0]
            units = output_size(units, layer.kernel, layer.stride, before, after)
            first, width = first - before * step, width + (layer.kernel - 1) * step
            step *= layer.stride
            if isinstance(layer, Conv):
                yield layer.name, units, first, step, width
