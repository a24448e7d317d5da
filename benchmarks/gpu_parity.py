"""Part of benchmarks/gpu.py: does a GPU compute what NumPy does? Each pair, a training step, mixed precision."""

import numpy as np

from minialex import alexnet, network, optim, train
from minialex.backend import to_numpy
from minialex.ops import Ops, reference
from minialex.precision import mixed
from minialex.rng import DROPOUT, INIT, generator

LIMITS = {"float32": 1e-4, "float16": 1e-2}  # of the largest entry: what is more is a fault, not rounding
RATES = optim.Rates(0.01, 0.01)
VARIANTS = tuple(alexnet.VARIANTS)
WIDTH, IMAGES, CLASSES = 1 / 8, 4, 10


def _normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def cases() -> dict:
    """(pair, arrays, options) by name: the shapes of the network, few images."""
    conv2 = _normal(2, 27, 27, 96), _normal(5, 5, 48, 256) * 0.03, _normal(256)
    return {
        "conv1": ("conv", (_normal(2, 224, 224, 3), _normal(11, 11, 3, 96), _normal(96)), {"stride": 4}),
        "conv2": ("conv", conv2, {"pad": 2, "groups": 2}),
        "linear": ("linear", (_normal(8, 4096), _normal(4096, 1000) * 0.02, _normal(1000)), {}),
        "relu": ("relu", (_normal(2, 55, 55, 96),), {}),
        "tanh": ("tanh", (_normal(2, 55, 55, 96),), {}),
        "lrn": ("lrn", (_normal(2, 55, 55, 96),), {"groups": 2, "alpha": 0.1}),
        "mapnorm": ("mapnorm", (_normal(2, 27, 27, 256),), {"alpha": 0.1}),
        "max_pool": ("max_pool", (_normal(2, 55, 55, 96),), {}),
        "dropout": ("dropout", (_normal(8, 4096),), {"mask": _normal(8, 4096) > 0}),
        "softmax": ("softmax_cross_entropy", (_normal(8, 1000), np.arange(8)), {}),
        "batchnorm": ("batchnorm", (_normal(4, 27, 27, 96), _normal(96), _normal(96)), {}),
    }


def pairs(xp, *, ops: Ops = reference, **_) -> list[tuple]:
    """The largest error of each pair against NumPy in float64, of the largest entry; ValueError beyond LIMITS."""
    rows, wrong = [("", *LIMITS)], []
    for label, (name, arrays, options) in cases().items():
        errors = [_error(xp, ops, name, arrays, options, dtype) for dtype in LIMITS]
        rows.append((label, *(f"{error:.1e}" for error in errors)))
        wrong += [rows[-1] for error, limit in zip(errors, LIMITS.values(), strict=True) if not error <= limit]
    if wrong:
        raise ValueError(f"beyond rounding: {wrong}")
    return rows


def _error(xp, ops: Ops, name: str, arrays, options: dict, dtype: str) -> float:
    stored = [array.astype(dtype) if array.dtype.kind == "f" else array for array in arrays]
    wide = [array.astype("float64") if array.dtype.kind == "f" else array for array in stored]
    wanted, cache = getattr(reference, name).forward(*wide, **options)
    dy = _normal(*wanted.shape, seed=1).astype(dtype) if wanted.ndim else 1.0
    wants = [wanted, *_listed(getattr(reference, name).backward(np.asarray(dy, "float64"), cache))]

    pair = getattr(mixed(ops, xp) if dtype == "float16" else ops, name)
    there = {key: xp.asarray(value) if isinstance(value, np.ndarray) else value for key, value in options.items()}
    y, cache = pair.forward(*map(xp.asarray, stored), **there)
    grads = _listed(pair.backward(xp.asarray(dy) if wanted.ndim else dy, cache))
    errors = [_difference(got, want) for got, want in zip([y, *grads], wants, strict=True)]
    return float(np.max(errors))  # not Python's max, which may pass over a NaN


def _listed(value) -> list:
    return list(value) if isinstance(value, tuple) else [value]


def _difference(got, want) -> float:
    got, want = to_numpy(got).astype("float64"), to_numpy(want)
    return float(np.abs(got - want).max() / max(np.abs(want).max(), 1e-9))


def steps(xp, *, ops: Ops = reference, update=optim.update, **_) -> list[tuple]:
    """Two training steps of small networks on `xp` and on NumPy; and the same bits when they are run again."""
    rows = [("", "loss", "on NumPy", "parameters differ by", "again")]
    for variant in VARIANTS:
        wanted, numpys = _two_steps(np, variant, "float32")
        got, theirs = _two_steps(xp, variant, "float32", ops=ops, update=update)
        again, _ = _two_steps(xp, variant, "float32", ops=ops, update=update)
        same = all(got[name].tobytes() == again[name].tobytes() for name in got)
        far = max(_difference(got[name], wanted[name]) for name in got)
        bits = "the same bits" if same else "OTHER BITS"
        rows.append((variant, f"{theirs:.6f}", f"{numpys:.6f}", f"{far:.1e}", bits))
        if not same or not far < 1e-2:
            raise ValueError(f"not what NumPy gives, or not twice the same: {rows}")
    return rows


def mixed_steps(xp, own: dict) -> list[tuple]:
    """Two steps in float16 beside two in float32, on array code and on kernels."""
    _, wanted = _two_steps(xp, "paper", "float32")
    rows = [("float32", f"{wanted:.5f}")]
    for name, how in {"array code": {}, "kernels": own}.items():
        ops, update = how.get("ops", reference), how.get("update", optim.update)
        _, loss = _two_steps(xp, "paper", "float16", ops=mixed(ops, xp), update=update, scale=2.0**12)
        rows.append((f"mixed, {name}", f"{loss:.5f}"))
        if not abs(loss - wanted) < 0.01 * wanted:
            raise ValueError(f"float16 is too far from float32: {rows}")
    return rows


def _two_steps(xp, variant: str, dtype: str, **how) -> tuple[dict, float]:
    """Parameters after two steps, on the host, and the last loss."""
    net = alexnet.build(variant, classes=CLASSES, width=WIDTH)
    params, state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=xp)
    velocity = optim.init_velocity(params)
    x = xp.asarray((_normal(IMAGES, *net.input_shape) * 60).astype(dtype))
    t = xp.asarray(np.arange(IMAGES) % CLASSES)
    for number in range(2):
        rng = generator(0, DROPOUT, 0, number)
        loss, _, state = train.step(net.layers, params, velocity, state, x, t, rates=RATES, rng=rng, **how)
    return {name: to_numpy(value) for name, value in params.items()}, float(loss)
