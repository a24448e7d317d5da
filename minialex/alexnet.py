"""The networks, each a table to be held against the paper: paper, code2012, caffe, owt, bn."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, sqrt

from minialex.errors import UserError, one_line
from minialex.layers import LRN, BatchNorm, Conv, Dropout, Flatten, Layer, Linear, MapNorm, MaxPool, ReLU

# The paper's image has 224 pixels a side and its first maps 55, which needs 227: the authors' code reads as if three
# rows and columns of zeros stood below and to the right.
PAD_224 = ((0, 3), (0, 3))


@dataclass(frozen=True)
class Network:
    """A network as a table: its name, the (H,W,C) of its input, its layer records."""

    name: str
    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Width:
    """Sizes at a factor on every hidden layer.

    Where a factor below 1 shrinks a layer's fan-in, sigma grows by its root: the sum over fewer inputs keeps its
    spread. Without that, narrow networks starve.
    """

    factor: float

    def __call__(self, size: int) -> int:
        return max(2, 2 * round(size * self.factor / 2))  # even, for two towers

    def sigma(self, value: float) -> float:
        return value / sqrt(min(1.0, self.factor))


def paper(classes: int, w: Width) -> tuple[Layer, ...]:
    """The text of the paper, section 3.5: two towers, LRN inside each, ReLU -> LRN -> pool."""
    return (
        Conv("conv1", w(96), 11, stride=4, pad=PAD_224),
        ReLU(),
        LRN(groups=2),
        MaxPool(),
        Conv("conv2", w(256), 5, pad=2, groups=2, sigma=w.sigma(0.01), bias=1),
        ReLU(),
        LRN(groups=2),
        MaxPool(),
        Conv("conv3", w(384), 3, pad=1, sigma=w.sigma(0.01)),
        ReLU(),
        Conv("conv4", w(384), 3, pad=1, groups=2, sigma=w.sigma(0.01), bias=1),
        ReLU(),
        Conv("conv5", w(256), 3, pad=1, groups=2, sigma=w.sigma(0.01), bias=1),
        ReLU(),
        MaxPool(),
        Flatten(),
        Linear("fc6", w(4096), sigma=w.sigma(0.01), bias=1),
        ReLU(),
        Dropout(),
        Linear("fc7", w(4096), sigma=w.sigma(0.01), bias=1),
        ReLU(),
        Dropout(),
        Linear("fc8", classes, sigma=w.sigma(0.01)),
    )


def code2012(classes: int, w: Width) -> tuple[Layer, ...]:
    """The authors' released code, run 145: pool before ReLU in conv1 and conv5, LRN before ReLU in conv1, alpha/n."""
    return (
        Conv("conv1", w(96), 11, stride=4, pad=PAD_224),
        LRN(alpha=1e-4 / 5, groups=2),
        MaxPool(),
        ReLU(),
        Conv("conv2", w(256), 5, pad=2, groups=2, sigma=w.sigma(0.01), bias=1),
        ReLU(),
        LRN(alpha=1e-4 / 5, groups=2),
        MapNorm(),
        MaxPool(),
        Conv("conv3", w(384), 3, pad=1, sigma=w.sigma(0.03)),
        ReLU(),
        Conv("conv4", w(384), 3, pad=1, groups=2, sigma=w.sigma(0.03), bias=1),
        ReLU(),
        Conv("conv5", w(256), 3, pad=1, groups=2, sigma=w.sigma(0.03), bias=1),
        MaxPool(),
        ReLU(),
        Flatten(),
        Linear("fc6", w(4096), sigma=w.sigma(0.01), bias=1),
        ReLU(),
        Dropout(),
        Linear("fc7", w(4096), sigma=w.sigma(0.01), bias=1),
        ReLU(),
        Dropout(),
        Linear("fc8", classes, sigma=w.sigma(0.01)),
    )


def caffe(classes: int, w: Width) -> tuple[Layer, ...]:
    """The reference re-implementation: LRN across all maps with alpha/n and k=1, biases of 0.1, dropout inverted."""
    return (
        Conv("conv1", w(96), 11, stride=4),
        ReLU(),
        LRN(k=1.0, alpha=1e-4 / 5),
        MaxPool(),
        Conv("conv2", w(256), 5, pad=2, groups=2, sigma=w.sigma(0.01), bias=0.1),
        ReLU(),
        LRN(k=1.0, alpha=1e-4 / 5),
        MaxPool(),
        Conv("conv3", w(384), 3, pad=1, sigma=w.sigma(0.01)),
        ReLU(),
        Conv("conv4", w(384), 3, pad=1, groups=2, sigma=w.sigma(0.01), bias=0.1),
        ReLU(),
        Conv("conv5", w(256), 3, pad=1, groups=2, sigma=w.sigma(0.01), bias=0.1),
        ReLU(),
        MaxPool(),
        Flatten(),
        Linear("fc6", w(4096), sigma=w.sigma(0.005), bias=0.1),
        ReLU(),
        Dropout(inverted=True),
        Linear("fc7", w(4096), sigma=w.sigma(0.005), bias=0.1),
        ReLU(),
        Dropout(inverted=True),
        Linear("fc8", classes, sigma=w.sigma(0.01)),
    )


def owt(classes: int, w: Width) -> tuple[Layer, ...]:
    """torchvision's alexnet, after 'one weird trick': one tower, no LRN, its framework's default initialisation."""
    return (
        Conv("conv1", w(64), 11, stride=4, pad=2, sigma=None),
        ReLU(),
        MaxPool(),
        Conv("conv2", w(192), 5, pad=2, sigma=None),
        ReLU(),
        MaxPool(),
        Conv("conv3", w(384), 3, pad=1, sigma=None),
        ReLU(),
        Conv("conv4", w(256), 3, pad=1, sigma=None),
        ReLU(),
        Conv("conv5", w(256), 3, pad=1, sigma=None),
        ReLU(),
        MaxPool(),
        Flatten(),
        Dropout(inverted=True),
        Linear("fc6", w(4096), sigma=None),
        ReLU(),
        Dropout(inverted=True),
        Linear("fc7", w(4096), sigma=None),
        ReLU(),
        Linear("fc8", classes, sigma=None),
    )


def bn(classes: int, w: Width) -> tuple[Layer, ...]:
    """`paper` with batch normalisation where it has LRN."""
    names = iter(("bn1", "bn2"))
    return tuple(BatchNorm(next(names)) if isinstance(layer, LRN) else layer for layer in paper(classes, w))


VARIANTS = {"paper": paper, "code2012": code2012, "caffe": caffe, "owt": owt, "bn": bn}


def build(variant: str, *, classes: int = 1000, width: float = 1.0) -> Network:
    """One of VARIANTS with so many classes; `width` is a factor on every hidden layer's maps and units.

    Raises ValueError for a name, a number of classes or a width that there cannot be.
    """
    if variant not in VARIANTS:
        raise ValueError(f"no variant {variant!r}: there are {', '.join(VARIANTS)}")
    if classes < 2 or not 0 < width < inf:
        raise ValueError(f"classes={classes}, width={width}: it needs 2 classes or more and a width above 0")
    size = 227 if variant == "caffe" else 224
    return Network(variant, (size, size, 3), VARIANTS[variant](classes, Width(width)))


def from_config(config: Mapping) -> Network:
    """The network that a run's config tells: its "variant", "classes" and "width".

    Raises UserError where it tells of none.
    """
    try:
        return build(config["variant"], classes=len(config["classes"]), width=config["width"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"the config tells of no network that there is: {one_line(error)}") from error
