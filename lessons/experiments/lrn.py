"""With local response normalisation and without, on small photographs: `python lessons/experiments/lrn.py CIFAR`.

CIFAR is anything that open_source takes for CIFAR-10 (section 3.3). The four-layer network of relu_figure1.py and its
images; after its first two ReLUs nothing, LRN with the paper's constants, or LRN with k = 1. All start from the same
weights, see the same batches and have the rate that was best without LRN. The errors of the other images count.
"""

import sys
from itertools import product

import numpy as np
from relu_figure1 import images, layers
from small import keep

from minialex import network, optim, train
from minialex.data.batches import epoch_order
from minialex.evaluate import evaluate
from minialex.layers import LRN, ReLU
from minialex.ops import fast
from minialex.rng import INIT, generator
from minialex.threads import compute_threads

TRAIN, BATCH, EPOCHS, SEEDS = 1500, 25, 12, (0, 1, 2)
RATES = optim.Rates(weights=0.001, biases=0.001)
KINDS = {"none": (), "LRN": (LRN(),), "LRN, k = 1": (LRN(k=1),)}


def normalised(kind: str) -> tuple:
    """The network with the layers of `kind` behind each of its first two ReLUs."""
    net = layers(ReLU)
    first, second = [place + 1 for place, layer in enumerate(net) if isinstance(layer, ReLU)][:2]
    return net[:first] + KINDS[kind] + net[first:second] + KINDS[kind] + net[second:]


def run(kind: str, seed: int, x, t) -> dict:
    """Train one network; the errors on the training images and on the others."""
    net = normalised(kind)
    params, state = network.init(net, x.shape[1:], generator(seed, INIT), xp=np)
    velocity = optim.init_velocity(params)
    for epoch in range(EPOCHS):
        order = epoch_order(TRAIN, seed, epoch)
        for step in range(TRAIN // BATCH):
            rows = order[step * BATCH : (step + 1) * BATCH]
            train.step(net, params, velocity, state, x[rows], t[rows], rates=RATES, rng=None, ops=fast)
    parts = {"train": (x[:TRAIN], t[:TRAIN]), "val": (x[TRAIN:], t[TRAIN:])}
    return {split: round(1 - evaluate(net, params, state, [part], ops=fast).top1, 4) for split, part in parts.items()}


def main():
    x, t = images(sys.argv[1])  # class by class
    mixed = np.random.default_rng(0).permutation(len(t))
    x, t = x[mixed] - x[mixed[:TRAIN]].mean(axis=0), t[mixed]  # the mean of the training images alone
    runs = []
    with compute_threads(1):  # of arrays this small, a second thread makes nothing faster
        for kind, seed in product(KINDS, SEEDS):
            runs.append({"kind": kind, "seed": seed} | run(kind, seed, x, t))
            print(*(f"{key} {value}" for key, value in runs[-1].items()), flush=True)
    keep(
        "lrn",
        command="python lessons/experiments/lrn.py CIFAR",
        data=f"CIFAR-10, JPEG re-encodings: {TRAIN:,} training images, {len(t) - TRAIN:,} others",
        epochs=EPOCHS,
        runs=runs,
    )


if __name__ == "__main__":
    main()
