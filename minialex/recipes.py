"""How a network is trained: batch, rates, decay, schedule, augmentation, as tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from minialex.data.augment import Augmentation
from minialex.optim import Plateau, Rates, Steps


@dataclass(frozen=True)
class OwnRate:
    """From an epoch on, counted from 0, a layer has a rate of its own; None: it is frozen."""

    layer: str
    epoch: int
    rate: float | None


@dataclass(frozen=True)
class Recipe:
    """The settings of sections 4.1 and 5. Rates are those of the first epochs; the schedule scales them.

    batch in images; warm_up in steps, over which the rate rises to its full size.
    bias_drops: whether the schedule scales the rate of the biases too.
    own_rates: of layers that leave the common rate, in the order of their epochs.
    color_epochs: so many epochs have the augmentation's colour noise, None: all.
    central_mean: every patch is taken relative to the central part of the mean image, not to the part at its place.
    reshuffle: a new order of the images in each epoch.
    """

    batch: int
    epochs: int
    rate: float
    bias_rate: float
    schedule: Plateau | Steps
    bias_drops: bool = True
    momentum: float = 0.9
    decay: float = 0.0005
    bias_decay: float = 0.0005
    warm_up: int = 0
    own_rates: tuple[OwnRate, ...] = ()
    augmentation: Augmentation = Augmentation()
    color_epochs: int | None = None
    central_mean: bool = False
    reshuffle: bool = True

    def at_rate(self, rate: float) -> "Recipe":
        """The same with another rate of the weights; that of the biases keeps its ratio to it."""
        return replace(self, rate=rate, bias_rate=rate * (self.bias_rate / self.rate))

    def rates(self, epoch: int, warmth: float, errors: Sequence[float]) -> Rates:
        """The rates in `epoch`, counted from 0, after these validation errors; warmth: the factor of the warm-up."""
        scale = self.schedule.scale(epoch, errors) * warmth
        return Rates(
            self.rate * scale,
            self.bias_rate * (scale if self.bias_drops else warmth),
            self.momentum,
            self.decay,
            self.bias_decay,
            {own.layer: own.rate for own in self.own_rates if epoch >= own.epoch},
        )

    def augmentation_in(self, epoch: int) -> Augmentation:
        """The augmentation in `epoch`, counted from 0."""
        noisy = self.color_epochs is None or epoch < self.color_epochs
        return self.augmentation if noisy else replace(self.augmentation, color="none")


RECIPES = {
    # Sections 4.1 and 5 of the paper. Its colour noise, taken literally, would drown every image: see Augmentation.
    "paper": Recipe(
        batch=128,
        epochs=90,
        rate=0.01,
        bias_rate=0.01,
        schedule=Plateau(patience=5, drops=3),
        augmentation=Augmentation(color="stdev"),
    ),
    # The authors' released code, run 145. 0.02 is the biases' rate in the end: that of the beginning is not known.
    "code2012": Recipe(
        batch=128,
        epochs=91,
        rate=0.01,
        bias_rate=0.02,
        bias_drops=False,
        bias_decay=0.0,
        schedule=Steps((25, 51, 79)),
        own_rates=(OwnRate("conv1", 67, 1e-5), OwnRate("conv1", 72, None)),
        augmentation=Augmentation(crops_per_draw=32, color="stdev", divisor=1.1),
        color_epochs=67,
        central_mean=True,
        reshuffle=False,
    ),
    # The reference re-implementation: 450,000 steps of 256 images, a drop every 100,000, which is every 20 epochs.
    "caffe": Recipe(
        batch=256,
        epochs=90,
        rate=0.01,
        bias_rate=0.02,
        bias_decay=0.0,
        schedule=Steps((20, 40, 60, 80)),
        reshuffle=False,
    ),
    # Ten classes and an hour: at the paper's rate a network of few classes is thrown out in its first steps.
    "small": Recipe(batch=32, epochs=45, rate=0.001, bias_rate=0.001, schedule=Steps((34, 41))),
    # The toy set in a few minutes: it is small, so smaller batches for more steps.
    "toy": Recipe(batch=16, epochs=12, rate=0.002, bias_rate=0.002, schedule=Steps((10,))),
}
OF_VARIANT = {"paper": "paper", "code2012": "code2012", "caffe": "caffe", "owt": "caffe", "bn": "paper"}
FEW_CLASSES = 100


def recipe_for(variant: str, classes: int) -> str:
    """The recipe that a variant with so many classes calls for, by name."""
    return "small" if classes <= FEW_CLASSES else OF_VARIANT[variant]
