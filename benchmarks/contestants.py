"""What benchmarks/cpu.py compares: minialex, PyTorch, and the bare matrix products.

Each function here that takes `threads` makes all that one contestant needs, in a process that it has for itself, and
returns its works: {name: stages}. The stages of a work are functions that run one after the other, each on what the one
before it returned: a training step has one stage, a layer alone has two, its forward and its backward.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from queue import SimpleQueue

import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits

from minialex import alexnet, network, optim
from minialex.layers import Conv, Flatten, Linear
from minialex.ops import Ops, reference
from minialex.parallel import CHUNK, by_image_chunks
from minialex.rng import DROPOUT, INIT, generator
from minialex.train import step

Works = dict[str, tuple[Callable, ...]]

FORMATS = {"contiguous_format": "NCHW", "channels_last": "NHWC"}  # PyTorch's two memory formats
RATES = optim.Rates(0.001, 0.001)
PAPER = alexnet.build("paper")


def noise(*shape: int) -> np.ndarray:
    """Speed does not depend on what is in the pictures."""
    return np.random.default_rng(0).standard_normal(shape, "float32")


def labels(batch: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1000, batch)


def layer_names() -> list[str]:
    """A name for each layer of `paper`; one without a name of its own has the number of the last that has one."""
    names, number = [], ""
    for layer in PAPER.layers:
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


def ours(threads: int) -> Ours:
    pool = ThreadPoolExecutor(threads)
    threadpool_limits(threads, user_api="blas")
    params, state = network.init(PAPER.layers, PAPER.input_shape, generator(0, INIT), xp=np)
    return Ours(params, state, reference, lambda layers: by_image_chunks(layers, pool))


def ours_step(threads: int, batch: int) -> Works:
    me, x, t = ours(threads), noise(batch, *PAPER.input_shape), labels(batch)
    layers, velocity, rng = me.on_threads(PAPER.layers), optim.init_velocity(me.params), generator(0, DROPOUT)

    def run(_):
        step(layers, me.params, velocity, me.state, x, t, rates=RATES, rng=rng, ops=me.ops)

    return {"step": (run,)}


def ours_inference(threads: int, batch: int) -> Works:
    me, x = ours(threads), noise(batch, *PAPER.input_shape)
    layers = me.on_threads(PAPER.layers)

    def run(_):
        network.forward(layers, me.params, x, state=me.state, train=False, ops=me.ops)

    return {"inference": (run,)}


def ours_layers(threads: int, batch: int) -> Works:
    me = ours(threads)
    works, x = {}, noise(1, *PAPER.input_shape)
    for name, layer in zip(layer_names(), PAPER.layers, strict=True):
        y, _ = layer.forward(me.params, x, state=me.state, train=False, rng=None, ops=me.ops)
        if not isinstance(layer, Flatten):
            works[name] = _our_layer(me, layer, noise(batch, *x.shape[1:]), noise(batch, *y.shape[1:]), bool(works))
        x = y
    return works | {"softmax": _our_softmax(me, noise(batch, *x.shape[1:])), "update": _our_update(me)}


def _our_layer(me: Ours, layer, x, dy, need_dx: bool):
    (alone,), rng = me.on_threads((layer,)), generator(0, DROPOUT)

    def forward(_):
        return alone.forward(me.params, x, state=me.state, train=True, rng=rng, ops=me.ops)

    def backward(result):
        _, cache = result
        alone.backward(dy, cache, ops=me.ops, need_dx=need_dx)

    return forward, backward


def _our_softmax(me: Ours, logits):
    t, pair = labels(len(logits)), me.ops.softmax_cross_entropy
    return lambda _: pair.forward(logits, t), lambda result: pair.backward(1.0, result[1])


def _our_update(me: Ours):
    velocity, grads = optim.init_velocity(me.params), {name: value.copy() for name, value in me.params.items()}
    return (lambda _: optim.update(me.params, velocity, grads, RATES),)


# The bound


def bound_step(threads: int, batch: int) -> Works:
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
    for layer, shape in network.trace(PAPER.layers, PAPER.input_shape, params, {}, generator(0, INIT), xp=np):
        if isinstance(layer, kind):
            W = params[f"{layer.name}.W"]
            groups = getattr(layer, "groups", 1)
            rows, inner, columns = images * int(np.prod(shape[:-1])), W[..., 0].size, W.shape[-1] // groups
            products += groups * _of_layer(rows, inner, columns, need_dx=layer.name != "conv1")
    return products


def _of_layer(rows: int, inner: int, columns: int, need_dx: bool) -> list:
    x, W, y = noise(rows, inner), noise(inner, columns), noise(rows, columns)
    forward, for_W = (x, W, np.empty_like(y)), (x.T, y, np.empty_like(W))
    return [forward, for_W, (y, W.T, np.empty_like(x))] if need_dx else [forward, for_W]


def _multiply(products: list) -> None:
    for a, b, out in products:
        np.matmul(a, b, out=out)


# PyTorch


def torch_paper():
    """`paper` as PyTorch's modules, one for each of our layers.

    alpha times n, for PyTorch divides it by n. Its normalisation has no groups, and reaches from one tower into the
    other; its dropout has the factor in training: neither is more or less work.
    """
    from torch import nn

    lrn = {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}
    return nn.Sequential(
        nn.Sequential(nn.ZeroPad2d((0, 3, 0, 3)), nn.Conv2d(3, 96, 11, 4)),
        *(nn.ReLU(), nn.LocalResponseNorm(**lrn), nn.MaxPool2d(3, 2)),
        nn.Conv2d(96, 256, 5, padding=2, groups=2),
        *(nn.ReLU(), nn.LocalResponseNorm(**lrn), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten()),
        *(nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()),
        nn.Linear(4096, 1000),
    )


def _torch(threads: int, memory_format: str):
    """The network, and what makes a tensor of noise from a shape (N,C,H,W) or (N,M), both in a memory format."""
    import torch

    def tensor(*shape):
        made = torch.from_numpy(noise(*shape))
        return made.to(memory_format=layout) if made.ndim == 4 else made

    torch.set_num_threads(threads)
    layout = getattr(torch, memory_format)
    return torch_paper().to(memory_format=layout), tensor


def _sgd(parameters):
    import torch

    return torch.optim.SGD(parameters, lr=0.001, momentum=0.9, weight_decay=0.0005, fused=True)


def in_each_format(make: Callable[..., Works], *arguments) -> Works:
    """The one work that `make` makes, in each memory format and under the format's name."""
    return {layout: stages for layout in FORMATS for stages in make(*arguments, layout).values()}


