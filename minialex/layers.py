"""A small frozen record for each kind of layer: its name, its sizes, and which pair of ops it runs.

network.py asks three things of a record, ours or a learner's own:

    init(input_shape, rng) -> params              new parameters under their full names, {"conv1.W": ...}, on the host
    forward(params, x, *, state, train, rng, ops) -> (y, cache)
    backward(dy, cache, *, ops, need_dx=True) -> (dx, grads)      gradients under the parameters' names

input_shape has no batch axis; params and state are the network's whole flat dicts, only ever read. What a record may
have beside them: init_state(input_shape) and update_state(state, cache) for running statistics, macs(params,
output_shape) for the summary, and per_image = True where image n of y depends on image n of x alone, and not on rng.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any, ClassVar, Protocol

import numpy as np  # for initial values alone, which are made on the host

from minialex.backend import xp_of
from minialex.ops import Ops, batch_statistics
from minialex.ops.checks import require
from minialex.ops.windows import pair

Arrays = Mapping[str, Any]


class Layer(Protocol):
    """What a network asks of each of its records."""

    def init(self, input_shape: tuple, rng) -> Arrays: ...

    def forward(self, params: Arrays, x, *, state: Arrays, train: bool, rng, ops: Ops) -> tuple[Any, Any]: ...

    def backward(self, dy, cache, *, ops: Ops, need_dx: bool = True) -> tuple[Any, Arrays]: ...


@dataclass(frozen=True)
class Conv:
    """Convolution (3.2, 3.5). sigma and bias are the initial values' (section 5); sigma=None as in `initial`."""

    name: str
    maps: int
    kernel: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    pad: Any = 0
    groups: int = 1
    sigma: float | None = 0.01
    bias: float = 0.0
    per_image: ClassVar[bool] = True

    def init(self, input_shape, rng):
        shape = (*pair(self.kernel), input_shape[-1] // self.groups, self.maps)
        return initial(self, shape, rng)

    def forward(self, params, x, *, state, train, rng, ops):
        W, b = params[f"{self.name}.W"], params[f"{self.name}.b"]
        return ops.conv.forward(x, W, b, stride=self.stride, pad=self.pad, groups=self.groups)

    def backward(self, dy, cache, *, ops, need_dx=True):
        dx, dW, db = ops.conv.backward(dy, cache, need_dx=need_dx)
        return dx, {f"{self.name}.W": dW, f"{self.name}.b": db}

    def macs(self, params, output_shape):
        H, W, _ = output_shape
        return H * W * params[f"{self.name}.W"].size


@dataclass(frozen=True)
class Linear:
    """A fully connected layer (3.5). sigma and bias are the initial values' (section 5); sigma=None as in `initial`.

    It does not say `per_image`: in chunks of images, each chunk would make a gradient as large as W.
    """

    name: str
    units: int
    sigma: float | None = 0.01
    bias: float = 0.0

    def init(self, input_shape, rng):
        return initial(self, (*input_shape, self.units), rng)

    def forward(self, params, x, *, state, train, rng, ops):
        return ops.linear.forward(x, params[f"{self.name}.W"], params[f"{self.name}.b"])

    def backward(self, dy, cache, *, ops, need_dx=True):
        dx, dW, db = ops.linear.backward(dy, cache, need_dx=need_dx)
        return dx, {f"{self.name}.W": dW, f"{self.name}.b": db}

    def macs(self, params, output_shape):
        return params[f"{self.name}.W"].size


def initial(layer: Conv | Linear, shape: tuple, rng) -> dict:
    """Weights from N(0, sigma^2) and constant biases (section 5).

    sigma=None is PyTorch's default instead: both uniform within +-1/sqrt(fan-in).
    """
    if layer.sigma is None:
        bound = 1 / sqrt(prod(shape[:-1]))
        W, b = rng.uniform(-bound, bound, shape), rng.uniform(-bound, bound, shape[-1])
    else:
        W, b = rng.normal(0.0, layer.sigma, shape), np.full(shape[-1], float(layer.bias))
    return {f"{layer.name}.W": W, f"{layer.name}.b": b}


class NoParameters:
    """What records without parameters share: nothing to initialise."""

    def init(self, input_shape, rng):
        return {}


@dataclass(frozen=True)
class ReLU(NoParameters):
    """max(0, x) (3.1)."""

    per_image: ClassVar[bool] = True

    def forward(self, params, x, *, state, train, rng, ops):
        return ops.relu.forward(x)

    def backward(self, dy, cache, *, ops, need_dx=True):
        return ops.relu.backward(dy, cache), {}


@dataclass(frozen=True)
class Tanh(NoParameters):
    """The saturating unit of Figure 1 (3.1)."""

    per_image: ClassVar[bool] = True

    def forward(self, params, x, *, state, train, rng, ops):
        return ops.tanh.forward(x)

    def backward(self, dy, cache, *, ops, need_dx=True):
        return ops.tanh.backward(dy, cache), {}


@dataclass(frozen=True)
class LRN(NoParameters):
    """Local response normalisation (3.3)."""

    n: int = 5
    k: float = 2.0
    alpha: float = 1e-4
    beta: float = 0.75
    groups: int = 1
    per_image: ClassVar[bool] = True

    def forward(self, params, x, *, state, train, rng, ops):
        return ops.lrn.forward(x, n=self.n, k=self.k, alpha=self.alpha, beta=self.beta, groups=self.groups)

    def backward(self, dy, cache, *, ops, need_dx=True):
        return ops.lrn.backward(dy, cache), {}


@dataclass(frozen=True)
class MapNorm(NoParameters):
    """The normalisation inside a map that only the authors' code has."""

    size: int = 5
    k: float = 1.0
    alpha: float = 1e-3 / 25
    beta: float = 0.75
    per_image: ClassVar[bool] = True

    def forward(self, params, x, *, state, train, rng, ops):
        return ops.mapnorm.forward(x, size=self.size, k=self.k, alpha=self.alpha, beta=self.beta)

    def backward(self, dy, cache, *, ops, need_dx=True):
        return ops.mapnorm.backward(dy, cache), {}


@dataclass(frozen=True)
class MaxPool(NoParameters):
    """Overlapping max pooling (3.4)."""

    kernel: int = 3
    stride: int = 2
    per_image: ClassVar[bool] = True

    def forward(self, params, x, *, state, train, rng, ops):
        return ops.max_pool.forward(x, kernel=self.kernel, stride=self.stride)

    def backward(self, dy, cache, *, ops, need_dx=True):
        return ops.max_pool.backward(dy, cache), {}


@dataclass(frozen=True)
class Flatten(NoParameters):
    """(N,H,W,C) -> (N,H*W*C), before the first fully connected layer."""

    per_image: ClassVar[bool] = True

    def forward(self, params, x, *, state, train, rng, ops):
        return x.reshape(len(x), -1), x.shape

    def backward(self, dy, cache, *, ops, need_dx=True):
        return dy.reshape(cache), {}


@dataclass(frozen=True)
class Dropout(NoParameters):
    """Dropout (4.2). In training `rng` gives the key of the mask, and ValueError is raised where it is missing.

    inverted moves the factor from testing to training.
    """

    p: float = 0.5
    inverted: bool = False

    def forward(self, params, x, *, state, train, rng, ops):
        require(rng is not None or not train, "dropout in training draws a mask: it needs rng, a NumPy generator")
        mask = ops.dropout_mask(x.shape, self.p, rng, xp=xp_of(x)) if train else None
        return ops.dropout.forward(x, mask=mask, p=self.p, inverted=self.inverted)

    def backward(self, dy, cache, *, ops, need_dx=True):
        return ops.dropout.backward(dy, cache), {}


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation: running = momentum * running + (1 - momentum) * batch, the variance unbiased there.

    In training it raises ValueError for one value a channel, which has no variance.
    """

    name: str
    eps: float = 1e-5
    momentum: float = 0.9

    def init(self, input_shape, rng):
        C = input_shape[-1]
        return {f"{self.name}.gamma": np.ones(C), f"{self.name}.beta": np.zeros(C)}

    def init_state(self, input_shape):
        C = input_shape[-1]
        return {f"{self.name}.mean": np.zeros(C), f"{self.name}.var": np.ones(C)}

    def forward(self, params, x, *, state, train, rng, ops):
        require(x.size > x.shape[-1] or not train, f"{self.name}: x has shape {x.shape}, it needs 2 values a channel")
        given = {} if train else {"mean": state[f"{self.name}.mean"], "var": state[f"{self.name}.var"]}
        gamma, beta = params[f"{self.name}.gamma"], params[f"{self.name}.beta"]
        return ops.batchnorm.forward(x, gamma, beta, eps=self.eps, **given)

    def backward(self, dy, cache, *, ops, need_dx=True):
        dx, dgamma, dbeta = ops.batchnorm.backward(dy, cache)
        return dx, {f"{self.name}.gamma": dgamma, f"{self.name}.beta": dbeta}

    def update_state(self, state, cache):
        mean, var, count = batch_statistics(cache)
        keep, new = self.momentum, 1 - self.momentum
        return {
            f"{self.name}.mean": keep * state[f"{self.name}.mean"] + new * mean,
            f"{self.name}.var": keep * state[f"{self.name}.var"] + new * var * (count / (count - 1)),
        }
