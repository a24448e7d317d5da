"""The arithmetic: one layer a file, its forward, then its backward; and the table of pairs that a network runs on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from minialex.ops.activations import relu_backward, relu_forward, tanh_backward, tanh_forward
from minialex.ops.batchnorm import batch_statistics, batchnorm_backward, batchnorm_forward
from minialex.ops.conv import conv_backward, conv_forward
from minialex.ops.dropout import dropout_backward, dropout_forward, dropout_mask
from minialex.ops.linear import linear_backward, linear_forward
from minialex.ops.lrn import lrn_backward, lrn_forward
from minialex.ops.mapnorm import mapnorm_backward, mapnorm_forward
from minialex.ops.pool import max_pool_backward, max_pool_forward
from minialex.ops.softmax import softmax, softmax_cross_entropy_backward, softmax_cross_entropy_forward
from minialex.ops.winograd import winograd_backward, winograd_forward


class Pair(NamedTuple):
    """A layer's arithmetic. Only whole pairs are replaced: a cache is known to its own pair alone."""

    forward: Callable
    backward: Callable


@dataclass(frozen=True)
class Ops:
    """A table of pairs, and of what draws dropout's masks, for a device may do that in its own way.

    A network runs on any table; `dataclasses.replace(reference, lrn=...)` makes another. Pairs that do the work of two
    are for kernels, which a table may have or not: see kernels/fuse.py.
    """

    conv: Pair
    linear: Pair
    relu: Pair
    tanh: Pair
    lrn: Pair
    max_pool: Pair
    dropout: Pair
    softmax_cross_entropy: Pair
    batchnorm: Pair
    mapnorm: Pair
    dropout_mask: Callable
    conv_relu: Pair | None = None
    linear_relu: Pair | None = None
    lrn_max_pool: Pair | None = None


reference = Ops(
    conv=Pair(conv_forward, conv_backward),
    linear=Pair(linear_forward, linear_backward),
    relu=Pair(relu_forward, relu_backward),
    tanh=Pair(tanh_forward, tanh_backward),
    lrn=Pair(lrn_forward, lrn_backward),
    max_pool=Pair(max_pool_forward, max_pool_backward),
    dropout=Pair(dropout_forward, dropout_backward),
    softmax_cross_entropy=Pair(softmax_cross_entropy_forward, softmax_cross_entropy_backward),
    batchnorm=Pair(batchnorm_forward, batchnorm_backward),
    mapnorm=Pair(mapnorm_forward, mapnorm_backward),
    dropout_mask=dropout_mask,
)
fast = replace(reference, conv=Pair(winograd_forward, winograd_backward))  # the same, on a CPU in less time

__all__ = [
    "Ops",
    "Pair",
    "batch_statistics",
    "batchnorm_backward",
    "batchnorm_forward",
    "conv_backward",
    "conv_forward",
    "dropout_backward",
    "dropout_forward",
    "dropout_mask",
    "fast",
    "linear_backward",
    "linear_forward",
    "lrn_backward",
    "lrn_forward",
    "mapnorm_backward",
    "mapnorm_forward",
    "max_pool_backward",
    "max_pool_forward",
    "reference",
    "relu_backward",
    "relu_forward",
    "softmax",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
    "tanh_backward",
    "tanh_forward",
    "winograd_backward",
    "winograd_forward",
]
