"""What the network's numbers count: parameters against multiply-adds, and what sharing a kernel saves."""

from functools import cache
from math import prod

import numpy as np

from drawings.style import BLUE, GREEN, ORANGE, PALE, canvas
from minialex import alexnet, network


class NoDraws:
    """Stands in for a generator where only sizes count: 61 million draws take seconds."""

    def normal(self, mean, sigma, shape):
        return np.broadcast_to(np.float32(0), shape)


@cache
def counted() -> dict:
    """{name: (input shape, output shape, shape of W, parameters, multiply-adds)} of the paper's layers."""
    net, params, rows, before = alexnet.build("paper"), {}, {}, (224, 224, 3)
    for layer, shape in network.trace(net.layers, net.input_shape, params, {}, NoDraws(), xp=np):
        if hasattr(layer, "name"):
            W, b = params[f"{layer.name}.W"], params[f"{layer.name}.b"]
            rows[layer.name] = before, shape, W.shape, W.size + b.size, layer.macs(params, shape)
        before = shape
    return rows


def two_shares():
    """Each layer's share of the parameters, to the left, and of the multiply-adds, to the right."""
    figure, (left, right) = canvas(9, 3.4, 1, 2, sharey=True)
    names, rows = list(counted()), counted().values()
    colors = [BLUE if name.startswith("conv") else ORANGE for name in names]
    for axes, place, title in ((left, 3, "parameters"), (right, 4, "multiply-adds")):
        numbers = np.array([row[place] for row in rows])
        shares = 100 * numbers / numbers.sum()
        axes.barh(names, shares, color=colors)
        for k, (share, number) in enumerate(zip(shares, numbers, strict=True)):
            words = f"{number / 1e6:.3g} M, {share:.2g}%"
            axes.text(share, k, f" {words} ", va="center", ha="right" if axes is left else "left", fontsize=9)
        axes.set_title(f"{title}: {numbers.sum() / 1e6:.1f} million", loc="right" if axes is left else "left")
        axes.set_xlim(0, 85 if axes is left else 45)
        axes.set_xticks([])
        axes.spines[["bottom", "left"]].set_visible(False)
        axes.tick_params(left=False)
    left.invert_xaxis()
    left.invert_yaxis()
    left.tick_params(labelleft=False, labelright=True)
    right.tick_params(labelleft=False)
    return figure


def sharing():
    """How many weights each convolutional layer would have without its three savings, one after the other."""
    figure, axes = canvas(9, 3.4)
    convs = {name: row for name, row in counted().items() if name.startswith("conv")}
    kinds = {
        "every unit sees everything": (PALE, lambda before, after, W: prod(before) * prod(after)),
        "a window for each unit": (GREEN, lambda before, after, W: prod(after) * W[0] * W[1] * before[2]),
        "one kernel for all places": (ORANGE, lambda before, after, W: W[0] * W[1] * before[2] * W[3]),
        "in two groups, as in the paper": (BLUE, lambda before, after, W: prod(W)),
    }
    for k, (label, (color, weights)) in enumerate(kinds.items()):
        heights = [weights(*row[:3]) for row in convs.values()]
        axes.bar(np.arange(len(convs)) + 0.2 * (k - 1.5), heights, 0.18, color=color, label=label)
    axes.set_yscale("log")
    axes.set_ylim(1e4, 1e13)
    axes.set_yticks([1e4, 1e6, 1e8, 1e10], ["10 thousand", "1 million", "100 million", "10 billion"])
    axes.set_xticks(range(len(convs)), convs)
    axes.set_title("weights")
    axes.legend(ncols=2, fontsize=9, loc="upper right")
    return figure
