"""Pictures of lesson 10: two momentum rules where the rate drops, and what the ones in the biases are for."""

import numpy as np

from drawings.style import BLUE, COLORS, INK, ORANGE, canvas
from minialex import alexnet, health, network, optim
from minialex.data import toy
from minialex.rng import INIT, generator

WIDTH, BIASES = 1 / 4, np.array([0.0, 0.05, 0.1, 0.2, 0.5, 1.0])


def learning_drop():
    """Down a constant slope of 1, the rate divided by 10 at step 60: where w is, and how large its steps are."""
    figure, panels = canvas(9, 3.3, 1, 2)
    rates, steps = np.where(np.arange(160) < 60, 0.01, 0.001), np.arange(161)
    w, v = {"w": np.zeros((1, 1))}, {"w": np.zeros((1, 1))}
    inside, outside, u = [0.0], [0.0], 0.0
    for rate in rates:
        optim.update(w, v, {"w": np.ones((1, 1))}, optim.Rates(rate, rate, decay=0.0))
        inside.append(w["w"].item())
        u = 0.9 * u + 1.0
        outside.append(outside[-1] - rate * u)
    for path, color, words in ((outside, ORANGE, "rate outside: PyTorch"), (inside, BLUE, "rate inside v: the paper")):
        panels[0].plot(steps, path, color=color, label=words)
        panels[1].plot(steps[1:], -np.diff(path), color=color, label=words)
    for axes in panels:
        axes.axvline(60, color=INK, linewidth=0.8, linestyle=":")
        axes.set_xlabel("step")
    panels[0].set_title("w")
    panels[1].set_title("size of a step of w")
    panels[1].set_yscale("log")
    panels[0].legend(loc="upper right")
    return figure


def learning_bias():
    """The share of positive activations, and the logits' spread over eight images, against the biases' first value."""
    figure, panels = canvas(9, 3.5, 1, 2)
    images = np.stack([toy.draw(label, 0, "train") for label in range(8)])[:, 16:240, 16:240]
    x = (images - images.mean()).astype("float32")
    for variant, style, sigma in (("paper", "-", "0.01"), ("code2012", "--", "0.03 in conv3-5")):
        net = alexnet.build(variant, classes=10, width=WIDTH)
        params, state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=np)
        ones = [name for name, value in params.items() if value.ndim == 1 and (value == 1).all()]
        live, spread = {}, []
        for bias in BIASES:
            moved = params | {name: np.full_like(params[name], bias) for name in ones}
            for name, _, y in health.activations(net.layers, moved, state, x):
                if name in ("conv4 ReLU", "fc7 ReLU"):
                    live.setdefault(name, []).append(round(float((y > 0).mean()), 4))
            spread.append(float(f"{y.std(axis=0).mean():.4g}"))  # the last digits of float32 are a machine's own
        for (name, shares), color in zip(live.items(), COLORS, strict=False):
            panels[0].plot(BIASES, shares, style, color=color, label=f"{name.split()[0]}, sigma {sigma}")
        panels[1].plot(BIASES, spread, style, color=INK, label=f"sigma {sigma}")
    for axes, title in zip(panels, ("share of live activations", "spread of the logits over images"), strict=True):
        axes.set_title(title)
        axes.set_xlabel("bias of conv2, conv4, conv5, fc6, fc7")
    panels[0].set_ylim(0, 1.03)
    panels[1].set_yscale("log")
    panels[0].legend(loc="lower right", fontsize=9)
    panels[1].legend(loc="lower right", fontsize=9)
    return figure
