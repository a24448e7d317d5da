"""The authors' network, narrow, on photographs of a few classes: ours, and the same in PyTorch (sections 3 to 6).

Both start from the same weights, see the same patches in the same order, drop the same units, and follow the paper's
update rule. What is PyTorch's are the layers and their gradients. Numbers part after some steps, as float32 rounds
otherwise there; how well the networks do in the end must not.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from experiments.record import Experiment
from minialex import alexnet, network, optim, train
from minialex.data.batches import test_batches, train_batches
from minialex.data.packed import Packed, Subset
from minialex.data.preprocess import Preprocessing
from minialex.evaluate import probabilities, score
from minialex.layers import LRN, MapNorm
from minialex.ops import fast
from minialex.rng import DROPOUT, INIT, generator

WIDTH, BATCH, EPOCHS, DROPS, RATE = 0.25, 32, 10, (7, 9), 0.002
SIZE = 224


@dataclass(frozen=True, eq=False)
class Photos:
    """The images of a run, how they are fed to a network, and how many passes there are."""

    packed: Packed
    epochs: int

    def of_epoch(self, seed: int, epoch: int):
        how = {"size": SIZE, "batch": BATCH, "seed": seed, "epoch": epoch, "ahead": 1}
        return train_batches(self.packed.train, Preprocessing(self.packed.mean), **how)

    def of_test(self, crops: int):
        how = {"size": SIZE, "batch": 100, "crops": crops, "ahead": 1}
        return test_batches(self.packed.val, Preprocessing(self.packed.mean), **how)


def rates_at(epoch: int) -> optim.Rates:
    rate = RATE * optim.Steps(DROPS).scale(epoch, [])
    return optim.Rates(rate, rate)


def ours(photos: Photos, layers: tuple, seed: int):
    """Train with minialex; the losses of all steps, and the function that tells probabilities of batches."""
    params, state = network.init(layers, (SIZE, SIZE, 3), generator(seed, INIT), xp=np)
    velocity, losses = optim.init_velocity(params), []
    for epoch in range(photos.epochs):
        for step, (x, t) in enumerate(photos.of_epoch(seed, epoch)):
            how = {"rates": rates_at(epoch), "rng": generator(seed, DROPOUT, epoch, step), "ops": fast}
            loss, _, state = train.step(layers, params, velocity, state, x, t, **how)
            losses.append(float(loss))
    return losses, partial(probabilities, layers, params, state, ops=fast)


def in_pytorch(photos: Photos, layers: tuple, seed: int):
    """The same in PyTorch."""
    from experiments import pytorch  # where it is wanted: PyTorch is no part of minialex

    params, _ = network.init(layers, (SIZE, SIZE, 3), generator(seed, INIT), xp=np)
    model, losses = pytorch.Model(params), []
    for epoch in range(photos.epochs):
        for step, (x, t) in enumerate(photos.of_epoch(seed, epoch)):
            losses.append(model.step(x, t, rates_at(epoch), generator(seed, DROPOUT, epoch, step)))
    return losses, model.probabilities


def train_and_test(packed: Packed, seed: int, quick: bool, *, how=ours, change=lambda layers: layers) -> dict:
    """Train and test with one crop and with ten."""
    if quick:
        few = np.arange(BATCH)
        packed = replace(packed, train=Subset(packed.train, few), val=Subset(packed.val, few[:4]))
    net = alexnet.build("code2012", classes=len(packed.classes), width=WIDTH)
    photos = Photos(packed, 1 if quick else EPOCHS)
    losses, tell = how(photos, change(net.layers), seed)
    tested = {crops: score(*tell(photos.of_test(crops))) for crops in (1, 10)}
    steps = len(losses) // photos.epochs
    return {
        "settings": f"code2012 at width {WIDTH}, batch {BATCH}, {EPOCHS} epochs, rate {RATE}, a tenth after {DROPS}",
        "val_error": round(1 - tested[1].top1, 4),
        "val_error_ten_crops": round(1 - tested[10].top1, 4),
        "val_top5_error": round(1 - tested[1].top5, 4),
        "val_loss": round(tested[1].loss, 4),
        "losses": [round(float(np.mean(losses[k * steps : (k + 1) * steps])), 4) for k in range(photos.epochs)],
    }


def without_normalisation(layers: tuple) -> tuple:
    return tuple(layer for layer in layers if not isinstance(layer, LRN | MapNorm))


def _arm(what: str, **changes) -> Experiment:
    data = "5,000 training and 1,000 validation photographs of ten ImageNet classes, squashed to 224x224"
    return Experiment(what, "photos", data, partial(train_and_test, **changes))


EXPERIMENTS = {
    "photos": _arm("the authors' network at a quarter of its width, on photographs"),
    "photos-pytorch": _arm("the same in PyTorch, from the same weights, patches and dropped units", how=in_pytorch),
    "photos-no-lrn": _arm("the same without any normalisation", change=without_normalisation),
}
