"""A small AlexNet on the toy set, for Figure 4: `python lessons/experiments/results.py` (section 6).

The images are halved to 128x128 and the layers narrow; conv1 is the paper's, 11x11 with stride 4, in two towers. What
is kept are what it takes the validation images for, and which images it and the bare pixels hold alike.
"""

import numpy as np
from small import RESULTS, keep, toy

from minialex import network, optim, train
from minialex.data.batches import epoch_order
from minialex.evaluate import features, probabilities, score
from minialex.layers import LRN, Conv, Dropout, Flatten, Linear, MaxPool, ReLU
from minialex.ops import fast
from minialex.rng import AUGMENT, DROPOUT, INIT, generator

SIDE, CROP, BATCH, EPOCHS, DROP, SEED = 128, 115, 20, 12, 10, 0
RATE = 0.002
ALIKE = 6  # images in a row of Figure 4
PIXELS = 64  # a side of the images that are compared as they are
LAYERS = (
    Conv("conv1", 32, 11, stride=4),
    ReLU(),
    LRN(groups=2),
    MaxPool(),
    Conv("conv2", 64, 5, pad=2, groups=2, sigma=0.05),
    ReLU(),
    MaxPool(),
    Conv("conv3", 64, 3, pad=1, sigma=0.04),
    ReLU(),
    MaxPool(),
    Flatten(),
    Linear("fc4", 128, sigma=0.06),
    ReLU(),
    Dropout(),
    Linear("fc5", 128, sigma=0.08),
    ReLU(),
    Dropout(),
    Linear("fc6", 10, sigma=0.01),
)


def crops(x, rng) -> np.ndarray:
    """A random patch of each image, every other one mirrored on average (section 4.1)."""
    places, mirrored = rng.integers(0, SIDE - CROP + 1, (len(x), 2)), rng.random(len(x)) < 0.5
    cut = [image[top : top + CROP, left : left + CROP] for image, (top, left) in zip(x, places, strict=True)]
    return np.stack([patch[:, ::-1] if flip else patch for patch, flip in zip(cut, mirrored, strict=True)])


def central(x) -> np.ndarray:
    start = (SIDE - CROP) // 2
    return x[:, start : start + CROP, start : start + CROP]


def trained(x, t) -> dict:
    """The parameters after all epochs; the rate is divided by 10 once."""
    params, _ = network.init(LAYERS, (CROP, CROP, 3), generator(SEED, INIT), xp=np)
    velocity = optim.init_velocity(params)
    schedule = optim.Steps((DROP,))
    for epoch in range(EPOCHS):
        rate = RATE * schedule.scale(epoch, [])
        rates = optim.Rates(weights=rate, biases=rate)
        order = epoch_order(len(t), SEED, epoch)
        for step in range(len(t) // BATCH):
            rows = order[step * BATCH : (step + 1) * BATCH]
            batch = crops(x[rows], generator(SEED, AUGMENT, epoch, step))
            rng = generator(SEED, DROPOUT, epoch, step)
            train.step(LAYERS, params, velocity, {}, batch, t[rows], rates=rates, rng=rng, ops=fast)
    return params


def alike(queries, rows) -> np.ndarray:
    """The rows nearest to each query, (Q,ALIKE), by d^2 = |a|^2 + |b|^2 - 2ab in float64."""
    a, b = queries.astype("float64"), rows.astype("float64")
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T  # (Q,rows)
    return squared.argsort(axis=1, kind="stable")[:, :ALIKE]


def in_batches(x, t) -> list[tuple]:
    return [(central(x[start : start + 100]), t[start : start + 100]) for start in range(0, len(t), 100)]


def main():
    (x, t), (x_val, t_val) = toy("train", 200, SIDE), toy("val", 50, SIDE)
    params = trained(x, t)
    batches = in_batches(x, t), in_batches(x_val, t_val)
    p, _ = probabilities(LAYERS, params, {}, batches[1], ops=fast)
    rows, queries = (np.concatenate(list(features(LAYERS, params, {}, some, ops=fast))) for some in batches)
    pixel_rows, pixel_queries = (toy(*which, PIXELS)[0] for which in (("train", 200), ("val", 50)))
    np.savez_compressed(
        RESULTS / "results.npz",
        p=p.astype("float32"),
        by_features=alike(queries, rows).astype("int16"),
        by_pixels=alike(pixel_queries.reshape(len(t_val), -1), pixel_rows.reshape(len(t), -1)).astype("int16"),
    )
    result = score(p, t_val)
    print(result)
    keep(
        "results",
        command="python lessons/experiments/results.py",
        data=f"toy set at {SIDE}x{SIDE} pixels: 2,000 training images, 200 of each class, and 500 for validation",
        seed=SEED,
        epochs=EPOCHS,
        top1_error=round(1 - result.top1, 4),
        top5_error=round(1 - result.top5, 4),
        arrays="results.npz: the outputs on the validation images; the training images nearest to each of them in the "
        f"last hidden layer, and in pixels at {PIXELS}x{PIXELS}",
    )


if __name__ == "__main__":
    main()
