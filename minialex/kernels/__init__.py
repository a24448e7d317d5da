"""CUDA kernels in place of the pairs that gain from one, and the table that has them: `fused`, for CuPy's arrays.

README.md beside this file tells how a kernel is written, added and tested.
"""

from dataclasses import replace

from minialex.kernels.lrn import lrn_backward, lrn_forward
from minialex.kernels.pool import max_pool_backward, max_pool_forward
from minialex.ops import Pair, reference

fused = replace(
    reference,
    lrn=Pair(lrn_forward, lrn_backward),
    max_pool=Pair(max_pool_forward, max_pool_backward),
)

__all__ = ["fused", "lrn_backward", "lrn_forward", "max_pool_backward", "max_pool_forward"]
