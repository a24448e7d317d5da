"""The paper's ablations on CIFAR-10: one small AlexNet, and what changes when a part of it is taken out or replaced.

The network is `paper` in small: the same order of layers, two towers, LRN inside each, overlapping pooling, dropout.
conv1 strides over a crop of 28x28 padded as the paper's 224x224 is, and all maps have an odd side (15, 7, 3), so that
windows of 3 and of 2 pixels give the same sizes. sigma is the paper's, or in conv3 to conv5 that of its authors' code,
times the root of how much smaller the fan-in is: sums over fewer inputs keep their spread.
"""

from dataclasses import replace
from functools import partial
from math import sqrt

import numpy as np

from experiments import cifar
from experiments.record import Experiment
from minialex import network, optim, train
from minialex.data.batches import epoch_order
from minialex.data.sources import Source
from minialex.evaluate import evaluate, probabilities, score
from minialex.layers import LRN, BatchNorm, Conv, Dropout, Flatten, Linear, MapNorm, MaxPool, ReLU
from minialex.ops import fast
from minialex.rng import AUGMENT, DROPOUT, INIT, generator

BATCH, EPOCHS, RATE = 50, 20, 0.004  # the rate is divided by 10 for the last fifth of the epochs
PER_CLASS = {"train": 1000, "val": 500}
QUICK = {"train": 10, "val": 10}
PAPER_FAN_IN = {"conv1": 363, "conv2": 1200, "conv3": 2304, "conv4": 1728, "conv5": 1728}
PAPER_FAN_IN |= {"fc6": 9216, "fc7": 4096, "fc8": 4096}


def sigma(name: str, fan_in: int, middle: float) -> float:
    """The standard deviation of initial weights: 0.01 as in section 5, or `middle` in conv3 to conv5, rescaled."""
    return (middle if name in ("conv3", "conv4", "conv5") else 0.01) * sqrt(PAPER_FAN_IN[name] / fan_in)


