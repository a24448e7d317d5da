"""Learning from few images with dropout and without (section 4.2): `python lessons/experiments/dropout.py`.

A small network of two convolutions and three fully connected layers, 200 training images of the toy set at 64x64. Both
forms start from the same weights and see the same batches; both are measured in the testing form, on all images.
"""

import numpy as np
from small import RESULTS, keep, toy

from minialex import network, optim, train
from minialex.data.batches import epoch_order
from minialex.evaluate import evaluate, probabilities
from minialex.layers import Conv, Dropout, Flatten, Linear, MaxPool, ReLU
from minialex.ops import fast
from minialex.rng import DROPOUT, INIT, generator

SIDE, PER_CLASS, BATCH, EPOCHS, SEEDS = 64, 20, 20, 40, (0, 1, 2)
EVERY = 2  # epochs between two looks
RATES = optim.Rates(weights=0.001, biases=0.001)


def layers(dropped: bool) -> tuple:
    """The network: where `dropped`, with dropout behind its two hidden fully connected layers."""
    drop = (Dropout(),) if dropped else ()
    convolutions = (
        Conv("conv1", 16, 5, stride=2, pad=2),
        ReLU(),
        MaxPool(),
        Conv("conv2", 32, 3, pad=1, sigma=0.05),
        ReLU(),
        MaxPool(),
        Flatten(),
    )
    hidden = (Linear("fc3", 256, sigma=0.03), ReLU(), *drop, Linear("fc4", 256, sigma=0.06), ReLU(), *drop)
    return (*convolutions, *hidden, Linear("fc5", 10, sigma=0.01))


def run(dropped: bool, seed: int, images: dict) -> tuple[dict, np.ndarray]:
    """Train one network: its top-1 and loss on either set of images as it learns, and in the end p of validation's."""
    net, (x, t) = layers(dropped), images["train"]
    params, state = network.init(net, x.shape[1:], generator(seed, INIT), xp=np)
    velocity, history = optim.init_velocity(params), {}
    for epoch in range(EPOCHS):
        order = epoch_order(len(t), seed, epoch)
        for step in range(len(t) // BATCH):
            rows, rng = order[step * BATCH : (step + 1) * BATCH], generator(seed, DROPOUT, epoch, step)
            train.step(net, params, velocity, state, x[rows], t[rows], rates=RATES, rng=rng, ops=fast)
        if (epoch + 1) % EVERY == 0:
            for split, batch in images.items():
                score = evaluate(net, params, state, [batch], ops=fast)
                history.setdefault(f"{split}_top1", []).append(round(score.top1, 4))
                history.setdefault(f"{split}_loss", []).append(round(score.loss, 4))
    return history, probabilities(net, params, state, [images["val"]], ops=fast)[0]


def main():
    images = {"train": toy("train", PER_CLASS, SIDE), "val": toy("val", 50, SIDE)}
    runs, outputs = [], []
    for dropped in (False, True):
        for seed in SEEDS:
            history, p = run(dropped, seed, images)
            runs.append({"dropout": dropped, "seed": seed} | history)
            outputs.append(p.astype("float32"))
            print(dropped, seed, *(f"{key} {values[-1]:.3f}" for key, values in history.items()))
    np.savez_compressed(RESULTS / "dropout.npz", p=np.stack(outputs), t=images["val"][1])
    keep(
        "dropout",
        command="python lessons/experiments/dropout.py",
        data=f"toy set at {SIDE}x{SIDE} pixels: {10 * PER_CLASS} training and 500 validation images",
        seeds=SEEDS,
        epochs=[*range(EVERY, EPOCHS + 1, EVERY)],
        runs=runs,
    )


if __name__ == "__main__":
    main()
