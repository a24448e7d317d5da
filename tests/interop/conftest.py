"""A narrow network of each variant, with weights whose every part shows in the logits."""

from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
import pytest

from minialex import alexnet, network
from minialex.data.preprocess import Preprocessing
from minialex.interop.layout import input_shapes, their_shapes, to_theirs

CLASSES, WIDTH = 5, 1 / 16


@dataclass(frozen=True)
class Made:
    net: alexnet.Network
    params: dict
    state: dict
    images: np.ndarray  # (3,H,W,3), prepared
    logits: np.ndarray
    preprocessing: Preprocessing

    @property
    def tensors(self):
        """What another program would have of it."""
        values = self.params | self.state
        shapes = [
            (name, layer, shape) for layer, shape in input_shapes(self.net) for name in their_shapes(layer, shape)
        ]
        return {name: to_theirs(layer, values[name], shape) for name, layer, shape in shapes}

    @property
    def names(self):
        return tuple(f"Klasse {label}" for label in range(len(self.logits[0])))


def make(variant, width=WIDTH):
    net, rng = alexnet.build(variant, classes=CLASSES, width=width), np.random.default_rng(3)
    drawn = network.init(net.layers, net.input_shape, rng, xp=np)
    params, state = ({name: some(name, value.shape, rng) for name, value in group.items()} for group in drawn)
    images = rng.uniform(-120, 130, (3, *net.input_shape)).astype("float32")
    logits, _ = network.forward(net.layers, params, images, state=state, train=False)
    mean = rng.uniform(90, 130, (256, 256, 3)).astype("float32")
    return Made(net, params, state, images, logits, Preprocessing(mean, central=True, scale=(1, 0.5, 2), order="BGR"))


def some(name, shape, rng):
    """Activations as large in each layer as in the one before, all parameters but the weights away from 0 and 1."""
    value = {
        "W": lambda: rng.standard_normal(shape) * sqrt(2 / prod(shape[:-1])),
        "b": lambda: 0.3 * rng.standard_normal(shape),
        "gamma": lambda: rng.uniform(20, 60, shape),
        "beta": lambda: 10 * rng.standard_normal(shape),
        "mean": lambda: 20 * rng.standard_normal(shape),
        "var": lambda: rng.uniform(1000, 5000, shape),
    }[name.rpartition(".")[2]]()
    return value.astype("float32")


@pytest.fixture(scope="session")
def made():
    """made(variant): a network of it, the same for all tests."""
    cache = {}

    def get(variant):
        if variant not in cache:
            cache[variant] = make(variant)
        return cache[variant]

    return get