def in_small(*, middle: float = 0.03, ones: float = 1.0, maps=(32, 64, 96, 96, 64), groups: int = 2) -> tuple:
    """The network: `middle` is sigma in conv3 to conv5, `ones` the bias where the paper has 1; `groups` its towers."""
    c1, c2, c3, c4, c5 = maps
    return (
        Conv("conv1", c1, 5, stride=2, pad=((2, 3), (2, 3)), sigma=sigma("conv1", 75, middle)),
        ReLU(),
        LRN(groups=groups),
        MaxPool(),
        Conv("conv2", c2, 5, pad=2, groups=groups, sigma=sigma("conv2", 25 * c1 // groups, middle), bias=ones),
        ReLU(),
        LRN(groups=groups),
        MaxPool(),
        Conv("conv3", c3, 3, pad=1, sigma=sigma("conv3", 9 * c2, middle)),
        ReLU(),
        Conv("conv4", c4, 3, pad=1, groups=groups, sigma=sigma("conv4", 9 * c3 // groups, middle), bias=ones),
        ReLU(),
        Conv("conv5", c5, 3, pad=1, groups=groups, sigma=sigma("conv5", 9 * c4 // groups, middle), bias=ones),
        ReLU(),
        MaxPool(),
        Flatten(),
        Linear("fc6", 256, sigma=sigma("fc6", c5, middle), bias=ones),
        ReLU(),
        Dropout(),
        Linear("fc7", 256, sigma=sigma("fc7", 256, middle), bias=ones),
        ReLU(),
        Dropout(),
        Linear("fc8", 10, sigma=sigma("fc8", 256, middle)),
    )


def with_batch_norm(layers: tuple) -> tuple:
    names = iter(("bn1", "bn2"))
    return tuple(BatchNorm(next(names)) if isinstance(layer, LRN) else layer for layer in layers)


def without_conv(layers: tuple, name: str) -> tuple:
    """The network without a convolution; the ReLU behind it stays, which leaves as it is what a ReLU gave.

    The sigma of the next layer stays, too, for another fan-in.
    """
    return tuple(layer for layer in layers if getattr(layer, "name", "") != name)


def without_dropout(layers: tuple) -> tuple:
    return tuple(layer for layer in layers if not isinstance(layer, Dropout))


def joined_late() -> tuple:
    """Two towers that meet in fc8 alone, after the authors' run 150: fc6 and fc7 as grouped 1x1 convolutions.

    As there, conv2 and fc6 are wider, so that the network has about as many parameters as that whose towers meet.
    """
    net = in_small(maps=(32, 80, 96, 96, 64))
    convs = [replace(layer, groups=2) if getattr(layer, "name", "") == "conv3" else layer for layer in net[:15]]
    return (
        *convs,
        Conv("fc6", 384, 1, groups=2, sigma=sigma("fc6", 32, 0), bias=1),
        ReLU(),
        Dropout(),
        Conv("fc7", 256, 1, groups=2, sigma=sigma("fc7", 192, 0), bias=1),
        ReLU(),
        Dropout(),
        Flatten(),
        Linear("fc8", 10, sigma=sigma("fc8", 256, 0)),
    )


def as_in_the_code() -> tuple:
    """The order of the authors' released code, run 145: pool before ReLU in conv1 and conv5, LRN before ReLU in conv1.

    alpha is divided by n, and conv2 is normalised once more, inside each map.
    """
    conv1, relu, lrn, pool, conv2, *rest = in_small()
    lrn = replace(lrn, alpha=lrn.alpha / lrn.n)
    conv3, _, conv4, _, conv5, _, _, *full = rest[3:]
    first = (conv1, lrn, pool, relu, conv2, relu, lrn, MapNorm(), pool)
    return (*first, conv3, relu, conv4, relu, conv5, pool, relu, *full)


def train_and_test(
    source: Source, seed: int, quick: bool, *, layers=None, variation=cifar.ALL, epochs: int = EPOCHS
) -> dict:
    """Train one network: its errors of every epoch, and in the end those of one crop, of ten, and on what it learnt."""
    drop = epochs * 4 // 5
    images, layers = cifar.load(source, **(QUICK if quick else PER_CLASS)), layers or in_small()
    central = {split: _batches(cifar.central(part), part.labels) for split, part in images.items()}
    params, state = network.init(layers, (cifar.CROP, cifar.CROP, 3), generator(seed, INIT), xp=np)
    velocity, history = optim.init_velocity(params), []
    for epoch in range(1 if quick else epochs):
        rate = RATE / (10 if epoch >= drop else 1)
        state, loss = _epoch(layers, params, velocity, state, images["train"], variation, rate, seed, epoch)
        val = evaluate(layers, params, state, central["val"], ops=fast)
        history.append({"loss": round(loss, 4), "val_loss": round(val.loss, 4), "val_error": round(1 - val.top1, 4)})
    tested = {split: evaluate(layers, params, state, batches, ops=fast) for split, batches in central.items()}
    ten = score(*probabilities(layers, params, state, _ten_crops(images["val"]), ops=fast))
    return {
        "parameters": sum(value.size for value in params.values()),
        "settings": f"batch {BATCH}, {epochs} epochs, rate {RATE}, a tenth of it after {drop}",
        "train_error": round(1 - tested["train"].top1, 4),
        "val_error": round(1 - tested["val"].top1, 4),
        "val_error_ten_crops": round(1 - ten.top1, 4),
        "history": history,
    }


def _epoch(layers, params, velocity, state, images, variation, rate, seed: int, epoch: int) -> tuple[dict, float]:
    """One pass over the images; the new state and the mean loss."""
    order, losses = epoch_order(len(images.labels), seed, epoch), []
    for step, rows in enumerate(order.reshape(-1, BATCH)):
        x, t = cifar.varied(images, rows, variation, generator(seed, AUGMENT, epoch, step)), images.labels[rows]
        how = {"rates": optim.Rates(rate, rate), "rng": generator(seed, DROPOUT, epoch, step), "ops": fast}
        loss, _, state = train.step(layers, params, velocity, state, x, t, **how)
        losses.append(float(loss))
    return state, float(np.mean(losses))


def _batches(x, t, size: int = 500) -> list[tuple]:
    return [(x[start : start + size], t[start : start + size]) for start in range(0, len(t), size)]


def _ten_crops(images: cifar.Images, size: int = 50):
    for start in range(0, len(images.labels), size):
        rows = slice(start, start + size)
        yield cifar.ten(images, rows), images.labels[rows]


def _arm(what: str, **changes) -> Experiment:
    data = "CIFAR-10: 1,000 training and 500 validation images of each class, all from its training images"
    return Experiment(what, "cifar", data, partial(train_and_test, **changes))


NET = in_small()
EXPERIMENTS = {
    "baseline": _arm("the paper's network in small, which all of the others change"),
    "no-lrn": _arm("no normalisation", layers=tuple(layer for layer in NET if not isinstance(layer, LRN))),
    "batch-norm": _arm("batch normalisation in place of LRN", layers=with_batch_norm(NET)),
    "pool-2x2": _arm(
        "pooling 2x2, which does not overlap",
        layers=tuple(MaxPool(2) if isinstance(layer, MaxPool) else layer for layer in NET),
    ),
    "one-tower": _arm(
        "one tower: half as many kernels, but in conv5 as many, as in the paper's comparison",
        layers=in_small(maps=(16, 32, 48, 48, 64), groups=1),
    ),
    "joined-late": _arm("two towers that meet in fc8 alone, conv2 and fc6 widened", layers=joined_late()),
    "no-dropout": _arm("no dropout", layers=without_dropout(NET)),
    "no-crops": _arm("the central crop of every image", variation=cifar.Variation(crops=False)),
    "no-mirror": _arm("no mirror images", variation=cifar.Variation(mirror=False)),
    "no-color": _arm("no colour noise", variation=cifar.Variation(color="none")),
    "zero-biases": _arm("zeros in all biases", layers=in_small(ones=0.0)),
    "sigma-0.01": _arm("sigma 0.01 in conv3 to conv5 too, as in the paper's text", layers=in_small(middle=0.01)),
    "no-conv3": _arm("without conv3", layers=without_conv(NET, "conv3")),
    "no-conv4": _arm("without conv4", layers=without_conv(NET, "conv4")),
    "no-conv5": _arm("without conv5", layers=without_conv(NET, "conv5")),
    "code2012": _arm("the order of layers of the authors' code", layers=as_in_the_code()),
    "baseline-40": _arm("the baseline in 40 epochs", epochs=40),
    "no-dropout-40": _arm("the same without dropout", layers=without_dropout(NET), epochs=40),
    "no-conv3-40": _arm("the same without conv3", layers=without_conv(NET, "conv3"), epochs=40),
    "no-conv4-40": _arm("the same without conv4", layers=without_conv(NET, "conv4"), epochs=40),
    "no-conv5-40": _arm("the same without conv5", layers=without_conv(NET, "conv5"), epochs=40),
}
