"""Part of benchmarks/gpu.py: does a GPU compute what NumPy does? Pairs, training steps, mixed precision, a training.

Each section yields rows; one that is beyond rounding says so under "wrong".
"""

import io
import math
import runpy
import time
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from minialex import alexnet, kernels, network, optim, train
from minialex.backend import get_backend, to_numpy
from minialex.data.augment import center_patches
from minialex.data.prepare import open_data
from minialex.data.preprocess import Preprocessing
from minialex.errors import one_line
from minialex.kernels.fuse import pair_of
from minialex.ops import reference
from minialex.precision import mixed, total
from minialex.rng import DROPOUT, INIT, generator

TRAIN = Path(__file__).parent.parent / "examples" / "train_imagenet.py"
# What a step is computed with, as train.Trainer takes it, and what makes its layers of a network's.
TABLES = {
    "array code": {
        **{"ops": reference, "update": optim.update, "preprocess": Preprocessing.apply},
        "rewrite": tuple,
    },
    "kernels": {
        **{"ops": kernels.fused, "update": kernels.update, "preprocess": kernels.preprocess},
        "rewrite": kernels.fuse,
    },
}
RATES = optim.Rates(0.001, 0.001)
CLASSES = 10
IMAGES = 4
GOOD = 0.9  # top-1 on the toy set


class Precision(NamedTuple):
    """Types of arrays, whether products are of TF32, and the error, of the largest entry, beyond which it is wrong."""

    dtype: str
    tf32: bool
    limit: float


PRECISIONS = {
    "float64": Precision("float64", False, 1e-12),
    "float32": Precision("float32", False, 1e-4),
    "TF32": Precision("float32", True, 1e-2),
    "float16": Precision("float16", False, 2e-2),
}
STEP_LIMIT = 1e-3  # of each velocity after two steps in float32: a unit or two may be on the other side of 0
MIXED_LIMIT = 0.1  # of all velocities: in float16 more are, and make up a tenth of what reaches conv1
SCALE, TOO_MUCH = 2.0**10, 2.0**60  # of the loss: gradients fit into float16; they cannot


def use_tf32(xp, on: bool) -> None:
    """Products of float32 in TF32 or not, from now on, where it is a GPU that computes them."""
    if xp.__name__ == "cupy":
        get_backend("cupy", tf32=on)


# Pairs


def cases() -> dict[str, tuple]:
    """(pair, arrays, options) by name: the shapes of the network, few images."""
    n = normal
    return {
        "conv1": ("conv", (n(2, 227, 227, 3), n(11, 11, 3, 96), n(96)), {"stride": 4}),
        "conv2": ("conv", (n(2, 27, 27, 96), 0.03 * n(5, 5, 48, 256), n(256)), {"pad": 2, "groups": 2}),
        "conv3": ("conv", (n(2, 13, 13, 256), 0.03 * n(3, 3, 256, 384), n(384)), {"pad": 1}),
        "fc7": ("linear", (n(8, 4096), 0.02 * n(4096, 4096), n(4096)), {}),
        "relu": ("relu", (n(2, 55, 55, 96),), {}),
        "tanh": ("tanh", (n(2, 55, 55, 96),), {}),
        "lrn": ("lrn", (n(2, 55, 55, 96),), {"alpha": 0.1}),
        "lrn of two towers": ("lrn", (n(2, 27, 27, 256),), {"groups": 2, "alpha": 0.1}),
        "mapnorm": ("mapnorm", (n(2, 27, 27, 256),), {"alpha": 0.1}),
        "max_pool": ("max_pool", (n(2, 55, 55, 96),), {}),
        "dropout": ("dropout", (n(8, 4096),), {"mask": n(8, 4096) > 0}),
        "softmax": ("softmax_cross_entropy", (n(8, 1000), 7 * np.arange(8)), {}),
        "batchnorm": ("batchnorm", (n(4, 27, 27, 96), n(96), n(96)), {}),
        "conv2, ReLU": ("conv_relu", unrounded((2, 27, 27, 96), (5, 5, 48, 256)), {"pad": 2, "groups": 2}),
        "fc7, ReLU": ("linear_relu", unrounded((8, 4096), (4096, 4096)), {}),
        "lrn, max_pool": ("lrn_max_pool", (n(2, 55, 55, 96),), {"groups": 2, "alpha": 0.1}),
    }


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def unrounded(*shapes: tuple) -> tuple:
    """x, W and b of which no type rounds a product, and none is 0: nothing crosses the kink of a ReLU."""
    rng = np.random.default_rng(0)
    x, W = (rng.integers(-2, 3, shape) / 2 for shape in shapes)
    return x, W, (2 * rng.integers(-2, 3, W.shape[-1]) + 1) / 8


