"""The update rule of section 5 in one kernel: update.cu, the twin of optim.update."""

from collections.abc import Mapping

from minialex import optim
from minialex.backend import xp_of
from minialex.kernels.launch import THREADS, launch
from minialex.ops.checks import require


def update(params: Mapping, velocity: Mapping, grads: Mapping, rates: optim.Rates) -> None:
    """One step of section 5, IN PLACE: see optim.update. Gradients may be float16, of a scaled loss, beside float32.

    It is a launch for each parameter. All that could fail is done before the first of them.
    """
    ready = []
    for name, w in params.items():
        v, g = velocity[name], grads[name]
        optim.check(name, w, v, g)
        _check_types(name, w, v, g)
        rate, decay = rates.of(name, w)
        if rate is not None:
            ready.append((xp_of(w, v, g).ascontiguousarray(g), w, v, float(rate), float(decay)))
    for g, w, v, rate, decay in ready:
        arguments = g, w, v, xp_of(w).int64(w.size), float(rates.momentum), rate, decay
        launch("update", "update", -(-w.size // THREADS), arguments)


def _check_types(name: str, w, v, g) -> None:
    wide = "float32" if g.dtype == "float16" else g.dtype
    require(
        w.dtype == v.dtype == wide,
        f"{name}: beside a gradient of {g.dtype} it and its velocity need to be {wide}, got {w.dtype} and {v.dtype}",
    )
