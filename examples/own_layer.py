"""A layer of your own: its pair of functions, its record, its check, and a network that trains with it.

    python examples/own_layer.py

The layer is the parametric ReLU (He and others 2015): a ReLU whose slope for negative inputs is learned, one
slope for each map. Change it into yours.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minialex import gradcheck, network, optim
from minialex.backend import xp_of
from minialex.errors import UserError, main_status
from minialex.layers import Conv, Flatten, Linear, MaxPool
from minialex.ops import softmax_cross_entropy_backward, softmax_cross_entropy_forward
from minialex.rng import AUGMENT, INIT, generator


# 1. The pair: two pure functions, backward under forward.
def prelu_forward(x, slope):
    """Parametric ReLU: y = x where x > 0, else slope x. x (N,...,C), slope (C,) -> y as x, and the cache."""
    if slope.shape != x.shape[-1:]:
        raise ValueError(f"prelu: slope has shape {slope.shape}, it needs {x.shape[-1:]}, one value a map")
    return xp_of(x).where(x > 0, x, slope * x), (x, slope)


def prelu_backward(dy, cache):
    """Gradients: dx = dy where x > 0, else slope dy; dslope = sum of dy x over all x <= 0 of a map."""
    x, slope = cache
    xp = xp_of(x)
    dx = xp.where(x > 0, dy, slope * dy)
    dslope = xp.where(x > 0, 0, dy * x).sum(axis=tuple(range(x.ndim - 1)))
    return dx, dslope


# 2. The record: what a network holds. Its parameters carry its name.
@dataclass(frozen=True)
class PReLU:
    name: str
    slope: float = 0.25  # the initial one
    per_image: ClassVar[bool] = True  # image n of y depends on image n of x alone: threads may share a batch

    def init(self, input_shape, rng):
        return {f"{self.name}.slope": np.full(input_shape[-1], self.slope)}

    def forward(self, params, x, *, state, train, rng, ops):
        return prelu_forward(x, params[f"{self.name}.slope"])

    def backward(self, dy, cache, *, ops, need_dx=True):
        dx, dslope = prelu_backward(dy, cache)
        return dx, {f"{self.name}.slope": dslope}


# 3. A network that uses it, and a toy problem: which way do the stripes run?

INPUT_SHAPE = (16, 16, 1)
LAYERS = (
    Conv("conv1", 8, kernel=5, pad=2, sigma=0.2),
    PReLU("prelu1"),
    MaxPool(),
    Conv("conv2", 8, kernel=3, pad=1, sigma=0.1),
    PReLU("prelu2"),
    Flatten(),
    Linear("fc", 4),
)


def stripes(count: int, rng) -> tuple:
    """Stripes at 0, 45, 90 or 135 degrees in noise: images x (count,16,16,1) and their labels t (count,)."""
    t = rng.integers(4, size=count)
    angle = t * np.pi / 4
    row, column = np.mgrid[:16, :16]
    along = np.cos(angle)[:, None, None] * column + np.sin(angle)[:, None, None] * row  # (count,16,16)
    phase, frequency = rng.uniform(0, 2 * np.pi, (count, 1, 1)), rng.uniform(0.8, 1.6, (count, 1, 1))
    x = np.sin(frequency * along + phase) + 1.5 * rng.standard_normal(along.shape)
    return x[..., None].astype("float32"), t


def train(steps: int, seed: int) -> tuple[dict, list[float]]:
    """Train LAYERS for so many steps of 32 new images; return the parameters and the loss of each step."""
    params, state = network.init(LAYERS, INPUT_SHAPE, generator(seed, INIT), xp=np)
    velocity, losses = optim.init_velocity(params), []
    rates = optim.Rates(weights=0.005, biases=0.005, bias_decay=0.0)
    for step in range(steps):
        x, t = stripes(32, generator(seed, AUGMENT, 0, step))
        logits, caches = network.forward(LAYERS, params, x, state=state, train=True)
        loss, cache = softmax_cross_entropy_forward(logits, t)
        grads = network.backward(LAYERS, params, caches, softmax_cross_entropy_backward(1.0, cache))
        optim.update(params, velocity, grads, rates)
        losses.append(float(loss))
    return params, losses


def accuracy(params, x, t) -> float:
    logits, _ = network.forward(LAYERS, params, x, state={}, train=False)
    return float((logits.argmax(axis=1) == t).mean())


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Check a layer of your own and train a network with it.")
    parser.add_argument("--steps", type=int, default=200, help="training steps (default: 200)")
    steps = parser.parse_args(argv).steps
    if steps < 1:
        raise UserError(f"--steps is {steps}: it needs to be at least 1")

    rng = np.random.default_rng(0)
    arrays = rng.standard_normal((2, 5, 4, 3)), rng.standard_normal(3)
    print("The pair against finite differences, relative errors:")
    for name, error in gradcheck.check_pair(prelu_forward, prelu_backward, arrays, rng=rng).items():
        print(f"  {name:12} {error:.1e}")
    print("The record:")
    for name, error in gradcheck.check_layer(PReLU("prelu1"), (5, 4, 3), rng=rng).items():
        print(f"  {name:12} {error:.1e}")

    print(f"\n{network.summary(LAYERS, INPUT_SHAPE)}\n")
    params, losses = train(steps, seed=0)
    for step in range(0, steps, max(1, steps // 5)):
        print(f"step {step:4}  loss {losses[step]:.3f}")
    right = accuracy(params, *stripes(1000, generator(1, AUGMENT)))
    print(f"after {steps} steps: {right:.1%} of 1000 new images right (by chance 25%)")
    print("slopes of prelu1, 0.25 before:", " ".join(f"{slope:.2f}" for slope in params["prelu1.slope"]))


if __name__ == "__main__":
    sys.exit(main_status(main))
