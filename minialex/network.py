"""A network is a tuple of layer records; this file runs it: init, forward, backward, update_state, summary."""

from collections.abc import Callable, Mapping, Sequence

from minialex.backend import get_backend
from minialex.layers import Layer
from minialex.ops import Ops, reference
from minialex.rng import INIT, generator


def init(layers: Sequence[Layer], input_shape: tuple, rng, *, xp, dtype="float32") -> tuple[dict, dict]:
    """Draw the parameters and the first running statistics of every layer (section 5).

    input_shape is that of one image, (H,W,C). The values are drawn on the host, so that a seed means the same
    weights on either backend. Returns params and state: flat dicts of `xp` arrays by names such as "conv1.W".
    Raises ValueError where two layers give the same name, or a layer cannot take what the one before it hands on.
    """
    params, state = {}, {}
    for _ in trace(layers, input_shape, params, state, rng, xp=xp, dtype=dtype):
        pass
    return params, state


def trace(layers, input_shape, params: dict, state: dict, rng, *, xp, dtype="float32"):
    """Send one empty image through the layers, filling params and state on the way; yield (layer, output_shape)."""
    x = xp.zeros((1, *input_shape), dtype)
    for layer in layers:
        new = layer.init(x.shape[1:], rng)
        new_state = layer.init_state(x.shape[1:]) if hasattr(layer, "init_state") else {}
        taken = sorted((params.keys() | state.keys()) & (new.keys() | new_state.keys()))
        if taken:
            raise ValueError(f"two layers both have {', '.join(taken)}: each needs a name of its own")
        params.update({name: xp.array(value, dtype, order="C") for name, value in new.items()})
        state.update({name: xp.array(value, dtype, order="C") for name, value in new_state.items()})
        x, _ = layer.forward(params, x, state=state, train=False, rng=None, ops=reference)
        yield layer, x.shape[1:]


def forward(layers, params, x, *, state, train: bool, rng=None, ops: Ops = reference) -> tuple:
    """Run x (N,H,W,C) through the layers. Returns the logits (N,classes) and one cache a layer.

    train=True drops units, with masks from `rng`, and normalises by the batch; train=False is the testing form.
    """
    caches = []
    for layer in layers:
        x, cache = layer.forward(params, x, state=state, train=train, rng=rng, ops=ops)
        caches.append(cache)
    return x, caches


def backward(layers, params, caches, dlogits, *, ops: Ops = reference, ready: Callable = lambda grads: None) -> dict:
    """Gradients of every parameter, by name, from the gradient of the logits.

    ready(grads) is told those of a layer, the last layer's first, before those of the layer before it are computed.
    """
    _, grads = backward_through(layers, caches, dlogits, ops=ops, need_dx=False, ready=ready)
    return {name: grads[name] for name in params}


def backward_through(layers, caches, dy, *, ops: Ops, need_dx: bool, ready: Callable = lambda grads: None) -> tuple:
    """Run dy back through the layers. Returns dx, or None where need_dx is False, and the gradients by name."""
    grads: dict = {}
    places = enumerate(zip(layers, caches, strict=True))
    for place, (layer, cache) in reversed(list(places)):
        dy, new = layer.backward(dy, cache, ops=ops, need_dx=need_dx or place > 0)
        grads.update(new)
        ready(new)
    return dy, grads


def update_state(layers, state: Mapping, caches) -> dict:
    """Running statistics after a training step: a new dict."""
    new = dict(state)
    for layer, cache in zip(layers, caches, strict=True):
        if hasattr(layer, "update_state"):
            new.update(layer.update_state(state, cache))
    return new


def summary(layers, input_shape: tuple) -> str:
    """A table of each layer's output shape, parameters and multiply-adds for one image, and the totals.

    Shapes are those that came out when an image was sent through, not those that a formula promised.
    """
    params: dict = {}
    rows, total, macs_total = [], 0, 0
    steps = trace(layers, input_shape, params, {}, generator(0, INIT), xp=get_backend("numpy"))
    for layer, shape in steps:
        before, total = total, sum(value.size for value in params.values())
        macs = layer.macs(params, shape) if hasattr(layer, "macs") else 0
        macs_total += macs
        name = getattr(layer, "name", type(layer).__name__)
        rows.append((name, "x".join(map(str, shape)), f"{total - before:,}", f"{macs:,}"))
    return table(
        [("layer", "output", "parameters", "multiply-adds"), *rows, ("total", "", f"{total:,}", f"{macs_total:,}")]
    )


def table(rows) -> str:
    """Rows of strings as lines of text: the first column flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    first, *others = widths
    line = "  ".join([f"{{:<{first}}}", *(f"{{:>{width}}}" for width in others)])
    return "\n".join(line.format(*row).rstrip() for row in rows)
