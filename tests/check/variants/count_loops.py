"""By counting, one by one where that is not too long."""


def parameters(kernel, C, OC, groups):
    weights = 0
    for _ in range(groups):
        weights += kernel[0] * kernel[1] * (C // groups) * (OC // groups)
    return weights + OC


def macs(size, kernel, C, OC, stride, pad, groups):
    pads = ((pad, pad), (pad, pad)) if isinstance(pad, int) else pad
    places = 1
    for length, K, (before, after) in zip(size, kernel, pads, strict=True):
        places *= len([start for start in range(0, before + length + after, stride)
                       if start + K <= before + length + after])  # fmt: skip
    return places * (parameters(kernel, C, OC, groups) - OC)
