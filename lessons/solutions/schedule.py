"""The rate that falls when learning stalls (section 5)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plateau:
    """The rate is divided by `factor` after `patience` epochs without a new lowest error, `drops` times at most."""

    patience: int = 5
    factor: float = 10.0
    drops: int = 3

    def scale(self, epoch, errors):
        """factor ** -(how often the rate has dropped before `epoch`): all of it from the errors, nothing is kept."""
        dropped, idle, lowest = 0, 0, float("inf")
        for error in errors[:epoch]:
            if error < lowest:
                lowest, idle = error, 0
            else:
                idle += 1
            if idle == self.patience and dropped < self.drops:
                dropped, idle = dropped + 1, 0
        return self.factor**-dropped
