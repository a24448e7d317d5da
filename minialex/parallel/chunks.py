"""The same step on several threads of a CPU."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby

from minialex import network
from minialex.backend import get_backend, xp_of
from minialex.layers import Conv, Layer, Linear, NoParameters
from minialex.ops import Ops, fast, reference
from minialex.ops.winograd import applies
from minialex.threads import Threads

CHUNK = 8  # images that a thread takes at a time
FEW = 2  # images of a chunk from layer to layer: what one layer writes is in the cache when the next one reads it
BLOCK = 512  # columns of a fully connected layer's weights


@dataclass(frozen=True)
class Chunks(NoParameters):
    """Layers that look at one image at a time, run on a few images at a time.

    map is Python's own for one chunk after another, or Threads'. The chunks do not depend on the number of threads,
    and their gradients are added in the order of the chunks: the results are the same bits for any number of threads.
    """

    layers: tuple[Layer, ...]
    images: int
    map: Callable

    def forward(self, params, x, *, state, train, rng, ops):
        def run(part):
            return network.forward(self.layers, params, part, state=state, train=train, ops=ops)

        outputs, caches = zip(*self.map(run, self._cut(x)), strict=True)
        return _join(outputs), caches

    def backward(self, dy, cache, *, ops, need_dx=True):
        def run(part, caches):
            return network.backward_through(self.layers, caches, part, ops=ops, need_dx=need_dx)

        dxs: list = []
        total: dict = {}
        for dx, grads in self.map(run, self._cut(dy), cache):
            dxs.append(dx)
            _add(total, grads)
        return _join(dxs) if need_dx else None, total

    def _cut(self, x):
        return [x[start : start + self.images] for start in range(0, len(x), self.images)]


def _join(parts):
    return xp_of(parts[0]).concatenate(parts) if len(parts) > 1 else parts[0]


def _add(total: dict, grads) -> None:
    """Add gradients to the totals, in arrays that are ours alone."""
    for name, grad in grads.items():
        if name in total:
            total[name] += grad
        else:
            total[name] = grad.copy()


class Reused:
    """Memory of one array that every step writes anew: to get it anew would cost more than to fill it."""

    def __init__(self):
        self._array = None

    def like(self, xp, shape, dtype):
        """The array of the last time, where it still fits; what was in it is lost."""
        if self._array is None or (self._array.shape, self._array.dtype) != (shape, dtype):
            self._array = xp.empty(shape, dtype)
        return self._array


@dataclass(frozen=True)
class ColumnBlocks(NoParameters):
    """A fully connected layer, run on a few columns of its weights at a time, on several threads.

    The same bits for any number of threads again, which BLAS on its own threads does not promise. In chunks of images
    each chunk would make a gradient as large as W. The gradient of W lies in the same memory at every step.
    """

    layer: Linear
    threads: Threads
    gradient: Reused = field(default_factory=Reused)

    def forward(self, params, x, *, state, train, rng, ops):
        W, b = params[f"{self.layer.name}.W"], params[f"{self.layer.name}.b"]

        def run(columns):
            return ops.linear.forward(x, W[:, columns], b[columns])

        outputs, caches = zip(*self.threads.map(run, _blocks(W)), strict=True)
        return xp_of(x).concatenate(outputs, axis=1), (caches, W.shape)

    def backward(self, dy, cache, *, ops, need_dx=True):
        caches, W_shape = cache
        xp = xp_of(dy)
        dW = self.gradient.like(xp, W_shape, xp.result_type(dy.dtype, xp.float32))  # of float16 it may be float32

        def run(columns, part):
            dx, dW[:, columns], db = ops.linear.backward(dy[:, columns], part, need_dx=need_dx)
            return dx, db

        dxs, dbs = zip(*self.threads.map(run, _blocks(dy), caches), strict=True)
        return sum(dxs) if need_dx else None, {f"{self.layer.name}.W": dW, f"{self.layer.name}.b": xp.concatenate(dbs)}


def _blocks(array):
    return [slice(start, start + BLOCK) for start in range(0, array.shape[1], BLOCK)]


def for_backend(layers: Sequence[Layer], xp, pool: ThreadPoolExecutor) -> tuple[tuple[Layer, ...], Ops]:
    """A network's layers and the table of pairs as they run fastest: on NumPy by_image_chunks and `fast`."""
    if xp is get_backend("numpy"):
        return by_image_chunks(layers, pool), fast
    return tuple(layers), reference


def by_image_chunks(layers: Sequence[Layer], pool: ThreadPoolExecutor) -> tuple[Layer, ...]:
    """Rewrite a table of layers for a CPU: each run of layers that look at one image at a time becomes Chunks.

    A fully connected layer becomes ColumnBlocks, which write the gradient of its weights over that of the step before.
    Names of parameters survive. A layer that mixes images, keeps running statistics, or does not say `per_image`, stays
    as it is.
    """

    def in_chunks(layer):
        return getattr(layer, "per_image", False) and not hasattr(layer, "update_state")

    def whole(layer):
        return ColumnBlocks(layer, threads) if isinstance(layer, Linear) else layer

    threads = Threads(pool)
    rewritten: list[Layer] = []
    for chunked, group in groupby(layers, key=in_chunks):
        run = tuple(group)
        rewritten += [Chunks(_few_at_a_time(run), CHUNK, threads.map)] if chunked else map(whole, run)
    return tuple(rewritten)


def _few_at_a_time(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The layers of a chunk: few images at a time, but where kernels are transformed, which is done once for all."""

    def transformed(layer):
        return isinstance(layer, Conv) and applies(layer.kernel, layer.stride)

    rewritten: list[Layer] = []
    for whole, group in groupby(layers, key=transformed):
        run = tuple(group)
        rewritten += run if whole else [Chunks(run, FEW, map)]
    return tuple(rewritten)
