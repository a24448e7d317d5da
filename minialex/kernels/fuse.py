"""Two layers in one kernel: `fuse` rewrites a network's table, for which `fused` has pairs that do the work of two.

A record that stands for two holds the two. Its parameters, their names and every constant are theirs, so a checkpoint
is the same file either way. Where a table of pairs has none for both, as `reference` has not, it runs theirs one after
the other, and gives to the bit what the network gave before it was rewritten.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from minialex.layers import LRN, Conv, Layer, Linear, MaxPool, NoParameters, ReLU
from minialex.ops import Ops, Pair

# What a pair for two does, and which options of its forward are the second's.
TWO = {
    "conv_relu": ("conv", "relu", ()),
    "linear_relu": ("linear", "relu", ()),
    "lrn_max_pool": ("lrn", "max_pool", ("kernel", "stride")),
}


def pair_of(ops: Ops, name: str) -> Pair:
    """The pair of that name of a table; where it has none, its two pairs that do the same, as one."""
    own = getattr(ops, name)
    if own is not None:
        return own
    first, second, options = TWO[name]
    return _in_turn(getattr(ops, first), getattr(ops, second), options)


def _in_turn(first: Pair, second: Pair, of_second: tuple[str, ...]) -> Pair:
    def forward(*arrays, **options):
        its = {name: options.pop(name) for name in of_second if name in options}
        y, cache = first.forward(*arrays, **options)
        y, its_cache = second.forward(y, **its)
        return y, (cache, its_cache)

    def backward(dy, cache, **options):
        cache, its_cache = cache
        return first.backward(second.backward(dy, its_cache), cache, **options)

    return Pair(forward, backward)


@dataclass(frozen=True)
class WithReLU:
    """A convolution or a fully connected layer, and the ReLU behind it (3.1).

    The pairs for both take what those for the layer alone take: it runs on a table that has them in their places.
    """

    layer: Conv | Linear
    relu: ReLU

    @property
    def name(self) -> str:
        return self.layer.name

    def init(self, input_shape, rng):
        return self.layer.init(input_shape, rng)

    def forward(self, params, x, *, ops, **how):
        return self.layer.forward(params, x, ops=self._with_relu(ops), **how)

    def backward(self, dy, cache, *, ops, need_dx=True):
        return self.layer.backward(dy, cache, ops=self._with_relu(ops), need_dx=need_dx)

    def macs(self, params, output_shape):
        return self.layer.macs(params, output_shape)

    def _with_relu(self, ops: Ops) -> Ops:
        return replace(ops, conv=pair_of(ops, "conv_relu"), linear=pair_of(ops, "linear_relu"))


@dataclass(frozen=True)
class LRNMaxPool(NoParameters):
    """Local response normalisation (3.3), and the max pooling behind it (3.4)."""

    lrn: LRN
    pool: MaxPool

    def forward(self, params, x, *, state, train, rng, ops):
        return pair_of(ops, "lrn_max_pool").forward(x, **vars(self.lrn), **vars(self.pool))

    def backward(self, dy, cache, *, ops, need_dx=True):
        return pair_of(ops, "lrn_max_pool").backward(dy, cache), {}


RECORDS = {(Conv, ReLU): WithReLU, (Linear, ReLU): WithReLU, (LRN, MaxPool): LRNMaxPool}  # by their very types


def fuse(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Rewrite a table of layers: a ReLU goes into the layer with weights before it, max pooling into the LRN before it.

    Names of parameters, and what any table of pairs computes, stay as they are.
    """
    fused: list[Layer] = []
    for layer in layers:
        record = RECORDS.get((type(fused[-1]), type(layer))) if fused else None
        fused.append(record(fused.pop(), layer) if record else layer)
    return tuple(fused)
