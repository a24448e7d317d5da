"""The same step on several threads of a CPU."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

from threadpoolctl import ThreadpoolController

from minialex import network
from minialex.backend import xp_of
from minialex.layers import Layer, Linear, NoParameters

BLOCK = 512  # columns of a fully connected layer's weights
CHUNK = 8  # images: their columns (im2col) stay in a CPU's cache, those of a whole batch would not


@dataclass(frozen=True)
class ImageChunks(NoParameters):
    """Layers that look at one image at a time, run on a few images at a time, on several threads.

    The chunks do not depend on the number of threads, and their gradients are added in the order of the chunks:
    the results are the same bits for any number of threads.
    """

    layers: tuple[Layer, ...]
    pool: ThreadPoolExecutor
    blas: ThreadpoolController

    def forward(self, params, x, *, state, train, rng, ops):
        def run(part):
            return network.forward(self.layers, params, part, state=state, train=train, ops=ops)

        outputs, caches = zip(*_map(self, run, _chunks(x)), strict=True)
        return xp_of(x).concatenate(outputs), caches

    def backward(self, dy, cache, *, ops, need_dx=True):
        def run(part, caches):
            return network.backward_through(self.layers, caches, part, ops=ops, need_dx=need_dx)

        dxs, grads = zip(*_map(self, run, _chunks(dy), cache), strict=True)
        total = {name: sum(part[name] for part in grads) for name in grads[0]}
        return xp_of(dy).concatenate(dxs) if need_dx else None, total


@dataclass(frozen=True)
class ColumnBlocks(NoParameters):
    """A fully connected layer, run on a few columns of its weights at a time, on several threads.

    The same bits for any number of threads again, which BLAS on its own threads does not promise. In chunks of images
    each chunk would make a gradient as large as W.
    """

    layer: Linear
    pool: ThreadPoolExecutor
    blas: ThreadpoolController

    def forward(self, params, x, *, state, train, rng, ops):
        W, b = params[f"{self.layer.name}.W"], params[f"{self.layer.name}.b"]

        def run(columns):
            return ops.linear.forward(x, W[:, columns], b[columns])

        outputs, caches = zip(*_map(self, run, _blocks(W)), strict=True)
        return xp_of(x).concatenate(outputs, axis=1), caches

    def backward(self, dy, cache, *, ops, need_dx=True):
        def run(columns, part):
            return ops.linear.backward(dy[:, columns], part, need_dx=need_dx)

        dxs, dWs, dbs = zip(*_map(self, run, _blocks(dy), cache), strict=True)
        xp, name = xp_of(dy), self.layer.name
        grads = {f"{name}.W": xp.concatenate(dWs, axis=1), f"{name}.b": xp.concatenate(dbs)}
        return sum(dxs) if need_dx else None, grads


def _map(parts: ImageChunks | ColumnBlocks, run, *arguments) -> list:
    with parts.blas.limit(limits=1, user_api="blas"):  # one thread a part: NumPy's own loops use no more
        return list(parts.pool.map(run, *arguments))


def _chunks(x):
    return [x[start : start + CHUNK] for start in range(0, len(x), CHUNK)]


def _blocks(array):
    return [slice(start, start + BLOCK) for start in range(0, array.shape[1], BLOCK)]


def by_image_chunks(layers: Sequence[Layer], pool: ThreadPoolExecutor) -> tuple[Layer, ...]:
    """Rewrite a table of layers for a CPU: each run of layers that look at one image at a time becomes ImageChunks.

    A fully connected layer becomes ColumnBlocks. Names of parameters survive. A layer that mixes images, keeps running
    statistics, or does not say `per_image`, stays as it is.
    """

    def in_chunks(layer):
        return getattr(layer, "per_image", False) and not hasattr(layer, "update_state")

    def whole(layer):
        return ColumnBlocks(layer, pool, blas) if isinstance(layer, Linear) else layer

    blas = ThreadpoolController()
    rewritten: list[Layer] = []
    for chunked, group in groupby(layers, key=in_chunks):
        run = tuple(group)
        rewritten += [ImageChunks(run, pool, blas)] if chunked else map(whole, run)
    return tuple(rewritten)
