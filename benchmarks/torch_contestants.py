"""PyTorch's part in benchmarks/cpu.py: the same works as in contestants.py."""

import ctypes
import logging

import torch
from contestants import Works, labels, layer_names, noise
from torch import nn
from torch.nn import functional

from minialex.threads import M_MMAP_THRESHOLD, M_TOP_PAD, M_TRIM_THRESHOLD

FORMATS = ("contiguous_format", "channels_last")

logging.getLogger("torch").setLevel(logging.ERROR)  # a build for GPUs warns that there is none


def paper():
    """`paper` as PyTorch's modules, one for each of our layers.

    alpha times n, for PyTorch divides it by n. Its normalisation has no groups, and reaches from one tower into the
    other; its dropout has the factor in training: neither is more or less work.
    """
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


def _network(threads: int, memory_format: str):
    """The network, and what makes a tensor of noise from a shape (N,C,H,W) or (N,M), both in a memory format."""

    def tensor(*shape):
        made = torch.from_numpy(noise(*shape))
        return made.to(memory_format=layout) if made.ndim == 4 else made

    torch.set_num_threads(threads)
    layout = getattr(torch, memory_format)
    return paper().to(memory_format=layout), tensor


def _sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.001, momentum=0.9, weight_decay=0.0005, fused=True)


def in_each_format(make: str, *arguments) -> Works:
    """The one work that the function of that name makes, in each memory format and under the format's name."""
    return {layout: stages for layout in FORMATS for stages in globals()[make](*arguments, layout).values()}


def step(threads: int, batch: int, compiled: bool, memory_format: str) -> Works:
    model, tensor = _network(threads, memory_format)
    optimizer, x, t = _sgd(model.parameters()), tensor(batch, 3, 224, 224), torch.from_numpy(labels(batch))
    net = torch.compile(model) if compiled else model

    def run(_):
        optimizer.zero_grad()
        functional.cross_entropy(net(x), t).backward()
        optimizer.step()

    return {"step": (run,)}


def step_keeping_memory(*arguments) -> Works:
    """The step, glibc told to keep what arrays give back: by default the largest get new, cleared pages every time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda parameter, value: None)
    mallopt(M_MMAP_THRESHOLD, (1 << 31) - 1)
    mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
    mallopt(M_TOP_PAD, 1 << 27)
    return step(*arguments)


def inference(threads: int, batch: int, compiled: bool, memory_format: str) -> Works:
    model, tensor = _network(threads, memory_format)
    x = tensor(batch, 3, 224, 224)
    net = torch.compile(model.eval()) if compiled else model.eval()

    @torch.inference_mode()
    def run(_):
        net(x)

    return {"inference": (run,)}


def layers(threads: int, batch: int, memory_format: str) -> Works:
    model, tensor = _network(threads, memory_format)
    works, x = {}, tensor(1, 3, 224, 224)
    for name, module in zip(layer_names(), model, strict=True):
        y = module(x)
        if not isinstance(module, nn.Flatten):
            inputs = tensor(batch, *x.shape[1:]).requires_grad_(bool(works))
            works[name] = _layer(module, inputs, tensor(batch, *y.shape[1:]))
        x = y.detach()
    t = torch.from_numpy(labels(batch))
    loss = _layer(lambda x: functional.cross_entropy(x, t), tensor(batch, 1000).requires_grad_(), None)
    return works | {"softmax": loss, "update": _update(model)}


def _layer(module, x, dy):
    wanted = [x] if x.requires_grad else []
    wanted += module.parameters() if isinstance(module, nn.Module) else []
    return lambda _: module(x), lambda y: torch.autograd.grad(y, wanted, dy)


def _update(model):
    for parameter in model.parameters():
        parameter.grad = parameter.detach().clone()
    optimizer = _sgd(model.parameters())
    return (lambda _: optimizer.step(),)
