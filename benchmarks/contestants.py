"""What takes part in benchmarks/cpu.py: minialex, and the bare matrix products; PyTorch is in torch_contestants.py.

Each function here that takes `threads` makes all that one contestant needs, in a process that it has for itself, and
returns its works: {name: stages}. The stages of a work are functions that run one after the other, each on what the one
before it returned: a training step has one stage, a layer alone has two, its forward and its backward.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from math import ceil, prod
from queue import SimpleQueue

import numpy as np
from threadpoolctl import ThreadpoolController

import minialex.ops
from minialex import alexnet, network, optim, train
from minialex.layers import Conv, Flatten, Linear
from minialex.ops import Ops
from minialex.parallel import CHUNK, by_image_chunks
from minialex.rng import DROPOUT, INIT, generator
from minialex.threads import compute_threads

Works = dict[str, tuple[Callable, ...]]

RATES = optim.Rates(0.001, 0.001)
PAPER = alexnet.build("paper")


def noise(*shape: int) -> np.ndarray:
    """Speed does not depend on what is in the pictures."""
    return np.random.default_rng(0).standard_normal(shape, "float32")


def labels(batch: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1000, batch)


def layer_names(layers: tuple = PAPER.layers) -> list[str]:
    """A name for each layer; one without a name of its own has the number of the last that has one."""
    names, number = [], ""
    for layer in layers:
        number = layer.name[-1] if hasattr(layer, "name") else number
        names.append(getattr(layer, "name", f"{type(layer).__name__} {number}"))
    return names


# minialex


@dataclass(frozen=True)
class Ours:
    """`paper` with its parameters, and how minialex computes it: on which table of pairs, and on which threads."""

    params: dict
    state: dict
    ops: Ops
    on_threads: Callable
    until: ExitStack  # closed, it ends the threads


def ours(threads: int, ops: str = "fast") -> Ours:
    until = ExitStack()
    pool = until.enter_context(compute_threads(threads))
    params, state = network.init(PAPER.layers, PAPER.input_shape, generator(0, INIT), xp=np)
    return Ours(params, state, getattr(minialex.ops, ops), lambda layers: by_image_chunks(layers, pool), until)


def step(threads: int, batch: int, ops: str = "fast") -> Works:
    me, x, t = ours(threads, ops), noise(batch, *PAPER.input_shape), labels(batch)
    layers, velocity, rng = me.on_threads(PAPER.layers), optim.init_velocity(me.params), generator(0, DROPOUT)

    def run(_):
        train.step(layers, me.params, velocity, me.state, x, t, rates=RATES, rng=rng, ops=me.ops)

    return {"step": (run,)}


def inference(threads: int, batch: int) -> Works:
    me, x = ours(threads), noise(batch, *PAPER.input_shape)
    layers = me.on_threads(PAPER.layers)

    def run(_):
        network.forward(layers, me.params, x, state=me.state, train=False, ops=me.ops)

    return {"inference": (run,)}


def layers(threads: int, batch: int) -> Works:
    me = ours(threads)
    works, x = {}, noise(1, *PAPER.input_shape)
    for name, layer in zip(layer_names(), PAPER.layers, strict=True):
        y, _ = layer.forward(me.params, x, state=me.state, train=False, rng=None, ops=me.ops)
        if not isinstance(layer, Flatten):
            works[name] = _layer(me, layer, noise(batch, *x.shape[1:]), noise(batch, *y.shape[1:]), bool(works))
        x = y
    return works | {"softmax": _softmax(me, noise(batch, *x.shape[1:])), "update": _update(me)}


def _layer(me: Ours, layer, x, dy, need_dx: bool):
    (alone,), rng = me.on_threads((layer,)), generator(0, DROPOUT)

    def forward(_):
        return alone.forward(me.params, x, state=me.state, train=True, rng=rng, ops=me.ops)

    def backward(result):
        _, cache = result
        alone.backward(dy, cache, ops=me.ops, need_dx=need_dx)

    return forward, backward


def _softmax(me: Ours, logits):
    t, pair = labels(len(logits)), me.ops.softmax_cross_entropy
    return lambda _: pair.forward(logits, t), lambda result: pair.backward(1.0, result[1])


def _update(me: Ours):
    velocity, grads = optim.init_velocity(me.params), {name: value.copy() for name, value in me.params.items()}
    return (lambda _: optim.update(me.params, velocity, grads, RATES),)


# The bound


def bound(threads: int, batch: int) -> Works:
    """The matrix products of a training step of `paper`, and nothing else.

    Those of the convolutions for as many images at a time as minialex takes, BLAS on one thread and the chunks on all;
    those of the fully connected layers for the whole batch, BLAS on all threads. Operands and results are there before.
    """
    images, pool, blas = min(CHUNK, batch), ThreadPoolExecutor(threads), ThreadpoolController()
    chunks: SimpleQueue = SimpleQueue()
    for _ in range(threads):
        chunks.put(_products(Conv, images))
    whole = _products(Linear, batch)

    def one_chunk(_):
        products = chunks.get()
        _multiply(products)
        chunks.put(products)

    def run(_):
        with blas.limit(limits=1, user_api="blas"):
            list(pool.map(one_chunk, range(ceil(batch / images))))
        with blas.limit(limits=threads, user_api="blas"):
            _multiply(whole)

    return {"step": (run,)}


def _products(kind: type, images: int) -> list:
    """(a, b, out) of every matrix product that the layers of one kind have in a training step."""
    products, params = [], {}
    for layer, shape in network.trace(PAPER.layers, PAPER.input_shape, params, {}, Zeros(), xp=np):
        if isinstance(layer, kind):
            W, groups = params[f"{layer.name}.W"], getattr(layer, "groups", 1)
            rows, inner, columns = images * prod(shape[:-1]), W[..., 0].size, W.shape[-1] // groups
            products += groups * _of_layer(rows, inner, columns, need_dx=layer.name != "conv1")
    return products


class Zeros:
    """A generator of initial values that takes neither time nor memory."""

    def normal(self, mean, sigma, shape):
        return np.zeros(shape, "float32")


def _of_layer(rows: int, inner: int, columns: int, need_dx: bool) -> list:
    x, W, y = noise(rows, inner), noise(inner, columns), noise(rows, columns)
    forward, for_W = (x, W, np.empty_like(y)), (x.T, y, np.empty_like(W))
    return [forward, for_W, (y, W.T, np.empty_like(x))] if need_dx else [forward, for_W]


def _multiply(products: list) -> None:
    for a, b, out in products:
        np.matmul(a, b, out=out)
