"""CUDA kernels in place of the pairs that gain from one, and the table that has them: `fused`, for CuPy's arrays.

`fuse` rewrites a network's layers for the pairs that do the work of two. Beside the pairs: `update` for optim.update,
`preprocess` for Preprocessing.apply.

README.md beside this file tells how a kernel is written, added and tested.
"""

from dataclasses import replace

from minialex.kernels.conv import conv_backward, conv_forward, conv_relu_backward, conv_relu_forward
from minialex.kernels.dropout import dropout_mask
from minialex.kernels.fuse import fuse
from minialex.kernels.linear import linear_relu_backward, linear_relu_forward
from minialex.kernels.lrn import lrn_backward, lrn_forward
from minialex.kernels.lrn_pool import lrn_max_pool_backward, lrn_max_pool_forward
from minialex.kernels.pool import max_pool_backward, max_pool_forward
from minialex.kernels.preprocess import preprocess
from minialex.kernels.softmax import softmax_cross_entropy_backward, softmax_cross_entropy_forward
from minialex.kernels.update import update
from minialex.ops import Pair, reference

fused = replace(
    reference,
    conv=Pair(conv_forward, conv_backward),
    lrn=Pair(lrn_forward, lrn_backward),
    max_pool=Pair(max_pool_forward, max_pool_backward),
    softmax_cross_entropy=Pair(softmax_cross_entropy_forward, softmax_cross_entropy_backward),
    dropout_mask=dropout_mask,
    conv_relu=Pair(conv_relu_forward, conv_relu_backward),
    linear_relu=Pair(linear_relu_forward, linear_relu_backward),
    lrn_max_pool=Pair(lrn_max_pool_forward, lrn_max_pool_backward),
)

__all__ = [
    "conv_backward",
    "conv_forward",
    "conv_relu_backward",
    "conv_relu_forward",
    "dropout_mask",
    "fuse",
    "fused",
    "linear_relu_backward",
    "linear_relu_forward",
    "lrn_backward",
    "lrn_forward",
    "lrn_max_pool_backward",
    "lrn_max_pool_forward",
    "max_pool_backward",
    "max_pool_forward",
    "preprocess",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
    "update",
]
