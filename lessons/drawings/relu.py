"""Pictures of lesson 03: two functions and their slopes, what a gradient keeps through layers, and our Figure 1."""

import json
from pathlib import Path

import numpy as np

from drawings.style import BLUE, INK, ORANGE, PALE, canvas

RESULTS = Path(__file__).parent.parent / "results"
FUNCTIONS = {
    "tanh": (ORANGE, np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "ReLU": (BLUE, lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(float)),
}


def relu_slopes():
    """ReLU and tanh, and beside them the slope of each."""
    figure, panels = canvas(9, 2.9, 1, 2)
    x = np.linspace(-4, 4, 401)
    for axes, part, title in zip(panels, (1, 2), ("f(x)", "the slope f'(x)"), strict=True):
        for name, functions in FUNCTIONS.items():
            axes.plot(x, functions[part](x), color=functions[0], label=name)
        axes.set_title(title)
        axes.set_xlabel("x")
        axes.grid(color=PALE, linewidth=0.6)
    panels[0].set_ylim(-1.3, 3)
    panels[0].legend(loc="upper left")
    return figure


def relu_depth():
    """The mean square of the slope against the spread of the inputs, alone and to the power of eight layers."""
    figure, panels = canvas(9, 2.9, 1, 2)
    draws = np.random.default_rng(0).normal(size=20_000)
    spreads = np.geomspace(0.1, 100, 40)
    for axes, layers in zip(panels, (1, 8), strict=True):
        for name, (color, _, slope) in FUNCTIONS.items():
            kept = [np.mean(slope(spread * draws) ** 2) ** layers for spread in spreads]
            axes.plot(spreads, kept, color=color, label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("standard deviation of x")
        axes.set_title("mean of f'(x)² in one layer" if layers == 1 else f"through {layers} layers")
        axes.grid(color=PALE, linewidth=0.6)
    panels[0].legend(loc="lower left")
    return figure


def relu_figure1():
    """Training error against the pass through the data: a grid of rates, the best bold; longer, with other seeds."""
    figure, axes = canvas(9, 3.2)
    for kind, color in (("relu", BLUE), ("tanh", ORANGE)):
        files = (RESULTS / f"figure1-{kind}" / f"{seed}.json" for seed in (0, 1, 2))
        result, *others = (json.loads(file.read_text(encoding="utf-8")) for file in files)
        name = {"relu": "ReLU", "tanh": "tanh"}[kind]
        for rate, errors in result["errors"].items():
            best = rate == str(result["best_rate"])
            label = f"{name}, rate {rate}" if best else None
            axes.plot(range(1, len(errors) + 1), errors, color=color, alpha=1 if best else 0.3, label=label)
        for other, label in zip(others, (f"{name}, other seeds", None), strict=True):
            (errors,) = other["errors"].values()
            axes.plot(range(1, len(errors) + 1), errors, color=color, linestyle=":", label=label)
    axes.axhline(result["goal"], color=INK, linewidth=1, linestyle=":")
    axes.text(axes.get_xlim()[1], result["goal"] - 0.02, f"{result['goal']:.0%} error", va="top", ha="right")
    axes.set_ylim(0, 0.95)
    axes.set_xlabel("passes through the training images")
    axes.set_title("training error")
    axes.legend(loc="upper right")
    return figure