def torch_step(threads: int, batch: int, compiled: bool, memory_format: str) -> Works:
    import torch

    model, tensor = _torch(threads, memory_format)
    optimizer, x, t = _sgd(model.parameters()), tensor(batch, 3, 224, 224), torch.from_numpy(labels(batch))
    net = torch.compile(model) if compiled else model

    def run(_):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), t).backward()
        optimizer.step()

    return {"step": (run,)}


def torch_inference(threads: int, batch: int, compiled: bool, memory_format: str) -> Works:
    import torch

    model, tensor = _torch(threads, memory_format)
    x = tensor(batch, 3, 224, 224)
    net = torch.compile(model.eval()) if compiled else model.eval()

    @torch.inference_mode()
    def run(_):
        net(x)

    return {"inference": (run,)}


def torch_layers(threads: int, batch: int, memory_format: str) -> Works:
    import torch

    model, tensor = _torch(threads, memory_format)
    works, x = {}, tensor(1, 3, 224, 224)
    for name, module in zip(layer_names(), model, strict=True):
        y = module(x)
        if not isinstance(module, torch.nn.Flatten):
            inputs = tensor(batch, *x.shape[1:]).requires_grad_(bool(works))
            works[name] = _torch_layer(module, inputs, tensor(batch, *y.shape[1:]))
        x = y.detach()
    t = torch.from_numpy(labels(batch))
    loss = _torch_layer(lambda x: torch.nn.functional.cross_entropy(x, t), tensor(batch, 1000).requires_grad_(), None)
    return works | {"softmax": loss, "update": _torch_update(model)}


def _torch_layer(module, x, dy):
    import torch

    wanted = [x] if x.requires_grad else []
    wanted += module.parameters() if isinstance(module, torch.nn.Module) else []
    return lambda _: module(x), lambda y: torch.autograd.grad(y, wanted, dy)


def _torch_update(model):
    for parameter in model.parameters():
        parameter.grad = parameter.detach().clone()
    optimizer = _sgd(model.parameters())
    return (lambda _: optimizer.step(),)
