"""A plain class, and a search backwards for the last good epoch."""


class Plateau:
    def __init__(self, patience=5, factor=10.0, drops=3):
        self.patience, self.factor, self.drops = patience, factor, drops

    def scale(self, epoch, errors):
        result, since = 1.0, 0
        left = self.drops
        for e in range(epoch):
            if all(errors[e] < other for other in errors[:e]):
                since = e + 1
            elif e + 1 - since >= self.patience and left > 0:
                result, left, since = result / self.factor, left - 1, e + 1
        return result
