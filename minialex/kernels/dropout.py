"""The masks of dropout (section 4.2) in one kernel: dropout.cu, the twin of dropout_mask in minialex/ops/dropout.py."""

from math import prod

from minialex.kernels.launch import THREADS, launch
from minialex.ops.dropout import key_and_least


def dropout_mask(shape, p, rng, *, xp, dtype="bool"):
    """A mask of 0 (with probability p) and 1, the same bits as those of ops.dropout.dropout_mask: see there."""
    key, least = key_and_least(p, rng)
    mask = xp.empty(shape, "bool")
    count = prod(shape)
    launch("dropout", "dropout_mask", -(-count // THREADS), (mask, xp.uint64(key), xp.uint64(least), xp.int64(count)))
    return mask.astype(dtype, copy=False)
