"""Parameters and multiply-adds (section 1)."""


def parameters(kernel, C, OC, groups):
    """OC kernels, each of KH KW C/groups weights and one bias."""
    KH, KW = kernel
    return OC * (KH * KW * (C // groups) + 1)


def macs(size, kernel, C, OC, stride, pad, groups):
    """Each of OH OW OC outputs multiplies the KH KW C/groups weights of its kernel."""
    (H, W), (KH, KW) = size, kernel
    (top, bottom), (left, right) = ((pad, pad), (pad, pad)) if isinstance(pad, int) else pad
    OH = (H + top + bottom - KH) // stride + 1
    OW = (W + left + right - KW) // stride + 1
    return OH * OW * OC * KH * KW * (C // groups)