def pairs(xp, table: str, what: dict | None = None) -> Iterator[dict]:
    """The largest error of y and the gradients of each pair, of the largest entry, against NumPy in float64."""
    for label, case in (cases() if what is None else what).items():
        if getattr(TABLES[table]["ops"], case[0]) is None:
            continue
        row, wrong = {"": label}, []
        for name, precision in PRECISIONS.items():
            try:
                row[name] = error = _pair_error(xp, TABLES[table]["ops"], *case, precision)
                wrong += [] if error <= precision.limit else [name]
            except Exception as failure:  # the other types shall be tried
                row[name] = f"{type(failure).__name__}: {one_line(failure)}"[:60]
                wrong.append(name)
        yield row | ({"wrong": ", ".join(wrong)} if wrong else {})
    yield from _beside_pairs(xp, **TABLES[table])


def _pair_error(xp, ops, name: str, arrays, options: dict, precision: Precision) -> float:
    use_tf32(xp, precision.tf32)
    dtype = precision.dtype
    stored = [array.astype(dtype) if array.dtype.kind == "f" else array for array in arrays]
    wide = [array.astype("float64") if array.dtype.kind == "f" else array for array in stored]
    plain = pair_of(reference, name)
    want, cache = plain.forward(*wide, **options)
    dy = normal(*want.shape, seed=1).astype(dtype) if want.ndim else 1.0  # a loss has the gradient 1
    wants = [want, *_listed(plain.backward(np.asarray(dy, "float64")[()], cache))]

    pair = getattr(mixed(ops, xp) if dtype == "float16" else ops, name)
    there = {key: xp.asarray(value) if isinstance(value, np.ndarray) else value for key, value in options.items()}
    y, cache = pair.forward(*map(xp.asarray, stored), **there)
    grads = _listed(pair.backward(xp.asarray(dy) if want.ndim else dy, cache))
    return max_error([y, *grads], wants)


def _listed(value) -> list:
    return list(value) if isinstance(value, tuple) else [value]


def max_error(got: list, wants: list) -> float:
    """The largest difference, each of its array's largest entry; NaN where there is one."""
    differences = [
        np.abs(to_numpy(g).astype("float64") - w).max() / np.abs(w).max() for g, w in zip(got, wants, strict=True)
    ]
    return float(np.max(differences))  # Python's max may pass over a NaN


def _beside_pairs(xp, *, ops, preprocess, **_) -> Iterator[dict]:
    """Dropout's masks, which are to be the same bits, and the preprocessing of crops."""
    shape = (64, 4096)
    want = reference.dropout_mask(shape, 0.5, generator(0, DROPOUT), xp=np)
    got = to_numpy(ops.dropout_mask(shape, 0.5, generator(0, DROPOUT), xp=xp))
    same = bool((got == want).all())
    yield {"": "dropout's masks", "float32": "the same" if same else "OTHERS"} | ({} if same else {"wrong": "masks"})

    images = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), "uint8")
    mean, patches = np.full((256, 256, 3), 100, "float32"), center_patches(2, 224)
    want = Preprocessing(mean).apply(images, patches)
    error = max_error([preprocess(Preprocessing(xp.asarray(mean)), xp.asarray(images), patches)], [want])
    limit = PRECISIONS["float32"].limit
    yield {"": "crops", "float32": error} | ({} if error <= limit else {"wrong": "crops"})


# Steps


class Steps(NamedTuple):
    """After two training steps: velocities and parameters on the host, and the losses."""

    velocity: dict
    params: dict
    losses: list[float]

    def bits(self) -> list[bytes]:
        return [value.tobytes() for values in (self.params, self.velocity) for value in values.values()]

    def distance(self, other: "Steps") -> float:
        """How far a velocity, which is what gradients made, is from the other's at the most, in norms."""
        names = other.velocity
        return float(np.max([_relative(self.velocity[name], other.velocity[name]) for name in names]))

    def whole_distance(self, other: "Steps") -> float:
        """The same of all parameters together."""
        flat = [np.concatenate([value.reshape(-1) for value in steps.velocity.values()]) for steps in (self, other)]
        return _relative(*flat)


def _relative(got, want) -> float:
    return float(np.linalg.norm(got - want) / np.linalg.norm(want))


