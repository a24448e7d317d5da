"""Where the parts of the paper are in the code, one image on its way through a network, and steps of a difference."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from drawings.style import BLUE, GREEN, INK, ORANGE, PALE, PURPLE, blank, canvas
from minialex import alexnet, network
from minialex.data import toy
from minialex.ops import reference, softmax

# (what, file, section and lesson, colour) of each box.
FLOW = (
    ("decode, resize", "data/prepare.py", "2 · lesson 02", BLUE),
    ("crop and mirror", "data/augment.py", "4.1 · lesson 08", BLUE),
    ("forward", "network.py", "3.5 · lesson 07", ORANGE),
    ("loss", "ops/softmax.py", "3.5 · lesson 02", ORANGE),
    ("backward", "network.py", "lessons 02 to 09", ORANGE),
    ("update", "optim.py", "5 · lesson 10", GREEN),
    ("errors, figures", "evaluate.py", "6 · lesson 11", PURPLE),
)
LAYERS = (
    ("convolution", "ops/conv.py", "3.5 · lesson 07", ORANGE),
    ("groups", "ops/conv.py", "3.2 · lesson 04", ORANGE),
    ("ReLU", "ops/activations.py", "3.1 · lesson 03", ORANGE),
    ("normalisation", "ops/lrn.py", "3.3 · lesson 05", ORANGE),
    ("max pooling", "ops/pool.py", "3.4 · lesson 06", ORANGE),
    ("fully connected", "ops/linear.py", "3.5 · lesson 07", ORANGE),
    ("dropout", "ops/dropout.py", "4.2 · lesson 09", ORANGE),
)
WIDE, HIGH, STEP = 1.2, 0.62, 1.28  # of a box, inches


def code_map():
    """The flow of a training step with the file of each stage, and the layers that forward and backward run."""
    figure, axes = canvas(9, 3.5)
    blank(axes)
    for row, boxes in ((0.0, FLOW), (2.0, LAYERS)):
        for place, box in enumerate(boxes):
            _box(axes, place * STEP, row, *box)
    for place in range(len(FLOW) - 1):
        _arrow(axes, (place * STEP + WIDE, HIGH / 2), ((place + 1) * STEP, HIGH / 2))
    back = [(5.5 * STEP, HIGH), (5.5 * STEP, 1.13), (1.5 * STEP, 1.13)]
    axes.plot(*zip(*back, strict=True), color=INK, linewidth=1)
    _arrow(axes, (1.5 * STEP, 1.13), (1.5 * STEP, HIGH))
    axes.text(3.5 * STEP, 1.08, "the next batch", ha="center", va="bottom", fontsize=9)
    axes.text(0, 1.62, "what forward and backward run, layer by layer:", va="bottom", fontsize=9.5)
    axes.set_xlim(-0.05, 6 * STEP + WIDE + 0.05)
    axes.set_ylim(2.0 + HIGH + 0.05, -0.32)
    return figure


def _box(axes, left, top, what, file, section, color):
    axes.add_patch(Rectangle((left, top), WIDE, HIGH, facecolor="none", edgecolor=color, linewidth=1.5))
    middle = left + WIDE / 2
    axes.text(middle, top - 0.05, section, ha="center", va="bottom", fontsize=9, color=color)
    axes.text(middle, top + 0.2, what, ha="center", va="center", fontsize=8.5, weight="bold")
    axes.text(middle, top + 0.45, file, ha="center", va="center", fontsize=8.5, color=INK)


def _arrow(axes, start, end):
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": INK, "shrinkA": 0, "shrinkB": 0})


def one_image():
    """A picture, four maps of four layers of an untrained network that sees it, and the ten probabilities."""
    net = alexnet.build("paper", classes=10, width=1 / 8)
    params, state = network.init(net.layers, net.input_shape, np.random.default_rng(0), xp=np)
    picture = toy.draw(toy.CLASSES.index("wheel"), 0, "val")[16:240, 16:240]  # (224,224,3)
    y, maps = picture[None].astype("float32") - 128, {}
    for place, layer in enumerate(net.layers):
        y, _ = layer.forward(params, y, state=state, train=False, rng=None, ops=reference)
        maps[place] = y
    figure = Figure(figsize=(9, 2.2), layout="constrained")
    grid = figure.add_gridspec(2, 11, width_ratios=[2.1, 0.12, 1, 1, 0.12, 1, 1, 0.12, 1, 1, 1.6])
    big = figure.add_subplot(grid[:, 0])
    big.imshow(picture)
    big.set_title("224x224x3", fontsize=9)
    shown = {2: (1, "conv1, ReLU: 55x55"), 5: (7, "pool 2: 13x13"), 8: (13, "conv5, ReLU: 13x13")}
    panels = [big]
    for column, (place, title) in shown.items():
        busiest = np.argsort(-maps[place][0].std(axis=(0, 1)), kind="stable")[:4]
        for k, chosen in enumerate(busiest):
            axes = figure.add_subplot(grid[k // 2, column + k % 2])
            axes.imshow(maps[place][0, :, :, chosen], cmap="gray")
            panels.append(axes)
            if k == 0:
                axes.set_title(title, fontsize=9)
    for axes in panels:
        axes.set_xticks([])
        axes.set_yticks([])
    bars = figure.add_subplot(grid[:, 10])
    bars.barh(range(10), softmax(y)[0], color=ORANGE)
    bars.set_yticks(range(10), toy.CLASSES, fontsize=9)
    bars.invert_yaxis()
    bars.set_xlim(0, 0.2)
    bars.set_xticks([0, 0.1, 0.2], ["0", "0.1", "0.2"], fontsize=9)
    bars.set_title("probability", fontsize=9)
    return figure


def difference_steps():
    """The relative error of a numerical slope against its step: two points and five, float64 and float32."""
    figure, axes = canvas(9, 3.4)
    steps = np.array([2.0**-k for k in range(1, 40)])
    for dtype, color in (("float64", BLUE), ("float32", ORANGE)):
        for points, line in ((2, "-"), (5, "--")):
            kept = steps if dtype == "float64" else steps[:20]
            errors = [max(_error(np.dtype(dtype).type, h, points), 1e-17) for h in kept]
            axes.loglog(kept, errors, line, color=color, label=f"{dtype}, {points} points", linewidth=1.6)
    axes.axvline(1e-5, color=PALE, linewidth=1, zorder=0)
    axes.text(0.8e-5, 3e-15, "gradcheck's step", fontsize=9)
    axes.invert_xaxis()
    axes.set_xlabel("step h, smaller to the right")
    axes.set_ylabel("relative error of the slope")
    axes.legend(fontsize=9, ncols=2, loc="upper left")
    axes.set_ylim(1e-15, 1e4)
    return figure


def _error(number, h, points):
    """Of the numerical slope of f(x) = 1/(1 + x x) at 0.7: of arithmetic that is the same bits on every machine."""
    x, h = number(0.7), number(h)

    def f(x):
        return number(1) / (number(1) + x * x)

    two = f(x + h) - f(x - h)
    if points == 2:
        slope = two / (h + h)
    else:
        slope = (number(8) * two - (f(x + h + h) - f(x - h - h))) / (number(12) * h)
    right = -2 * float(x) / (1 + float(x) ** 2) ** 2
    return abs(float(slope) - right) / abs(right)
