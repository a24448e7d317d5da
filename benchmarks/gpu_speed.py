"""Part of benchmarks/gpu.py: how long training steps take, and in which layers; the bare products beside them."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from contestants import PAPER, RATES, Zeros, labels, layer_names, noise
from gpu_parity import SCALE, TABLES, fits, use_tf32

from minialex import network, optim, train
from minialex.alexnet import Network
from minialex.errors import RunError, one_line
from minialex.layers import Conv, Linear
from minialex.precision import mixed
from minialex.rng import DROPOUT, INIT, generator

PRECISIONS = {"float32": ("float32", False), "TF32": ("float32", True), "mixed": ("float16", False)}
STEPS, WARM = 10, 3  # runs that count, and runs before them, which compile and allocate
WAYS = ("forward", "backward")


# Clocks


class HostClock:
    """Marks in time, and the peak of memory, of work that is done when a function returns."""

    def mark(self):
        return time.perf_counter()

    def milliseconds(self, start, stop) -> float:
        return 1e3 * (stop - start)

    def forget(self) -> None:
        """Give free memory back, so that the peak is that of what comes."""

    def peak(self) -> int | None:
        """Bytes that were taken from the device at the most, with what lies between arrays; None: not known."""


class CupyClock(HostClock):
    """The same of a GPU, which is behind the host: marks are events, that it passes in its own time."""

    def __init__(self, xp):
        self._cuda, self._pool = xp.cuda, xp.get_default_memory_pool()

    def mark(self):
        event = self._cuda.Event()
        event.record()
        return event

    def milliseconds(self, start, stop) -> float:
        stop.synchronize()
        return self._cuda.get_elapsed_time(start, stop)

    def forget(self) -> None:
        self._pool.free_all_blocks()

    def peak(self) -> int:
        return self._pool.total_bytes()  # the pool gives nothing back by itself


def clock_of(xp) -> HostClock:
    return CupyClock(xp) if xp.__name__ == "cupy" else HostClock()


def milliseconds(clock: HostClock, run: Callable) -> float:
    """The median time of a run among STEPS in a row, between which nobody waits for the device."""
    for _ in range(WARM):
        run()
    marks = [clock.mark()]
    for _ in range(STEPS):
        run()
        marks.append(clock.mark())
    return _median(clock, pairwise(marks))


def _median(clock: HostClock, spans) -> float:
    return float(np.median([clock.milliseconds(start, stop) for start, stop in spans]))


def speed(batch: int, ms: float, peak: int | None) -> dict:
    """The columns of a step that takes `ms` milliseconds."""
    return {"ms": ms, "images/s": 1e3 * batch / ms, "peak GB": "" if peak is None else peak / 1e9}


# The device


def device_name(xp) -> str:
    return xp.cuda.runtime.getDeviceProperties(0)["name"].decode()


def device(xp) -> Iterator[dict]:
    """The GPU, and the versions of what drives it."""
    runtime = xp.cuda.runtime
    yield {"": "device", "is": device_name(xp)}
    yield {"": "compute capability", "is": xp.cuda.Device().compute_capability}
    yield {"": "memory", "is": f"{runtime.memGetInfo()[1] / 2**30:.0f} GiB"}
    versions = {"CuPy": xp.__version__, "NumPy": np.__version__, "driver's CUDA": runtime.driverGetVersion()}
    versions |= {"CUDA runtime": runtime.runtimeGetVersion(), "NVRTC": ".".join(map(str, xp.cuda.nvrtc.getVersion()))}
    for name, version in versions.items():
        yield {"": name, "is": str(version)}


# Steps


@dataclass
class Contestant:
    """A network with its parameters and a batch of noise, ready for training steps."""

    xp: object
    net: Network
    batch: int

    def __post_init__(self):
        xp, net = self.xp, self.net
        self.params, self.state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=xp)
        self.velocity, self.rng = optim.init_velocity(self.params), generator(0, DROPOUT)
        self.noise = noise(self.batch, *net.input_shape)
        self.t = xp.asarray(labels(self.batch) % net.layers[-1].units)

    def step(self, precision: str, *, ops, update, rewrite=tuple, layers=None, **_) -> Callable:
        """A training step; in mixed precision it waits for the gradients' sum and may be skipped, as a run's.

        None is skipped here, which would be fast: RunError would tell.
        """
        dtype, tf32 = PRECISIONS[precision]
        use_tf32(self.xp, tf32)
        x = self.xp.asarray(self.noise.astype(dtype))
        how = {"rates": RATES, "rng": self.rng, "update": update, "ops": ops}
        if dtype == "float16":
            how |= {"ops": mixed(ops, self.xp), "scale": SCALE, "check": _must_fit}
        layers = rewrite(self.net.layers) if layers is None else layers
        return partial(train.step, layers, self.params, self.velocity, self.state, x, self.t, **how)


def _must_fit(*of_step) -> bool:
    if not fits(*of_step):
        raise RunError(f"the gradients overflow at a loss scale of {SCALE:g}: what is timed would be no training")
    return True


def steps(xp, batch: int, net: Network = PAPER) -> Iterator[dict]:
    """The bare products and a training step, in every precision, on array code and on kernels."""
    clock, ours = clock_of(xp), Contestant(xp, net, batch)
    for precision in PRECISIONS:
        bound = _row(clock, batch, lambda of=precision: products_time(xp, clock, net, batch, of))
        yield {"": f"{precision}, bare products", **bound}
        for name, how in TABLES.items():
            row = _row(clock, batch, lambda of=precision, how=how: milliseconds(clock, ours.step(of, **how)))
            both = isinstance(bound["ms"], float) and isinstance(row["ms"], float)
            share = {"of the bound": bound["ms"] / row["ms"]} if both else {}
            yield {"": f"{precision}, {name}", **row, **share}


def _row(clock: HostClock, batch: int, measure: Callable) -> dict:
    """The columns of what takes measure() milliseconds, or that memory is too small for it."""
    clock.forget()
    try:
        return speed(batch, measure(), clock.peak())
    except MemoryError as error:  # as CuPy's is
        return {"ms": f"out of memory: {one_line(error)}"[:60]}


# The bound


def products_time(xp, clock: HostClock, net: Network, batch: int, precision: str) -> float:
    """Milliseconds of all matrix products of a training step, those of the whole batch, one after the other.

    They are bare: operands and results are there before, in the order that the array code has them.
    """
    dtype, tf32 = PRECISIONS[precision]
    use_tf32(xp, tf32)
    taken = 0.0
    for sizes, times, need_dx in products(net, batch):
        multiply = _multiply(xp, *sizes, times, need_dx, dtype)
        taken += milliseconds(clock, multiply)
        del multiply  # one layer's operands at a time: conv1's columns alone are 4.5 GB for 1,024 images
        clock.forget()
    return taken


def products(net: Network, batch: int) -> list[tuple]:
    """((rows, inner, columns), how many times, is dx wanted) of the products of each layer that has some."""
    found, params = [], {}
    for layer, shape in network.trace(net.layers, net.input_shape, params, {}, Zeros(), xp=np):
        if isinstance(layer, Conv | Linear):
            W, groups = params[f"{layer.name}.W"], getattr(layer, "groups", 1)
            rows, inner, columns = batch * math.prod(shape[:-1]), W[..., 0].size, W.shape[-1] // groups
            found.append(((rows, inner, columns), groups, bool(found)))
    return found


def _multiply(xp, rows: int, inner: int, columns: int, times: int, need_dx: bool, dtype: str) -> Callable:
    rng = xp.random.default_rng(0)  # not ones: what a GPU's clock makes of a product hangs on the bits that flip
    x, W, y = (
        rng.standard_normal(shape, "float32").astype(dtype)
        for shape in ((rows, inner), (inner, columns), (rows, columns))
    )
    todo = [(x, W, xp.empty_like(y)), (x.T, y, xp.empty_like(W))]
    todo += [(y, W.T, xp.empty_like(x))] if need_dx else []

    def run():
        for _ in range(times):
            for a, b, out in todo:
                xp.matmul(a, b, out=out)

    return run


# Layers


@dataclass(frozen=True)
class Timed:
    """A layer that leaves a mark before and after each of its two ways, in a step that is otherwise as any."""

    name: str
    layer: object
    clock: HostClock
    marks: dict

    def forward(self, params, x, **how):
        return self._between("forward", self.layer.forward, params, x, **how)

    def backward(self, dy, cache, **how):
        return self._between("backward", self.layer.backward, dy, cache, **how)

    def _between(self, way, function, *args, **how):
        start = self.clock.mark()
        result = function(*args, **how)
        self.marks.setdefault((self.name, way), []).append((start, self.clock.mark()))
        return result


def layers(xp, batch: int, table: str, net: Network = PAPER, precisions=("TF32", "mixed")) -> Iterator[dict]:
    """What of a step's time each layer takes, forward and backward; "the rest" is loss, casts and update.

    On kernels a layer with weights has the ReLU behind it in its row.
    """
    clock, ours, measured = clock_of(xp), Contestant(xp, net, batch), {}
    for precision in precisions:
        clock.forget()
        measured[precision] = _layer_times(clock, ours, precision, table)
    for name in measured[precisions[0]]:
        row = {"": name}
        for precision, times in measured.items():
            forth, back = times[name]
            row |= {f"{precision} forward ms": forth, f"{precision} backward ms": back}
            row[f"{precision} share"] = f"{(forth + back) / sum(times['step']):.1%}"
        yield row


def _layer_times(clock: HostClock, ours: Contestant, precision: str, table: str) -> dict:
    """{layer: (ms forward, ms backward)}, with the rest and the whole step as if they were forward."""
    marks: dict = {}
    layers = TABLES[table]["rewrite"](ours.net.layers)
    named = zip(layer_names(layers), layers, strict=True)
    timed = tuple(Timed(name, layer, clock, marks) for name, layer in named)
    step = milliseconds(clock, ours.step(precision, **TABLES[table], layers=timed))
    found = {layer.name: tuple([_median(clock, marks[layer.name, way][WARM:]) for way in WAYS]) for layer in timed}
    rest = step - sum(map(sum, found.values()))
    return found | {"the rest": (rest, 0.0), "step": (step, 0.0)}


# Ours and PyTorch's


def compared(report: dict) -> list[dict]:
    """For each batch and precision the fastest of ours and of PyTorch's, from the report of all sections."""
    rows = []
    for name, section in report.items():
        theirs = report.get(f"PyTorch, {name}", {}).get("rows", [])
        for precision in PRECISIONS if name.startswith("steps of") else ():
            ours = [row for row in section["rows"] if "bare" not in row[""]]
            best = [_fastest(rows, precision) for rows in (ours, theirs)]
            if all(best):
                ratio = {"ours is": f"{best[1]['ms'] / best[0]['ms']:.2f} times as fast"}
                rows.append(
                    {
                        "": f"{name}, {precision}",
                        "ours": best[0]["ms"],
                        "PyTorch": best[1]["ms"],
                        **ratio,
                        "its fastest": best[1][""],
                    }
                )
    return rows


def _fastest(rows: list[dict], precision: str) -> dict | None:
    timed = [row for row in rows if row[""].startswith(precision) and isinstance(row.get("ms"), float)]
    return min(timed, key=lambda row: row["ms"], default=None)
