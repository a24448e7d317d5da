"""The authors' network, narrow, on photographs of a few classes: ours, and the same in PyTorch (sections 3 to 6).

Both start from the same weights, see the same patches in the same order, drop the same units, and follow the paper's
update rule. What is PyTorch's are the layers and their gradients. Numbers part after some steps, as float32 rounds
otherwise there; how well the networks do in the end must not.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from experiments.ablations import without_conv
from experiments.record import Experiment
from minialex import alexnet, network, optim, train
from minialex.data.batches import test_batches, train_batches
from minialex.data.packed import Packed, Subset
from minialex.data.preprocess import Preprocessing
from minialex.evaluate import features, probabilities, score
from minialex.layers import LRN, MapNorm
from minialex.ops import fast
from minialex.rng import DROPOUT, INIT, generator

WIDTH, BATCH, EPOCHS, DROPS, RATE = 0.25, 32, 7, (6,), 0.002
SIZE = 224
ALIKE = 6  # images in a row of Figure 4


@dataclass(frozen=True, eq=False)
class Photos:
    """The images of a run, how they are fed to a network, and how many passes there are."""

    packed: Packed
    epochs: int

    def of_epoch(self, seed: int, epoch: int):
        how = {"size": SIZE, "batch": BATCH, "seed": seed, "epoch": epoch, "ahead": 1}
        return train_batches(self.packed.train, Preprocessing(self.packed.mean), **how)

    def of_test(self, crops: int, split=None):
        how = {"size": SIZE, "batch": 100, "crops": crops, "ahead": 1}
        return test_batches(split or self.packed.val, Preprocessing(self.packed.mean), **how)


def rates_at(epoch: int) -> optim.Rates:
    rate = RATE * optim.Steps(DROPS).scale(epoch, [])
    return optim.Rates(rate, rate)


class Model:
    """The network and its training, by minialex."""

    def __init__(self, params: dict, layers: tuple):
        self.params, self.layers = params, layers
        self.velocity = optim.init_velocity(params)

    def step(self, x, t, rates: optim.Rates, rng) -> float:
        """One step of section 5 on x (N,H,W,3) and t (N,); the loss."""
        how = {"rates": rates, "rng": rng, "ops": fast}
        return float(train.step(self.layers, self.params, self.velocity, {}, x, t, **how)[0])

    def probabilities(self, batches) -> tuple[np.ndarray, np.ndarray]:
        return probabilities(self.layers, self.params, {}, batches, ops=fast)

    def more(self, photos: "Photos") -> dict:
        """What else is kept of it: conv1's kernels (Figure 3), and which images are alike to it (Figure 4)."""
        splits = photos.packed.train, photos.packed.val
        by_layer = (np.concatenate(list(self._features(photos.of_test(1, split)))) for split in splits)
        by_pixel = (_small(split) for split in splits)
        return {
            "same_class_by_features": round(_same_class(*by_layer, *splits), 4),
            "same_class_by_pixels": round(_same_class(*by_pixel, *splits), 4),
            "arrays": {"conv1": self.params["conv1.W"]},
        }

    def _features(self, batches):
        return features(self.layers, self.params, {}, batches, ops=fast)


def _small(split) -> np.ndarray:
    """The images with blocks of pixels averaged, 64x64, one a row."""
    rows = [split.images(np.array([k])).reshape(64, 4, 64, 4, 3).mean(axis=(1, 3)).ravel() for k in range(len(split))]
    return np.stack(rows).astype("float32")


def _same_class(rows, queries, split, queried) -> float:
    """The share of the ALIKE rows nearest to each query that are of its class; d^2 = |a|^2 + |b|^2 - 2ab."""
    a, b = queries.astype("float64"), rows.astype("float64")
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    nearest = squared.argsort(axis=1, kind="stable")[:, :ALIKE]  # (Q,ALIKE)
    return float((split.labels[nearest] == queried.labels[:, None]).mean())


def train_and_test(packed: Packed, seed: int, quick: bool, *, pytorch=False, change=lambda layers: layers) -> dict:
    """Train and test with one crop and with ten."""
    if quick:
        few = np.arange(BATCH)
        packed = replace(packed, train=Subset(packed.train, few), val=Subset(packed.val, few[:4]))
    net = alexnet.build("code2012", classes=len(packed.classes), width=WIDTH)
    photos = Photos(packed, 1 if quick else EPOCHS)
    layers = change(net.layers)
    params, _ = network.init(layers, net.input_shape, generator(seed, INIT), xp=np)
    model = _in_pytorch(params) if pytorch else Model(params, layers)
    losses = []
    for epoch in range(photos.epochs):
        for step, (x, t) in enumerate(photos.of_epoch(seed, epoch)):
            losses.append(model.step(x, t, rates_at(epoch), generator(seed, DROPOUT, epoch, step)))
    tested = {crops: score(*model.probabilities(photos.of_test(crops))) for crops in (1, 10)}
    steps = len(losses) // photos.epochs
    return {
        "settings": f"code2012 at width {WIDTH}, batch {BATCH}, {EPOCHS} epochs, rate {RATE}, a tenth after {DROPS}",
        "val_error": round(1 - tested[1].top1, 4),
        "val_error_ten_crops": round(1 - tested[10].top1, 4),
        "val_top5_error": round(1 - tested[1].top5, 4),
        "val_loss": round(tested[1].loss, 4),
        "losses": [round(float(np.mean(losses[k * steps : (k + 1) * steps])), 4) for k in range(photos.epochs)],
    } | model.more(photos)


def _in_pytorch(params: dict):
    from experiments import pytorch  # where it is wanted: PyTorch is no part of minialex

    return pytorch.Model(params)


def without_normalisation(layers: tuple) -> tuple:
    return tuple(layer for layer in layers if not isinstance(layer, LRN | MapNorm))


def _arm(what: str, **changes) -> Experiment:
    return Experiment(what, "photos", "photographs brought to 256x256", partial(train_and_test, **changes))


EXPERIMENTS = {
    "photos": _arm("the authors' network at a quarter of its width, on photographs"),
    "photos-pytorch": _arm("the same in PyTorch, from the same weights, patches and dropped units", pytorch=True),
    "photos-no-lrn": _arm("the same without any normalisation", change=without_normalisation),
    "photos-no-conv3": _arm("the same without conv3", change=partial(without_conv, name="conv3")),
    "photos-no-conv4": _arm("the same without conv4", change=partial(without_conv, name="conv4")),
    "photos-no-conv5": _arm("the same without conv5", change=partial(without_conv, name="conv5")),
}
