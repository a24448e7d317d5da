"""Overlapping against non-overlapping pooling on the toy set: `python lessons/experiments/pooling.py` (section 3.4).

A small network of three convolutions, each with ReLU and pooling, whose maps have 31, 15 and 7 pixels a side: both
kinds of pooling give the same sizes. Both start from the same weights and see the same batches.
"""

from itertools import product

import numpy as np
from small import keep, toy

from minialex import network, optim, train
from minialex.data.batches import epoch_order
from minialex.evaluate import evaluate
from minialex.layers import Conv, Flatten, Linear, MaxPool, ReLU
from minialex.ops import fast
from minialex.rng import INIT, generator
from minialex.threads import compute_threads

SIDE, PER_CLASS, BATCH, EPOCHS, SEEDS, KERNELS = 64, 50, 25, 20, (0, 1, 2, 3), (3, 2)
RATES = optim.Rates(weights=0.001, biases=0.001)


def layers(kernel: int) -> tuple:
    """The network with windows of `kernel` pixels, 2 pixels apart."""
    return (
        Conv("conv1", 16, 5, stride=2, pad=1),
        ReLU(),
        MaxPool(kernel),
        Conv("conv2", 32, 3, pad=1, sigma=0.05),
        ReLU(),
        MaxPool(kernel),
        Conv("conv3", 32, 3, pad=1, sigma=0.05),
        ReLU(),
        MaxPool(kernel),
        Flatten(),
        Linear("fc4", 10, sigma=0.03),
    )


def run(kernel: int, seed: int, images: dict) -> dict:
    """Train one network; the share of right answers on the training and on the validation images."""
    net, (x, t) = layers(kernel), images["train"]
    params, state = network.init(net, x.shape[1:], generator(seed, INIT), xp=np)
    velocity = optim.init_velocity(params)
    for epoch in range(EPOCHS):
        order = epoch_order(len(t), seed, epoch)
        for step in range(len(t) // BATCH):
            rows = order[step * BATCH : (step + 1) * BATCH]
            train.step(net, params, velocity, state, x[rows], t[rows], rates=RATES, rng=None, ops=fast)
    return {split: round(evaluate(net, params, state, [batch], ops=fast).top1, 4) for split, batch in images.items()}


def main():
    images = {"train": toy("train", PER_CLASS, SIDE), "val": toy("val", 50, SIDE)}
    runs = []
    with compute_threads(1):  # of arrays this small, a second thread makes nothing faster
        for kernel, seed in product(KERNELS, SEEDS):
            runs.append({"kernel": kernel, "seed": seed} | run(kernel, seed, images))
            print(*(f"{key} {value}" for key, value in runs[-1].items()), flush=True)
    keep(
        "pooling",
        command="python lessons/experiments/pooling.py",
        data=f"toy set at {SIDE}x{SIDE} pixels: {10 * PER_CLASS} training and 500 validation images",
        epochs=EPOCHS,
        runs=runs,
    )


if __name__ == "__main__":
    main()
