"""Part of benchmarks/gpu.py: how long training steps take, ours, PyTorch's and the bare products; and each layer."""

import time
from functools import partial

import numpy as np
from contestants import PAPER, RATES, Zeros, labels, layer_names, noise

from minialex import network, optim, train
from minialex.backend import get_backend
from minialex.layers import Conv, Linear
from minialex.ops import Ops, reference
from minialex.precision import mixed
from minialex.rng import DROPOUT, INIT, generator

PRECISIONS = {"float32": ("float32", False), "TF32": ("float32", True), "mixed": ("float16", False)}
STEPS = 10


def milliseconds(xp, run, steps: int = STEPS) -> float:
    """The median time of `run`, after two runs that compile and allocate, until the device is done with it."""
    times = []
    for number in range(steps + 2):
        _wait(xp)
        began = time.perf_counter()
        run()
        _wait(xp)
        if number > 1:
            times.append(1e3 * (time.perf_counter() - began))
    return float(np.median(times))


def _wait(xp) -> None:
    if xp is not np:
        xp.cuda.Device().synchronize()


def ours(xp, batch: int, own: dict) -> list[tuple]:
    """A training step in every precision, on array code and on kernels."""
    rows = [("", "ms", "images/s", "GB")]
    for precision, (dtype, tf32) in PRECISIONS.items():
        if xp is not np:
            get_backend("cupy", tf32=tf32)
        for name, how in own.items():
            try:
                ms, used = _step(xp, batch, dtype, **how)
            except MemoryError as error:  # CuPy's is one
                rows.append((f"{precision}, {name}", f"out of memory: {error}"[:60]))
                continue
            rows.append((f"{precision}, {name}", f"{ms:.2f}", f"{1e3 * batch / ms:,.0f}", f"{used / 1e9:.1f}"))
    return rows


def _step(xp, batch: int, dtype: str, *, ops: Ops = reference, update=optim.update, **_) -> tuple[float, int]:
    """Milliseconds of a step, and the bytes that its arrays take with what CuPy keeps for the next."""
    params, state = network.init(PAPER.layers, PAPER.input_shape, generator(0, INIT), xp=xp)
    x, t = xp.asarray(noise(batch, *PAPER.input_shape).astype(dtype)), xp.asarray(labels(batch))
    velocity, rng = optim.init_velocity(params), generator(0, DROPOUT)
    how = {"ops": ops} if dtype == "float32" else {"ops": mixed(ops, xp), "scale": 2.0**12}
    step = partial(train.step, PAPER.layers, params, velocity, state, x, t, rates=RATES, rng=rng, update=update, **how)
    ms = milliseconds(xp, step)
    if xp is np:
        return ms, 0
    pool = xp.get_default_memory_pool()
    used = pool.total_bytes()
    del params, state, x, velocity, step
    pool.free_all_blocks()
    return ms, used


def bound(xp, batch: int) -> list[tuple]:
    """The matrix products of a step alone, those of the whole batch, in every precision."""
    rows = [("", "ms", "images/s")]
    for precision, (dtype, tf32) in PRECISIONS.items():
        if xp is not np:
            get_backend("cupy", tf32=tf32)
        ms = sum(times * _product(xp, *sizes, dtype) for sizes, times in products(batch))
        rows.append((precision, f"{ms:.2f}", f"{1e3 * batch / ms:,.0f}"))
    return rows


def products(batch: int) -> list[tuple]:
    """((rows, inner, columns), how many times) of every product of a step of `paper`."""
    found, params = [], {}
    for layer, shape in network.trace(PAPER.layers, PAPER.input_shape, params, {}, Zeros(), xp=np):
        if isinstance(layer, Conv | Linear):
            W, groups = params[f"{layer.name}.W"], getattr(layer, "groups", 1)
            rows, inner, columns = batch * int(np.prod(shape[:-1])), W[..., 0].size, W.shape[-1] // groups
            found += [((rows, inner, columns), groups), ((inner, rows, columns), groups)]
            found += [((rows, columns, inner), groups)] if layer.name != "conv1" else []
    return found


def _product(xp, rows: int, inner: int, columns: int, dtype: str) -> float:
    a, b = xp.ones((rows, inner), dtype), xp.ones((inner, columns), dtype)
    return milliseconds(xp, lambda: xp.matmul(a, b), steps=5)


def layers(xp, batch: int, *, ops: Ops = reference, **_) -> list[tuple]:
    """Each layer's forward and backward in float32, and its share of all."""
    params, state = network.init(PAPER.layers, PAPER.input_shape, generator(0, INIT), xp=xp)
    x, measured = xp.asarray(noise(batch, *PAPER.input_shape)), []
    for name, layer in zip(layer_names(), PAPER.layers, strict=True):
        rng = generator(0, DROPOUT)
        forward = partial(layer.forward, params, x, state=state, train=True, rng=rng, ops=ops)
        y, cache = forward()
        dy = xp.ones_like(y)
        backward = partial(layer.backward, dy, cache, ops=ops, need_dx=bool(measured))
        measured.append((name, milliseconds(xp, forward, 5), milliseconds(xp, backward, 5)))
        x = y
    total = sum(forth + back for _, forth, back in measured)
    shares = [(name, f"{f:.2f}", f"{b:.2f}", f"{(f + b) / total:.0%}") for name, f, b in measured]
    return [("", "ms forward", "ms backward", "share"), *shares, ("total", f"{total:.2f}", "", "")]


def pytorch(batch: int) -> list[tuple]:
    """PyTorch's step in float32, TF32 and AMP, in both memory formats, and compiled."""
    import torch
    from torch_contestants import FORMATS

    rows = [("", "ms", "images/s")]
    variants = [(name, "contiguous_format", False) for name in PRECISIONS]
    variants += [("mixed", "channels_last", False), ("TF32", "channels_last", False), ("mixed", FORMATS[-1], True)]
    for precision, layout, compiled in variants:
        name = ", ".join([precision, layout, *(["compiled"] if compiled else [])])
        try:
            ms = _torch_step(torch, batch, precision, layout, compiled)
            rows.append((name, f"{ms:.2f}", f"{1e3 * batch / ms:,.0f}"))
        except Exception as error:  # one that cannot be compiled, or does not fit, shall not hide the others
            rows.append((name, f"{type(error).__name__}: {error}"[:70]))
        torch.cuda.empty_cache()
    return rows


def _torch_step(torch, batch: int, precision: str, layout: str, compiled: bool) -> float:
    from torch.nn import functional
    from torch_contestants import paper

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "TF32"
    torch.backends.cudnn.benchmark = True
    model = paper().cuda().to(memory_format=getattr(torch, layout))
    net = torch.compile(model) if compiled else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, weight_decay=0.0005, fused=True)
    x = torch.randn(batch, 3, 224, 224, device="cuda").to(memory_format=getattr(torch, layout))
    t, half = torch.from_numpy(labels(batch)).cuda(), precision == "mixed"
    scaler = torch.amp.GradScaler("cuda", enabled=half)

    def step():
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.float16, enabled=half):
            loss = functional.cross_entropy(net(x), t)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    return _torch_milliseconds(torch, step)


def _torch_milliseconds(torch, step) -> float:
    times = []
    for number in range(STEPS + 3):
        torch.cuda.synchronize()
        began = time.perf_counter()
        step()
        torch.cuda.synchronize()
        if number > 2:
            times.append(1e3 * (time.perf_counter() - began))
    return float(np.median(times))
