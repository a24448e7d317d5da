"""With NumPy's integers."""

import numpy as np


def parameters(kernel, C, OC, groups):
    return np.prod((*kernel, C // groups, OC)) + np.int64(OC)


def macs(size, kernel, C, OC, stride, pad, groups):
    if isinstance(pad, int):
        pad = ((pad, pad), (pad, pad))
    padded = np.array(size) + np.sum(pad, axis=1)
    out = (padded - np.array(kernel)) // stride + 1
    return out.prod() * OC * (C // groups) * kernel[0] * kernel[1]
