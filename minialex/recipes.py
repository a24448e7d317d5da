"""How a network is trained: batch, rates, decay, schedule, as tables."""

from dataclasses import dataclass

from minialex.optim import Plateau, Steps


@dataclass(frozen=True)
class Recipe:
    """The settings of section 5. Rates are those of the first epochs; the schedule scales them.

    batch in images; warm_up in steps, over which the rate rises to its full size.
    """

    batch: int
    epochs: int
    rate: float
    bias_rate: float
    schedule: Plateau | Steps
    momentum: float = 0.9
    decay: float = 0.0005
    bias_decay: float = 0.0005
    warm_up: int = 0


RECIPES = {
    # Section 5 of the paper.
    "paper": Recipe(batch=128, epochs=90, rate=0.01, bias_rate=0.01, schedule=Plateau(patience=5, drops=3)),
    # Ten classes and an hour: at the paper's rate a network of few classes is thrown out in its first steps.
    "small": Recipe(batch=32, epochs=45, rate=0.001, bias_rate=0.001, schedule=Steps((34, 41))),
    # The toy set in a few minutes: it is small, so smaller batches for more steps.
    "toy": Recipe(batch=16, epochs=12, rate=0.002, bias_rate=0.002, schedule=Steps((10,))),
}
FEW_CLASSES = 100


def recipe_for(classes: int) -> str:
    """The recipe that a number of classes calls for, by name."""
    return "small" if classes <= FEW_CLASSES else "paper"
