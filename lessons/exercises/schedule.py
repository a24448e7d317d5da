"""Exercise: the rate that falls when learning stalls (section 5, lesson 10).

Check it with `python -m minialex check schedule`; `--hint` gives a hint, `--watch` checks whenever you save.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plateau:
    """The rate is divided by `factor` where the validation error stopped falling, `drops` times at most.

    It has stopped when `patience` epochs brought no new lowest error since the last one or the last drop.
    """

    patience: int = 5
    factor: float = 10.0
    drops: int = 3

    def scale(self, epoch, errors):
        """factor ** -(how often the rate has dropped before `epoch`)

        epoch   counted from 0
        errors  the validation error of each epoch; those before `epoch`, errors[:epoch], are known when it begins
        An error that only equals the lowest is no new lowest one.
        """
        raise NotImplementedError("TODO")
