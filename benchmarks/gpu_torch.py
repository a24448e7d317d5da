"""Part of benchmarks/gpu.py: PyTorch's training steps of the same network; torch is imported where it is asked for."""

import importlib.util
from collections.abc import Callable, Iterator

from contestants import labels, noise
from gpu_speed import HostClock, milliseconds, speed

from minialex.errors import UserError, one_line

# (precision, memory format, compiled): eager, AMP, channels last, and torch.compile, which takes longest, last.
CONTESTANTS = (
    ("float32", "contiguous_format", False),
    ("TF32", "contiguous_format", False),
    ("TF32", "channels_last", False),
    ("mixed", "contiguous_format", False),
    ("mixed", "channels_last", False),
    ("mixed", "channels_last", True),
    ("TF32", "channels_last", True),
    ("float32", "channels_last", True),
)


class TorchClock(HostClock):
    """As CupyClock; memory is what PyTorch took from the device."""

    def __init__(self, torch):
        self._cuda = torch.cuda

    def mark(self):
        event = self._cuda.Event(enable_timing=True)
        event.record()
        return event

    def milliseconds(self, start, stop) -> float:
        stop.synchronize()
        return start.elapsed_time(stop)

    def forget(self) -> None:
        self._cuda.empty_cache()
        self._cuda.reset_peak_memory_stats()

    def peak(self) -> int:
        return self._cuda.max_memory_reserved()


def steps(_, batch: int, device: str = "cuda", contestants: tuple = CONTESTANTS) -> Iterator[dict]:
    """PyTorch's step in every precision and format.

    Raises UserError where there is no PyTorch, or none that sees the GPU.
    """
    torch = _torch(device)
    clock = TorchClock(torch) if device == "cuda" else HostClock()
    images, t = torch.from_numpy(noise(batch, 3, 224, 224)), torch.from_numpy(labels(batch)).to(device)
    for precision, layout, compiled in contestants:
        clock.forget()
        name = ", ".join([precision, layout, "compiled" if compiled else "eager"])
        try:
            run = _step(torch, images, t, precision, layout, compiled, device)
            row = speed(batch, milliseconds(clock, run), clock.peak())
            del run
        except Exception as error:  # one that cannot be compiled, or does not fit, shall not hide the others
            row = {"ms": f"{type(error).__name__}: {one_line(error)}"[:80]}
        yield {"": name, **row}


def _torch(device: str):
    if importlib.util.find_spec("torch") is None:
        raise UserError("PyTorch is not installed: ours is timed alone")
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(f"PyTorch {torch.__version__} sees no GPU: ours is timed alone")
    return torch


def _step(torch, images, t, precision: str, layout: str, compiled: bool, device: str) -> Callable:
    from torch_contestants import paper

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "TF32"
    torch.backends.cudnn.benchmark = True  # the fastest of cuDNN's convolutions, found out in the first step
    half, layout = precision == "mixed", getattr(torch, layout)
    with torch.device(device):
        model = paper().to(memory_format=layout)
    net = torch.compile(model, dynamic=False) if compiled else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, weight_decay=0.0005, fused=True)
    scaler = torch.amp.GradScaler(device, enabled=half)
    x = images.to(device, memory_format=layout)

    def step():
        optimizer.zero_grad()
        with torch.autocast(device, torch.float16, enabled=half):
            loss = torch.nn.functional.cross_entropy(net(x), t)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    return step
