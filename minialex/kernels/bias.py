"""The bias and the ReLU that follow a matrix product (sections 3.1, 3.2 and 3.5), in one kernel each way: bias.cu."""

from minialex.backend import xp_of
from minialex.kernels.launch import THREADS, launch, vector
from minialex.ops.checks import sums_type

LINES = 32  # pixels that a thread adds up


def add_bias(product, b, y, g=0, *, relu):
    """Write the maps of group g of y (...,OC): product (count,OC/groups) + b, where `relu` says so the ReLU of it."""
    count, maps = product.shape
    V = vector(maps, product, b, y)
    CG = maps // V
    arguments = product, b, y, xp_of(y).int64(count), len(b) // V, CG, g * CG
    launch("bias", "bias_forward", -(-count * CG // THREADS), arguments, V=V, RELU=int(relu), LINES=LINES)


def gradients(dy, y, groups=1):
    """Back through the ReLU and the bias: the gradient of each group's product, and db.

    dproduct = dy where y > 0, else 0;  db = sum of dproduct over images and positions

    dy, y: (...,OC).  Returns dproduct (groups,count,OC/groups) and db (OC,), which is float32 for float16 as a sum of
    so many may pass the end of float16.
    """
    xp, OC = xp_of(dy, y), y.shape[-1]
    dy, count = xp.ascontiguousarray(dy), y.size // OC
    V = vector(OC // groups, dy, y)
    CG = OC // groups // V
    width = min(CG, THREADS)
    blocks = -(-count // (LINES * (THREADS // width)))
    dproduct = xp.empty((groups, count, OC // groups), y.dtype)
    sums = xp.empty((blocks, OC), sums_type(y.dtype))
    arguments = dy, y, dproduct, sums, xp.int64(count), OC // V, CG, width
    launch("bias", "bias_backward", (blocks, -(-CG // width), groups), arguments, V=V, RELU=1, LINES=LINES)
    return dproduct, sums.sum(axis=0)
