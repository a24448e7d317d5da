"""A named tuple, and the state carried by a recursion."""

from typing import NamedTuple


class Plateau(NamedTuple):
    patience: int = 5
    factor: float = 10.0
    drops: int = 3

    def scale(self, epoch, errors):
        return self.factor ** -self.dropped(list(errors[:epoch]), float("inf"), 0, 0)

    def dropped(self, errors, best, idle, dropped):
        if not errors:
            return dropped
        better = errors[0] < best
        idle = 0 if better else idle + 1
        if idle == self.patience and dropped < self.drops:
            idle, dropped = 0, dropped + 1
        return self.dropped(errors[1:], min(best, errors[0]), idle, dropped)
