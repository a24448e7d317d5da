"""Is it learning? The states in which a network sits for days, found and named."""

from collections.abc import Iterator
from math import log

from minialex.backend import xp_of
from minialex.layers import ReLU
from minialex.ops import reference

DEAD = 0.5  # the share of dead units from which on a layer is reported


def labelled(layers) -> Iterator[tuple[str, object]]:
    """Each layer with a name for people: its own, or that of the last named one and its kind ("conv4 ReLU")."""
    last = ""
    for layer in layers:
        own = getattr(layer, "name", "")
        last = own or last
        yield own or f"{last} {type(layer).__name__}".strip(), layer


def activations(layers, params, state, x, *, ops=reference) -> Iterator[tuple[str, object, object]]:
    """Run x through the layers in testing form; yield (name, layer, output) of each."""
    for name, layer in labelled(layers):
        x, _ = layer.forward(params, x, state=state, train=False, rng=None, ops=ops)
        yield name, layer, x


def first_not_finite(layers, params, state, x) -> str:
    """The first layer whose parameters or output on x hold a NaN or an infinity, in words; "" where all is finite."""
    for name, value in params.items():
        if not bool(xp_of(value).isfinite(value).all()):
            return f"the parameter {name}"
    for name, _, y in activations(layers, params, state, x):
        if not bool(xp_of(y).isfinite(y).all()):
            return f"the output of {name}"
    return ""


def dead_units(layers, params, state, x) -> dict[str, float]:
    """For each ReLU, the share of its maps or units that are 0 on every image of x and everywhere in them."""
    shares = {}
    for name, layer, y in activations(layers, params, state, x):
        if isinstance(layer, ReLU):
            shares[name] = float((y.reshape(-1, y.shape[-1]).max(axis=0) <= 0).mean())
    return shares


def warnings(layers, params, state, x, *, loss: float, classes: int) -> list[str]:
    """What an epoch that ended at this loss should make a person look at: one sentence for each."""
    found = []
    if loss > 0.98 * log(classes):
        found.append(
            f"not learning: the loss is {loss:.2f}, and guessing among {classes} classes gives ln {classes} = "
            f"{log(classes):.2f}. Try another --lr (a tenth, then three times), or --variant code2012."
        )
    for name, share in dead_units(layers, params, state, x).items():
        if share >= DEAD:
            found.append(f"{name}: {share:.0%} of its units are 0 on every image looked at. Try a lower --lr.")
    return found
