"""Data parallelism: each rank has the whole network and its share of every batch; gradients are summed over the ranks.

The loss of a batch is the mean over all its images, wherever they are. Masks of dropout, crops and colour noise are
those of the whole batch, of which each rank takes its rows: the number of ranks changes results by rounding alone.
Batch normalisation is the exception, for a rank normalises by the statistics of its own images.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from minialex.backend import to_numpy, xp_of
from minialex.data.packed import Subset
from minialex.parallel.comm import largest
from minialex.parallel.team import Share, Team

LARGE = 1 << 20  # bytes: gradients below are summed together, in one buffer


def rows_of(images: int, rank: int, size: int) -> slice:
    """The rows of a rank in a batch of so many images; where there are too few for all ranks it may be empty."""
    start = rank * (images // size) + min(rank, images % size)
    return slice(start, start + images // size + (rank < images % size))


class Sums:
    """Gradients that are summed over the ranks in large flat buffers, each as soon as it is complete."""

    def __init__(self, comm):
        self._comm, self._small, self._begun = comm, {}, []

    def add(self, grads: Mapping) -> None:
        for name, grad in grads.items():
            if grad.nbytes < LARGE:
                self._small[name] = grad
            else:
                self._begin({name: grad})

    def finish(self, grads: Mapping) -> dict:
        """The sums, once they are there, in the order of grads."""
        if self._small:
            self._begin(self._small)
        summed: dict = {}
        for flat, shapes, wait in self._begun:
            wait()
            start = 0
            for name, shape in shapes.items():
                summed[name] = flat[start : start + prod(shape)].reshape(shape)
                start += prod(shape)
        return {name: summed[name] for name in grads}

    def _begin(self, grads: Mapping) -> None:
        flats = [grad.reshape(-1) for grad in grads.values()]
        flat = flats[0] if len(flats) == 1 else xp_of(*flats).concatenate(flats)
        self._begun.append((flat, {name: grad.shape for name, grad in grads.items()}, self._comm.start_sum(flat)))


@dataclass(frozen=True)
class DataShare(Share):
    """A rank's images of a batch. Where none is left for it, it takes another's last one, with weight 0."""

    team: Any = None
    sums: Sums | None = None

    def ops(self, ops):
        def mask(shape, p, rng, *, xp):
            return ops.dropout_mask((self.images, *shape[1:]), p, rng, xp=xp)[self.rows]

        return replace(ops, dropout_mask=mask)

    def ready(self, grads):
        self.sums.add(grads)

    def summed(self, grads):
        return self.sums.finish(grads)

    def statistics(self, state):
        """Their mean over the ranks, weighted by images."""
        if not state:
            return state
        values = state.values()
        flat = xp_of(*values).concatenate([value.reshape(-1) for value in values]) * self.weight
        self.team.comm.sum(flat)
        ends = np.cumsum([value.size for value in values])[:-1].tolist()
        parts = xp_of(flat).split(flat, ends)
        return {name: part.reshape(value.shape) for (name, value), part in zip(state.items(), parts, strict=True)}

    def total(self, loss, right, *others):
        values = xp_of(loss).stack((loss * self.weight, right * (self.weight > 0), *others))
        self.team.comm.sum(values)
        return values

    def whole(self, array):
        return self.team.rows(array if self.weight else array[:0])


class DataParallel(Team):
    """Ranks that each have the whole network, and their share of every batch."""

    def __init__(self, ranks, comm, xp):
        self.rank, self.size = ranks.rank, ranks.size
        self.comm, self._ranks, self._xp = comm, ranks, xp

    def whole(self, snapshot):
        return snapshot if self.rank == 0 else None

    def share(self, images):
        rows = rows_of(images, self.rank, self.size)
        weight = (rows.stop - rows.start) / images
        rows = rows if weight else slice(images - 1, images)
        return DataShare(images, rows, weight, self, Sums(self.comm))

    def split(self, split):
        rows = rows_of(len(split), self.rank, self.size)
        return Subset(split, np.arange(rows.start, rows.stop))

    def rows(self, array):
        parts = self._ranks.gather(to_numpy(array))
        return xp_of(array).asarray(np.concatenate(parts)) if self.rank == 0 else None

    def total(self, sums, count):
        sums = sums if count else self._xp.zeros(3, "float64")
        self.comm.sum(sums)
        return sums, self._ranks.allreduce(count)

    def agree(self, *numbers):
        return largest(self._ranks, numbers)

    def told(self, value):
        return self._ranks.bcast(value)
