"""Mixed precision: float16 where time goes by, float32 where accuracy is kept, and a loss that is scaled to fit.

In a training step images, activations, their gradients and the factors of matrix products are float16: half the
bytes, and what a GPU's tensor cores multiply. Parameters, velocities, running statistics and all sums are float32
(Micikevicius et al.: Mixed precision training, 2018). Gradients are small, and below 6e-8 float16 has nothing but 0,
so the loss is multiplied by a factor first, and the update divides by it in float32.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from minialex.backend import get_backend
from minialex.ops import Ops, Pair, reference

GROWTH = 2000  # good steps after which a factor twice as large is tried
SUMS = ("lrn", "mapnorm", "batchnorm", "tanh", "softmax_cross_entropy")  # pairs of which float16 would spoil the sums
PRODUCTS = ("conv", "linear")  # those that a GPU computes in float16 and sums in float32; NumPy has no BLAS for it


@dataclass(frozen=True)
class Precision:
    """The types that a run computes in.

    params: of parameters, velocities and running statistics, and of all that is not a training step.
    activations: of images, activations and their gradients in a training step.
    """

    params: str
    activations: str

    @property
    def mixed(self) -> bool:
        """Whether the two differ, so that the loss is to be scaled."""
        return self.params != self.activations


PRECISIONS = {
    "float32": Precision("float32", "float32"),
    "float64": Precision("float64", "float64"),
    "mixed": Precision("float32", "float16"),
}


def mixed(ops: Ops, xp) -> Ops:
    """The table of pairs for mixed precision: those of `reference` among SUMS, on NumPy PRODUCTS too, are widened.

    Kernels keep sums of float16 in float32 by themselves.
    """
    names = SUMS if xp is not get_backend("numpy") else (*SUMS, *PRODUCTS)
    kernels = {name for name in SUMS if getattr(ops, name) is not getattr(reference, name)}
    return replace(ops, **{name: widened(getattr(ops, name)) for name in names if name not in kernels})


def widened(pair: Pair) -> Pair:
    """The pair, computed in float32 where arrays are float16: y and dx are float16 again, other gradients float32."""

    def forward(*arrays, **options):
        y, cache = pair.forward(*map(_wide, arrays), **options)
        return (y if y.ndim == 0 else y.astype(arrays[0].dtype, copy=False)), cache

    def backward(dy, cache, **options):
        grads = pair.backward(_wide(dy), cache, **options)
        dx, *others = grads if isinstance(grads, tuple) else (grads,)
        narrow = getattr(dy, "dtype", None) == "float16" and dx is not None
        dx = dx.astype("float16") if narrow else dx
        return (dx, *others) if isinstance(grads, tuple) else dx

    return Pair(forward, backward)


def _wide(value):
    return value.astype("float32") if getattr(value, "dtype", None) == "float16" else value


@dataclass(frozen=True)
class LossScale:
    """The factor of the loss, a power of 2, and how many good steps it has been through since it changed."""

    factor: float = 2.0**16
    good: int = 0

    def after(self, fitted: bool) -> "LossScale":
        """The scale of the next step: half where gradients of this one overflowed, twice after GROWTH good steps."""
        if not fitted:
            return LossScale(self.factor / 2)
        good = self.good + 1
        return LossScale(2 * self.factor) if good == GROWTH else LossScale(self.factor, good)


def cast(params: Mapping, dtype) -> dict:
    """Parameters in the type of a step's activations: copies in another type, or the very arrays in their own."""
    return {name: value.astype(dtype, copy=False) for name, value in params.items()}


def total(grads: Mapping):
    """The sum of all gradients, an array without axes: finite exactly where every one of them is.

    For 61 million numbers up to 65,504 add up to 4e12, far from float32's end; and it is one number to wait for.
    """
    return sum(grad.sum(dtype="float32") for grad in grads.values())
