"""The update rule and the learning-rate schedules of section 5."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from minialex.backend import get_backend, xp_of

BLOCK = 1 << 16  # numbers of each array that a CPU's cache holds from one operation to the next


@dataclass(frozen=True)
class Rates:
    """What the update rule needs beside the gradients; biases are all parameters with one axis.

    layers: rates of layers that have one of their own, for weights and biases; None where a layer is frozen.
    loss_scale: the factor of the loss that the gradients are of. It is divided away in the update, by
    rate (decay w + g) = rate/S (S decay w + S g), to the bit where it is a power of 2: gradients need no copy for it.
    """

    weights: float
    biases: float
    momentum: float = 0.9
    decay: float = 0.0005
    bias_decay: float = 0.0005
    layers: Mapping[str, float | None] = field(default_factory=dict)
    loss_scale: float = 1.0

    def of(self, name: str, value) -> tuple[float | None, float]:
        """The (rate, decay) of a parameter such as "conv1.W", for its gradient; the rate is None where it is frozen."""
        rate, decay = (self.biases, self.bias_decay) if value.ndim == 1 else (self.weights, self.decay)
        rate = self.layers.get(name.rpartition(".")[0], rate)
        return None if rate is None else rate / self.loss_scale, decay * self.loss_scale


def init_velocity(params: Mapping) -> dict:
    """Velocities of zero, one for each parameter."""
    return {name: xp_of(value).zeros_like(value) for name, value in params.items()}


def update(params: Mapping, velocity: Mapping, grads: Mapping, rates: Rates) -> None:
    """One step of section 5, IN PLACE: at 61 million parameters fresh arrays would cost more than the sums.

    v <- momentum v - decay rate w - rate <dL/dw>;   w <- w + v

    The rate is inside the velocity: after a drop of the rate, what was gathered before it still counts in full.
    Gradients may be of a smaller type than the parameters, and of a scaled loss.
    A frozen layer stays as it is, and its velocity too: neither momentum nor decay moves it.
    Raises ValueError where shapes differ, or where a flat view of w or v would be a copy and the update be lost.
    Where memory runs out, nothing has been updated: all of it is taken before.
    """
    parts = [part for name in params for part in _parts(name, params[name], velocity[name], grads[name], rates)]
    longest = max(parts, key=lambda part: part[0].size, default=None)
    scratch = None if longest is None else xp_of(longest[0]).empty_like(longest[0])
    for w, v, g, rate, decay in parts:
        change = xp_of(w).multiply(w, decay, out=scratch[: w.size])
        change += g
        change *= rate
        v *= rates.momentum
        v -= change
        w += v


def _parts(name: str, w, v, g, rates: Rates):
    """Stretches of a parameter, its velocity and gradient, flat, with their rate and decay; none where it is frozen.

    They are BLOCKs on a CPU. On a GPU, where each operation costs a start and nothing stays in a cache, it is one.
    """
    check(name, w, v, g)
    rate, decay = rates.of(name, w)
    if rate is None:
        return
    w, v, g = (array.reshape(-1) for array in (w, v, g))
    size = BLOCK if xp_of(w) is get_backend("numpy") else max(1, w.size)
    for start in range(0, w.size, size):
        block = slice(start, start + size)
        yield w[block], v[block], g[block], rate, decay


def check(name: str, w, v, g) -> None:
    """Raise ValueError unless a parameter, its velocity and its gradient can be updated in place (section 5).

    All three have one shape, and w and v are C-contiguous.
    """
    if not w.shape == v.shape == g.shape:
        raise ValueError(f"{name} has shape {w.shape}: it needs a velocity and a gradient so, got {v.shape}, {g.shape}")
    if not (w.flags.c_contiguous and v.flags.c_contiguous):
        raise ValueError(f"{name}: it and its velocity need to be C-contiguous, to be updated in place")


@dataclass(frozen=True)
class Steps:
    """The rate is divided by `factor` at the start of each of these epochs (run 145: after 25, 51 and 79)."""

    epochs: tuple[int, ...]
    factor: float = 10.0

    def scale(self, epoch: int, errors: Sequence[float]) -> float:
        """The factor on the rate in `epoch`, counted from 0; `errors` is not looked at."""
        return self.factor ** -sum(epoch >= drop for drop in self.epochs)


@dataclass(frozen=True)
class Plateau:
    """The rate is divided by `factor` where the validation error stopped falling, `drops` times at most (section 5).

    It has stopped when `patience` epochs brought no new lowest error since the last one or the last drop.
    """

    patience: int = 5
    factor: float = 10.0
    drops: int = 3

    def scale(self, epoch: int, errors: Sequence[float]) -> float:
        """The factor on the rate in `epoch`, a function of the validation errors of all epochs before it."""
        best, waited, drops = float("inf"), 0, 0
        for error in errors[:epoch]:
            best, waited = (error, 0) if error < best else (best, waited + 1)
            if waited == self.patience and drops < self.drops:
                waited, drops = 0, drops + 1
        return self.factor**-drops


def warm_up(step: int, steps: int) -> float:
    """A factor that rises from 1/steps to 1 over the first `steps` steps of training, counted from 0."""
    return min(1.0, (step + 1) / steps) if steps else 1.0
