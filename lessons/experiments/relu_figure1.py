"""A quick form of Figure 1, ReLU against tanh: `python lessons/experiments/relu_figure1.py CIFAR` (section 3.1).

CIFAR is anything that open_source takes for CIFAR-10. A four-layer network (three convolutions and a fully connected
layer) on 2,000 of its training images: raw pixels minus the mean image, weights from N(0, sigma^2), no regularisation.
Each function has several rates; its best one is the one that reaches the goal in the fewest passes, or comes closest.
"""

import sys

import numpy as np
from small import keep

from minialex import network, optim
from minialex.data.batches import epoch_order
from minialex.data.decode import decode
from minialex.data.sources import open_source
from minialex.layers import Conv, Flatten, Linear, MaxPool, ReLU, Tanh
from minialex.ops import fast
from minialex.rng import INIT, generator
from minialex.threads import compute_threads

PER_CLASS, BATCH, PASSES, GOAL, SEED = 200, 25, 32, 0.25, 0
RATES = {"relu": (0.0005, 0.001, 0.002, 0.004, 0.008), "tanh": (0.004, 0.008, 0.016)}
FUNCTIONS = {"relu": ReLU, "tanh": Tanh}


def images(place: str) -> tuple[np.ndarray, np.ndarray]:
    """The first training images of each class minus their mean image, (n,32,32,3) float32, and their labels."""
    items = open_source(place).splits["train"]
    chosen = [item for k in range(10) for item in [i for i in items if i.label == k][:PER_CLASS]]
    x = np.stack([decode(item.read())[0] for item in chosen]).astype("float32")
    return x - x.mean(axis=0), np.array([item.label for item in chosen])


def layers(function) -> tuple:
    """The network with ReLU or Tanh."""
    return (
        Conv("conv1", 16, 5, stride=2, pad=2, sigma=0.001),
        function(),
        MaxPool(),
        Conv("conv2", 32, 5, pad=2),
        function(),
        MaxPool(),
        Conv("conv3", 32, 3, pad=1),
        function(),
        Flatten(),
        Linear("fc4", 10),
    )


def run(kind: str, rate: float, x, t) -> list[float]:
    """The training error of each pass, counted while it trains, up to the goal."""
    net, rates = layers(FUNCTIONS[kind]), optim.Rates(rate, rate, decay=0, bias_decay=0)
    params, state = network.init(net, x.shape[1:], generator(SEED, INIT), xp=np)
    velocity, errors = optim.init_velocity(params), []
    while len(errors) < PASSES and (not errors or errors[-1] > GOAL):
        wrong, order = 0, epoch_order(len(t), SEED, len(errors))
        for start in range(0, len(t), BATCH):
            rows = order[start : start + BATCH]
            logits, caches = network.forward(net, params, x[rows], state=state, train=True, ops=fast)
            wrong += int((logits.argmax(axis=1) != t[rows]).sum())
            _, cache = fast.softmax_cross_entropy.forward(logits, t[rows])
            dlogits = fast.softmax_cross_entropy.backward(np.float32(1), cache)
            optim.update(params, velocity, network.backward(net, params, caches, dlogits, ops=fast), rates)
        errors.append(round(wrong / len(t), 4))
    return errors


def main():
    x, t = images(sys.argv[1])
    runs = []
    with compute_threads(1):  # of arrays this small, a second thread makes nothing faster
        for kind, rate in [(kind, rate) for kind, rates in RATES.items() for rate in rates]:
            runs.append({"kind": kind, "rate": rate, "errors": run(kind, rate, x, t)})
            print(kind, rate, len(runs[-1]["errors"]), runs[-1]["errors"][-1], flush=True)
    best = {
        kind: min((r for r in runs if r["kind"] == kind), key=lambda r: (len(r["errors"]), r["errors"][-1]))["rate"]
        for kind in RATES
    }
    keep(
        "relu_figure1",
        command="python lessons/experiments/relu_figure1.py CIFAR",
        data=f"CIFAR-10, JPEG re-encodings: {len(t):,} training images",
        seed=SEED,
        goal=GOAL,
        best=best,
        runs=runs,
    )


if __name__ == "__main__":
    main()
