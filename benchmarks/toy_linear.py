"""How much of the toy set does a linear classifier on the pixels understand? It should stay under 50% top-1.

    python benchmarks/toy_linear.py

Trains multinomial logistic regression on the training images at 32x32 and at 64x64 pixels, for several
strengths of L2, and prints one row a run. The best row, chosen on the validation images themselves (which
flatters the classifier), is held against the bound; exit status 1 if the set has become too easy.
Takes less than a minute.
"""

import sys

import numpy as np
from PIL import Image

from minialex.data.toy import CLASSES, draw
from minialex.errors import RunError, main_status

BOUND = 0.50
COUNTS = {"train": 200, "val": 50}  # images a class


def load(split: str) -> tuple[np.ndarray, np.ndarray]:
    """All images of a split at 64x64, (n, 64, 64, 3) float32 in 0..255, and their labels (n,)."""
    labels = np.repeat(np.arange(len(CLASSES)), COUNTS[split])
    images = [draw(int(t), i % COUNTS[split], split) for i, t in enumerate(labels)]
    small = [np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BOX)) for image in images]
    return np.stack(small).astype(np.float32), labels


def halve(images: np.ndarray) -> np.ndarray:
    """Average blocks of 2x2 pixels: (n, 2h, 2w, 3) -> (n, h, w, 3)."""
    n, h, w, c = images.shape
    return images.reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


def fit(x: np.ndarray, t: np.ndarray, l2: float, epochs: int = 20, batch: int = 100) -> np.ndarray:
    """Weights (D, K) of softmax regression on standardised pixels x (n, D), by SGD with momentum."""
    rng = np.random.default_rng(0)
    W = np.zeros((x.shape[1], len(CLASSES)), dtype=np.float32)
    velocity = np.zeros_like(W)
    rate = np.float32(3 / x.shape[1])  # the curvature grows with the number of pixels
    for epoch in range(epochs):
        for rows in rng.permutation(len(x)).reshape(-1, batch):
            logits = x[rows] @ W
            p = np.exp(logits - logits.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            p[np.arange(batch), t[rows]] -= 1
            gradient = x[rows].T @ p / batch + l2 * W
            velocity = 0.9 * velocity - rate * (1 - epoch / epochs) * gradient
            W += velocity
    return W


def main(argv: list[str] | None = None) -> None:
    (images, t), (val_images, val_t) = load("train"), load("val")
    best = 0.0
    print(f"{len(t)} training and {len(val_t)} validation images; chance is {1 / len(CLASSES):.0%}")
    print("pixels    L2   train top-1   val top-1")
    for size in (32, 64):
        x, val_x = (halve(a) if size == 32 else a for a in (images, val_images))
        mean, scale = x.mean(axis=0), x.std(axis=0)
        x, val_x = (((a - mean) / scale).reshape(len(a), -1) for a in (x, val_x))
        for l2 in (0.1, 10.0, 100.0):
            W = fit(x, t, l2)
            top1, val_top1 = ((a @ W).argmax(axis=1) == b for a, b in ((x, t), (val_x, val_t)))
            print(f"{size}x{size}  {l2:6g} {top1.mean():10.1%} {val_top1.mean():12.1%}")
            best = max(best, val_top1.mean())
    if best >= BOUND:
        raise RunError(f"a linear classifier reaches {best:.1%}: the toy set has become too easy")
    print(f"all under {BOUND:.0%}: the best linear classifier reaches {best:.1%}")


if __name__ == "__main__":
    sys.exit(main_status(main))