def two_steps(xp, net: alexnet.Network, dtype: str, *, rewrite=tuple, preprocess=None, **how) -> Steps:
    """Of `how` and of what else a table has; its preprocessing is not asked for."""
    layers = rewrite(net.layers)
    params, state = network.init(layers, net.input_shape, generator(0, INIT), xp=xp)
    velocity, losses = optim.init_velocity(params), []
    x = xp.asarray((60 * normal(IMAGES, *net.input_shape)).astype(dtype))
    t = xp.asarray(np.arange(IMAGES) % CLASSES)
    for number in range(2):
        rng = generator(0, DROPOUT, 0, number)
        loss, _, state = train.step(layers, params, velocity, state, x, t, rates=RATES, rng=rng, **how)
        losses.append(float(loss))
    host = [{name: to_numpy(value) for name, value in values.items()} for values in (velocity, params)]
    return Steps(*host, losses)


def networks() -> list[alexnet.Network]:
    """All variants at an eighth of their width."""
    return [alexnet.build(variant, classes=CLASSES, width=1 / 8) for variant in alexnet.VARIANTS]


def steps(xp, table: str, nets: list | None = None) -> Iterator[dict]:
    """Two training steps of each variant in float32, beside NumPy's; and again, which is to give the same bits."""
    use_tf32(xp, False)
    for net in networks() if nets is None else nets:
        want = two_steps(np, net, "float32")
        got, again = (two_steps(xp, net, "float32", **TABLES[table]) for _ in range(2))
        far, same = got.distance(want), got.bits() == again.bits()
        row = {"": net.name, "loss": got.losses[-1], "on NumPy": want.losses[-1], "velocities differ by": far}
        row["again"] = "the same bits" if same else "OTHER BITS"
        yield row | ({} if same and far <= STEP_LIMIT else {"wrong": True})


def mixed_steps(xp, table: str, nets: list | None = None) -> Iterator[dict]:
    """Two steps in mixed precision beside float32's on NumPy; and what a step does whose gradients overflow."""
    how = TABLES[table] | {"ops": mixed(TABLES[table]["ops"], xp)}
    for net in networks() if nets is None else nets:
        want = two_steps(np, net, "float32")
        got, again = (two_steps(xp, net, "float16", **how, scale=SCALE) for _ in range(2))
        far, same = got.whole_distance(want), got.bits() == again.bits()
        row = {"": net.name, "loss": got.losses[-1], "in float32": want.losses[-1], "velocities differ by": far}
        row["the farthest by"] = got.distance(want)
        row["again"] = "the same bits" if same else "OTHER BITS"
        skipped = _overflow_changes_nothing(xp, net, how)
        row["overflow"] = "skipped" if skipped else "NOT SKIPPED"
        yield row | ({} if same and skipped and far <= MIXED_LIMIT else {"wrong": True})


def _overflow_changes_nothing(xp, net: alexnet.Network, how: dict) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        how = how | {"scale": TOO_MUCH}
        began, after = (two_steps(xp, net, "float16", **how, check=check) for check in (_never, fits))
    return began.bits() == after.bits()


def _never(loss, logits, grads) -> bool:
    return False


def fits(loss, logits, grads) -> bool:
    """Whether no gradient overflowed, for which the host waits, as a run in mixed precision does at every step."""
    return math.isfinite(float(total(grads)))


# A training


def training(xp, table: str, dtype: str, data: Path | None = None, options: tuple[str, ...] = ()) -> Iterator[dict]:
    """The toy set as examples/train_imagenet.py trains it, an epoch a row, until GOOD; wrong where it never is.

    seconds: since the first step, with validation and checkpoints.
    """
    program = runpy.run_path(str(TRAIN))
    args = program["arguments"](["--dtype", dtype, *options])
    packed = open_data(data, progress=False)
    config = replace(program["configure"](args, packed), kernels=table == "kernels")
    snapshot, began, how = train.start(config, packed, xp=xp), time.monotonic(), dict(TABLES[table])
    layers = how.pop("rewrite")(config.network().layers)
    with TemporaryDirectory() as folder:
        for epoch in range(1, config.recipe.epochs + 1):
            until = replace(config, recipe=replace(config.recipe, epochs=epoch))  # the same run, prolonged
            with redirect_stderr(io.StringIO()):  # the run's own lines
                record = train.Trainer(until, packed, snapshot, layers, Path(folder), xp, **how).run()
            row = {"epoch": epoch, "seconds": time.monotonic() - began, "top-1": record["val_top1"]}
            row |= {"loss": record["loss"], "images/s": record["images_per_second"], "wait": record["wait"]}
            good = record["val_top1"] >= GOOD
            yield row | ({"wrong": f"below {GOOD:.0%}"} if epoch == config.recipe.epochs and not good else {})
            if good:
                return
