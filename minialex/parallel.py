"""The same step on several threads of a CPU."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

from threadpoolctl import ThreadpoolController

from minialex import network
from minialex.backend import xp_of
from minialex.layers import Layer, NoParameters

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

        outputs, caches = zip(*self._map(run, _chunks(x)), strict=True)
        return xp_of(x).concatenate(outputs), caches

    def backward(self, dy, cache, *, ops, need_dx=True):
        def run(part, caches):
            return network.backward_through(self.layers, caches, part, ops=ops, need_dx=need_dx)

        dxs, grads = zip(*self._map(run, _chunks(dy), cache), strict=True)
        total = {name: sum(part[name] for part in grads) for name in grads[0]}
        return xp_of(dy).concatenate(dxs) if need_dx else None, total

    def _map(self, run, *parts):
        with self.blas.limit(limits=1, user_api="blas"):  # one thread a chunk: NumPy's own loops use no more
            return list(self.pool.map(run, *parts))


def _chunks(x):
    return [x[start : start + CHUNK] for start in range(0, len(x), CHUNK)]


def by_image_chunks(layers: Sequence[Layer], pool: ThreadPoolExecutor) -> tuple[Layer, ...]:
    """Rewrite a table of layers for a CPU: each run of layers that look at one image at a time becomes ImageChunks.

    Names of parameters survive. A layer that mixes images, keeps running statistics, or does not say `per_image`,
    stays as it is.
    """

    def in_chunks(layer):
        return getattr(layer, "per_image", False) and not hasattr(layer, "update_state")

    blas = ThreadpoolController()
    rewritten: list[Layer] = []
    for chunked, group in groupby(layers, key=in_chunks):
        run = tuple(group)
        rewritten += [ImageChunks(run, pool, blas)] if chunked else run
    return tuple(rewritten)
