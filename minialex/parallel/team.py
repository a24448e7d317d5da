"""What the training loop asks of the ranks that train one network together; here, of a process that is alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from minialex.backend import xp_of
from minialex.checkpoint import Snapshot
from minialex.layers import Layer
from minialex.ops import Ops


@dataclass(frozen=True)
class Share:
    """What a rank does of one batch of images. A process that is alone does all of it, and nothing is summed."""

    images: int  # in the whole batch
    rows: slice  # those of the rank
    weight: float = 1.0  # of the mean of its losses in that of the batch

    def ops(self, ops: Ops) -> Ops:
        """The table of pairs, in which dropout draws a rank's part of the mask that the whole batch has."""
        return ops

    def ready(self, grads) -> None:
        """Take note of a layer's gradients while those of the layers before it are still to come."""

    def summed(self, grads):
        """The gradients of the whole batch."""
        return grads

    def statistics(self, state):
        """Running statistics, over the ranks."""
        return state

    def total(self, loss, right, *others):
        """A rank's mean loss, how many images it had right, other sums: those of the batch, stacked. Collective."""
        return xp_of(loss).stack((loss, right, *others))

    def whole(self, array):
        """From the rows of the ranks those of the whole batch, on the first rank; None on the others. Collective."""
        return array


class Team:
    """The ranks that train one network together; on this one, a process that is alone.

    What every rank has to call is said to be collective.
    """

    rank, size = 0, 1

    def layers(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """A network's layers as this rank runs them."""
        return tuple(layers)

    def part(self, snapshot: Snapshot) -> Snapshot:
        """What this rank keeps of a whole snapshot."""
        return snapshot

    def whole(self, snapshot: Snapshot) -> Snapshot | None:
        """From the snapshots of the ranks the whole one, on the first rank; None on the others. Collective."""
        return snapshot

    def share(self, images: int) -> Share:
        """This rank's share of a batch of so many images."""
        return Share(images, slice(images))

    def split(self, split):
        """The images of a split that this rank tests the network on."""
        return split

    def rows(self, array):
        """From what the ranks found for their images that of all images, on the first rank; None else. Collective."""
        return array

    def total(self, sums, count: int) -> tuple:
        """Sums over the images of a test, and their count: of all ranks. Collective."""
        return sums, count

    def agree(self, *numbers: float) -> tuple[float, ...]:
        """The largest of each number among the ranks. Collective."""
        return numbers

    def told(self, value):
        """What the first rank has here, on every rank. Collective."""
        return value


ALONE = Team()
