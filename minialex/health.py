"""Will it learn, is it learning? One batch measured as a table; the states in which a network sits for days, named."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

from minialex import network
from minialex.backend import xp_of
from minialex.layers import Dropout, ReLU, Tanh
from minialex.ops import reference

LOOKS = (0, 100)  # after how many steps of training a batch is measured
DEAD = 0.5  # the share of dead units from which on a layer is reported

# Under this spread of the logits from image to image a loss has been seen to sit at guessing. On photographs of ten
# classes, in batches of 32, at 1/8 of the width, where guessing gives 2.30 (dropout adds about 0.07 to a loss):
#
#                    spread before the first step, after 100, after 300   loss of steps 251 to 300
#   code2012 at 0.001            0.050    0.18      0.55                  2.07
#   code2012 at 0.01             0.050    0.56                            2.17 after 100
#   paper    at 0.01             0.0035   0.25      0.43                  2.15
#   caffe    at 0.01             0.0057   0.31      1.0                   2.09
#   bn       at 0.01             0.0035   0.087     0.71                  2.04
#   owt      at 0.01             0.073    0.12      0.50                  2.23
#   caffe    at 0.001            0.0057   0.0099    0.14                  2.25, after 200 steps at 2.30
#   paper    at 0.001            0.0035   0.0041    0.028                 2.34, and 2.10 after 600
#   bn       at 0.001            0.0035   0.0037    0.0080                2.35
#
# and with the labels of those ten classes in a network of 1000, at 0.01:
#
#   code2012                     0.047    0.11      0.11                  2.13
#   paper                        0.0031   0.0037    0.077                 2.22
#   bn                           0.0034   0.0030    0.083                 2.23
#   caffe                        0.0051   6e-8      5e-8                  2.39, for good
WEAK = 0.02

# A first step above this share of the last layer's weights throws a network out. Full width, batches of 32, ten classes
# (guessing: 2.30), the share and the mean loss of the first 12 steps:
#   code2012: 0.0049 and 2.51 at 0.001; 0.015 and 2.70 at 0.003; 0.049 and 3.96 at 0.01.  paper: 0.041 and 4.20 at 0.01.
# After 100 steps code2012 at 0.01 was back at 2.24, with 72% of fc7 dead.
# With 1000 classes the first step of code2012 at 0.01 is 0.0036. After 100 steps, networks that learn were at 0.003 to
# 0.016, momentum included.
LARGE = 0.02

# Those of the first table that learn had left the loss of guessing after at most 400 steps.
PATIENCE = 500


@dataclass(frozen=True)
class Row:
    """A layer on one batch. Its activations are those behind its ReLU, where it has one.

    mean, spread: over all activations; spread is the standard deviation.
    images: the spread of an activation from one image to the next, on average over the activations.
    zeros: the share of activations that are 0.  dead: the share of maps or units that are 0 on every image.
    step: |dw| / |w| of the layer's weights in the step that this batch makes, momentum and decay included.
    zeros and dead are None where there is no ReLU, step where there are no weights.
    """

    name: str
    mean: float
    spread: float
    images: float
    zeros: float | None = None
    dead: float | None = None
    step: float | None = None


@dataclass(frozen=True)
class Health:
    """A network on one batch: its layers in their order, the last of them the logits, and its loss."""

    rows: tuple[Row, ...]
    loss: float
    classes: int


COLUMNS = ("layer", "mean", "spread", "images", "zeros", "dead", "step")
LEGEND = """images: how far an activation spreads from image to image; zeros: share of activations that are 0;
dead: share of units that are 0 on every image; step: size of the next update against the weights, |dw| / |w|"""


def report(health: Health, done: int) -> str:
    """The table of a network after so many steps, what its columns mean, and a sentence for each thing that is off."""
    when = f"after {done} steps" if done else "before the first step"
    ln = f"ln {health.classes} = {log(health.classes):.2f}"
    title = f"health {when}, on one batch: loss {health.loss:.2f} (guessing gives {ln})"
    sentences = [f"  ! {sentence}" for sentence in findings(health)]
    return "\n".join([title, network.table([COLUMNS, *map(_cells, health.rows)]), LEGEND, *sentences])


def _cells(row: Row) -> tuple[str, ...]:
    shares = ("" if share is None else f"{share:.0%}" for share in (row.zeros, row.dead))
    step = "" if row.step is None else f"{row.step:.1e}"
    return (row.name, f"{row.mean:.3g}", f"{row.spread:.3g}", f"{row.images:.2g}", *shares, step)


def findings(health: Health) -> list[str]:
    """A sentence for each state of which it is known that networks stall in it, and what to change."""
    found, logits = [], health.rows[-1]
    if logits.images < WEAK:
        found.append(
            f"the logits hardly tell one image from another: they spread by {logits.images:.2g}. The loss may sit at "
            f"ln {health.classes} for long. Try --variant code2012, which starts conv3-5 at sigma 0.03."
        )
    if logits.step is not None and logits.step > LARGE:
        found.append(
            f"the next step changes {logits.name} by {logits.step:.1%} of its weights, which may throw it out. "
            "Try a tenth of the rate (--lr)."
        )
    found += [_dead(row.name, row.dead) for row in health.rows if row.dead is not None and row.dead >= DEAD]
    return found


def _dead(name: str, share: float) -> str:
    return f"{name}: {share:.0%} of its units are 0 on every image looked at. Try a lower --lr."


def measure(layers, params, velocity, state, x, t, rates, *, ops=reference) -> Health:
    """Look at the step that a batch x (N,H,W,C), t (N,) is about to make; nothing is changed.

    Everything is as in training but dropout, which is in its testing form: its masks differ from image to image, and
    would hide whether the logits do.
    """
    seen, caches = {}, []
    for name, layer in labelled(layers):
        x, cache = layer.forward(params, x, state=state, train=not isinstance(layer, Dropout), rng=None, ops=ops)
        caches.append(cache)
        if getattr(layer, "name", ""):
            current = name
            seen[current] = _activations(x)
        elif isinstance(layer, (ReLU, Tanh)) and seen:
            seen[current] = _activations(x) | (_silent(x) if isinstance(layer, ReLU) else {})
    loss, cache = ops.softmax_cross_entropy.forward(x, t)
    dlogits = ops.softmax_cross_entropy.backward(1.0, cache)
    grads = network.backward(layers, params, caches, dlogits, ops=ops)
    steps = _steps(params, velocity, grads, rates)
    rows = tuple(Row(name, **values, step=steps.get(name)) for name, values in seen.items())
    return Health(rows, float(loss), x.shape[-1])


def _activations(y) -> dict:
    return {"mean": float(y.mean()), "spread": float(y.std()), "images": float(y.std(axis=0).mean())}


def _silent(y) -> dict:
    return {"zeros": float((y == 0).mean()), "dead": float((y.reshape(-1, y.shape[-1]).max(axis=0) <= 0).mean())}


def _steps(params, velocity, grads, rates) -> dict[str, float]:
    """|dw| / |w| by layer, of its first parameter: its weights, or the factor of batch normalisation."""
    steps: dict[str, float] = {}
    for name, w in params.items():
        layer, xp = name.rpartition(".")[0], xp_of(w)
        if layer not in steps:
            rate, decay = rates.of(name, w)
            dw = 0 * w if rate is None else rates.momentum * velocity[name] - rate * (decay * w + grads[name])
            steps[layer] = float(xp.linalg.norm(dw) / xp.linalg.norm(w))
    return steps


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


def first_not_finite(layers, params, state, x, *, ops=reference) -> str:
    """The first layer whose parameters or output on x hold a NaN or an infinity, in words; "" where all is finite."""
    for name, value in params.items():
        if not bool(xp_of(value).isfinite(value).all()):
            return f"the parameter {name}"
    for name, _, y in activations(layers, params, state, x, ops=ops):
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


def warnings(layers, params, state, x, *, loss: float, classes: int, steps: int) -> list[str]:
    """What an epoch that ended at this loss, after so many steps in all, should make a person look at: sentences."""
    found = []
    if loss > 0.98 * log(classes) and steps >= PATIENCE:
        found.append(
            f"not learning: the loss is {loss:.2f}, and guessing among {classes} classes gives ln {classes} = "
            f"{log(classes):.2f}. Try another --lr (a tenth, then three times), or --variant code2012."
        )
    for name, share in dead_units(layers, params, state, x).items():
        if share >= DEAD:
            found.append(_dead(name, share))
    return found
