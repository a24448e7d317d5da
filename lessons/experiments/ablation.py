"""A small network without one of its middle layers (section 7): `python lessons/experiments/ablation.py`.

It trains the whole network, the network without conv3, conv4 or conv5, and the network without conv4 but with wider
neighbours, so that it has as many parameters as the whole. The seeds are the same for all.
"""

from math import sqrt

import numpy as np
from small import keep, toy

from minialex import network, optim, train
from minialex.data.batches import epoch_order
from minialex.evaluate import evaluate
from minialex.layers import Conv, Flatten, Linear, MaxPool, ReLU
from minialex.ops import fast
from minialex.rng import INIT, generator
from minialex.threads import compute_threads

SIDE, PER_CLASS, BATCH, EPOCHS, RATE, SEEDS = 32, {"train": 60, "val": 30}, 20, 14, 0.01, (0, 1, 2, 3)
MAPS = {"conv3": 40, "conv4": 32, "conv5": 24}  # unequal: of equal layers it would not matter which is taken out
NETS = {
    "whole": MAPS,
    "without conv3": {"conv4": 32, "conv5": 24},
    "without conv4": {"conv3": 40, "conv5": 24},
    "without conv5": {"conv3": 40, "conv4": 32},
    "without conv4, widened": {"conv3": 53, "conv5": 27},
}


def layers(middle: dict) -> tuple:
    """The network with these middle layers; weights as large as their fan-in asks for, so that it learns in seconds."""
    maps, table = 32, []
    for name, size in middle.items():
        table += [Conv(name, size, 3, pad=1, sigma=sqrt(2 / (9 * maps))), ReLU()]
        maps = size
    return (
        Conv("conv1", 16, 5, stride=2, pad=2, sigma=sqrt(2 / 75)),
        ReLU(),
        MaxPool(),
        Conv("conv2", 32, 5, pad=2, sigma=sqrt(2 / 400)),
        ReLU(),
        *table,
        MaxPool(),
        Flatten(),
        Linear("fc6", 64, sigma=sqrt(2 / (9 * maps))),
        ReLU(),
        Linear("fc8", 10, sigma=0.1),
    )


def run(net: tuple, seed: int, images: dict) -> tuple[int, float]:
    """Train a network; how many parameters it has, and its share of right answers on the validation images."""
    x, t = images["train"]
    params, state = network.init(net, x.shape[1:], generator(seed, INIT), xp=np)
    velocity = optim.init_velocity(params)
    for epoch in range(EPOCHS):
        rate = RATE / (10 if epoch >= EPOCHS - 2 else 1)
        for rows in epoch_order(len(t), seed, epoch).reshape(-1, BATCH):
            rates = optim.Rates(rate, rate)
            train.step(net, params, velocity, state, x[rows], t[rows], rates=rates, rng=None, ops=fast)
    top1 = evaluate(net, params, state, [images["val"]], ops=fast).top1
    return sum(value.size for value in params.values()), round(top1, 4)


def main():
    images = {split: toy(split, count, SIDE) for split, count in PER_CLASS.items()}
    images = {split: (x / np.float32(64), t) for split, (x, t) in images.items()}  # sizes of about 1, as sigma expects
    rows = []
    with compute_threads(1):  # of arrays this small, a second thread makes nothing faster
        for name, middle in NETS.items():
            parameters, top1 = zip(*(run(layers(middle), seed, images) for seed in SEEDS), strict=True)
            rows.append({"net": name, "parameters": parameters[0], "top1": top1})
            print(f"{name:23} {parameters[0]:,}", *top1, flush=True)
    keep(
        "ablation",
        command="python lessons/experiments/ablation.py",
        data=f"toy set at {SIDE}x{SIDE} pixels, images of a class: {PER_CLASS}",
        settings=f"batch {BATCH}, {EPOCHS} epochs, rate {RATE}, a tenth of it in the last two",
        seeds=SEEDS,
        rows=rows,
    )


if __name__ == "__main__":
    main()
