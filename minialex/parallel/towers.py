"""The two towers of section 3.2: each rank has half of the kernels of every layer, and the network is one.

A kernel, and whatever belongs to one, lies along the last axis of every parameter: a rank's part is its half of that
axis. Activations are exchanged where a layer sees all maps, into conv3 and the fully connected layers; the gradients go
the same way back. Each rank works on every image.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from minialex.backend import xp_of
from minialex.errors import UserError
from minialex.layers import (
    LRN,
    BatchNorm,
    Conv,
    Dropout,
    Flatten,
    Layer,
    Linear,
    MapNorm,
    MaxPool,
    NoParameters,
    ReLU,
    Tanh,
)
from minialex.parallel.comm import largest
from minialex.parallel.team import Share, Team


@dataclass(frozen=True)
class Exchange(NoParameters):
    """Each rank gets the maps of all (3.2): x (N,...,C/ranks) -> y (N,...,C).

    Backward, a rank has what all maps owe to its own kernels: of its own maps it gets the sum over the ranks.
    """

    comm: Any

    def forward(self, params, x, *, state, train, rng, ops):
        return joined(self.comm.gather(x)), None

    def backward(self, dy, cache, *, ops, need_dx=True):
        return self.comm.scatter_sum(parted(dy, self.comm.size)), {}


@dataclass(frozen=True)
class Logits(Exchange):
    """An exchange behind the last layer, where each rank goes on to the same loss: its own part of dy is complete."""

    def backward(self, dy, cache, *, ops, need_dx=True):
        return parted(dy, self.comm.size)[self.comm.rank], {}


@dataclass(frozen=True)
class OwnDropout(NoParameters):
    """Dropout of a rank's own units (4.2): they have their columns of the mask of all units."""

    layer: Dropout
    comm: Any

    def forward(self, params, x, *, state, train, rng, ops):
        def mask(shape, p, rng, *, xp):
            *front, units = shape
            whole = ops.dropout_mask((*front, units * self.comm.size), p, rng, xp=xp)
            return parted(whole, self.comm.size)[self.comm.rank]

        return self.layer.forward(params, x, state=state, train=train, rng=rng, ops=replace(ops, dropout_mask=mask))

    def backward(self, dy, cache, *, ops, need_dx=True):
        return self.layer.backward(dy, cache, ops=ops, need_dx=need_dx)


def joined(parts):
    """The parts of the ranks (ranks,...,C/ranks) side by side: (...,C)."""
    *_, channels = parts.shape
    return xp_of(parts).moveaxis(parts, 0, -2).reshape(*parts.shape[1:-1], len(parts) * channels)


def parted(whole, ranks: int):
    """What `joined` joins, in the order of the ranks and contiguous: (...,C) -> (ranks,...,C/ranks)."""
    *front, channels = whole.shape
    parts = whole.reshape(*front, ranks, channels // ranks)
    return xp_of(whole).ascontiguousarray(xp_of(whole).moveaxis(parts, -2, 0))


def towers(layers: Sequence[Layer], comm) -> tuple[Layer, ...]:
    """A rank's own half of a network, and the exchanges in it.

    Raises UserError where a layer cannot be halved: it is local response normalisation across all maps, or sizes or
    groups do not divide by the number of ranks.
    """
    rewritten: list[Layer] = []
    own = False  # whether the maps at hand are the rank's own, or all, as those of the image are
    for layer in layers:
        if own and sees_all(layer):
            rewritten.append(Exchange(comm))
            own = False
        rewritten.append(half(layer, comm, own))
        own = own or isinstance(layer, (Conv, Linear))
    return (*rewritten, Logits(comm)) if own else tuple(rewritten)


def sees_all(layer: Layer) -> bool:
    """Whether a kernel of the layer sees all maps: those of a grouped convolution see their own rank's alone."""
    return isinstance(layer, (Flatten, Linear)) or (isinstance(layer, Conv) and layer.groups == 1)


def half(layer: Layer, comm, own: bool) -> Layer:
    """A layer with a rank's kernels alone, on its own maps or on all."""
    match layer:
        case Conv():
            groups = 1 if layer.groups == 1 else divided(layer.groups, comm, f"{layer.name}'s groups")
            return replace(layer, maps=divided(layer.maps, comm, f"{layer.name}'s maps"), groups=groups)
        case Linear():
            return replace(layer, units=divided(layer.units, comm, f"{layer.name}'s units"))
        case LRN() if own:
            return replace(layer, groups=divided(layer.groups, comm, "the groups of local response normalisation"))
        case Dropout() if own:
            return OwnDropout(layer, comm)
        case ReLU() | Tanh() | MaxPool() | MapNorm() | Flatten() | LRN() | Dropout():
            return layer
        case BatchNorm() if own:
            return layer
    raise UserError(f"no tower is known for {type(layer).__name__}: train it with --parallel data")


def divided(size: int, comm, what: str) -> int:
    if size % comm.size:
        raise UserError(
            f"{what} are {size}, which {comm.size} ranks cannot share as towers: start 2, on a network that has two "
            "(paper, code2012, bn) and an even number of classes; or take --parallel data"
        )
    return size // comm.size


class Towers(Team):
    """Ranks of which each has its part of the kernels, and every image."""

    def __init__(self, ranks, comm, xp):
        self.rank, self.size = ranks.rank, ranks.size
        self._ranks, self._comm = ranks, comm

    def layers(self, layers):
        return towers(layers, self._comm)

    def part(self, snapshot):
        return snapshot.on(lambda value: parted(value, self.size)[self.rank].copy())

    def whole(self, snapshot):
        def gathered(value):
            parts = self._comm.gather(value)
            return joined(parts) if self.rank == 0 else None

        whole = snapshot.on(gathered)
        return whole if self.rank == 0 else None

    def share(self, images):
        return TowersShare(images, slice(images), comm=self._comm)

    def agree(self, *numbers):
        return largest(self._ranks, numbers)

    def told(self, value):
        return self._ranks.bcast(value)


@dataclass(frozen=True)
class TowersShare(Share):
    """All images; only what is said of gradients differs between the ranks."""

    comm: Any = None

    def total(self, *values):
        mean = super().total(*values) / self.comm.size
        self.comm.sum(mean)
        return mean
