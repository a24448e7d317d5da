"""Parameters and multiply-adds of a layer (sections 1 and 3.5)."""

import numpy as np

from minialex.check.cases import EDGES, RESULT, Case, Exercise
from minialex.ops.windows import output_size, pad_pairs

HINTS = (
    "One kernel has KH KW C/groups weights and one bias. How many kernels are there?",
    "A multiply-add is one weight times one input. Each of the OH OW OC outputs takes as many as its kernel has "
    "weights; a bias is added, and multiplies nothing.",
    "OH = floor((H + top + bottom - KH) / stride) + 1. conv2 of the paper, 27x27, 5x5, pad 2, 96 channels, 256 maps in "
    "two groups: 307,456 parameters and 223,948,800 multiply-adds.",
)

LAYERS = (  # size (H,W), kernel, C, OC, stride, pad, groups
    ((224, 224), (11, 11), 3, 96, 4, ((0, 3), (0, 3)), 1),
    ((27, 27), (5, 5), 96, 256, 1, 2, 2),
    ((13, 13), (3, 3), 256, 384, 1, 1, 1),
    ((13, 13), (3, 3), 384, 384, 1, 1, 2),
    ((6, 6), (6, 6), 256, 4096, 1, 0, 1),  # fc6, as a convolution
    ((1, 1), (1, 1), 4096, 1000, 1, 0, 1),
    ((9, 5), (3, 2), 8, 12, 2, ((1, 0), (0, 2)), 4),
)


def outputs(size, kernel, stride, pad, *, up=False):
    """OH, OW."""
    return [
        output_size(length + (stride - 1) * up, K, stride, *sides)
        for length, K, sides in zip(size, kernel, pad_pairs(pad), strict=True)
    ]


def parameters(kernel, C, OC, groups):
    """The number of weights and biases."""
    return OC * (kernel[0] * kernel[1] * C // groups + 1)


def macs(size, kernel, C, OC, stride, pad, groups):
    """The number of multiply-adds for one image."""
    OH, OW = outputs(size, kernel, stride, pad)
    return OH * OW * OC * kernel[0] * kernel[1] * C // groups


def parameter_mistakes(kernel, C, OC, groups):
    """Known mistakes: (words, function that gives the wrong result)."""
    KH, KW = kernel
    weights = KH * KW * C * OC // groups
    yield "groups is not used: a kernel has C/groups channels", KH * KW * C * OC + OC
    yield "the biases are missing: one a map", weights
    yield "one bias for the whole layer: there is one a map", weights + 1
    yield "one bias for each channel: there is one a map", weights + C
    yield "the biases are divided by groups: there is one a map", weights + OC // groups
    yield "a bias for each weight: there is one a map", 2 * weights
    yield "divided by groups twice: only the channels of a kernel are fewer", weights // groups + OC
    yield "multiplied by groups", KH * KW * C * OC * groups + OC
    yield "a kernel is KH x KW: one side is missing", KH * C * OC // groups + OC
    yield "the channels are left out: a kernel reaches through all of its group's", KH * KW * OC + OC
    yield "the maps are left out: there are OC kernels", KH * KW * C // groups + 1


def mac_mistakes(size, kernel, C, OC, stride, pad, groups):
    """Known mistakes: (words, function that gives the wrong result)."""
    (OH, OW), (KH, KW), (H, W) = outputs(size, kernel, stride, pad), kernel, size
    one = KH * KW * C * OC // groups
    yield "groups is not used: a kernel has C/groups channels", OH * OW * KH * KW * C * OC
    yield "the biases are counted: they multiply nothing", OH * OW * (one + OC)
    yield "two for a multiply-add: count it as one", 2 * OH * OW * one
    yield "the size of the input in place of the output's: a kernel stands at OH x OW places", H * W * one
    yield "the positions are left out: this is the number of weights", one
    yield "stride is not used in the output's size", int(np.prod(outputs(size, kernel, 1, pad))) * one
    yield "pad is not used in the output's size", int(np.prod(outputs(size, kernel, stride, 0))) * one
    yield (
        "the output's size is rounded up: it should be rounded down",
        int(np.prod(outputs(size, kernel, stride, pad, up=True))) * one,
    )
    yield "the output's size lacks the + 1", (OH - 1) * (OW - 1) * one
    yield "OH is used for both sides", OH * OH * one
    yield "divided by groups twice: only the channels of a kernel are fewer", OH * OW * one // groups
    yield "a kernel is KH x KW: one side is missing", OH * OW * KH * C * OC // groups
    yield "the channels are left out", OH * OW * KH * KW * OC
    yield "the maps are left out", OH * OW * KH * KW * C // groups


def _known(mistakes, questions):
    """Each mistake made on every layer, as (words, make)."""
    table = [dict(mistakes(*question)) for question in questions]
    for words in table[0]:
        yield words, lambda words=words: np.array([column[words] for column in table])


def _case(function, right, mistakes, layers, stage, about):
    def call(learner, layers):
        return {function: np.array([int(learner.call(function, *layer)) for layer in layers])}

    return Case(
        stage=stage,
        about=f"{function}, {about}",
        inputs=dict(layers=layers),
        call=call,
        want={function: np.array([right(*layer) for layer in layers])},
        known=lambda name: _known(mistakes, layers),
    )


def _cases():
    for stage, layers, about in ((RESULT, LAYERS[:6], "the paper's layers"), (EDGES, LAYERS[6:], "all sizes unequal")):
        kernels = [(kernel, C, OC, groups) for _, kernel, C, OC, _, _, groups in layers]
        yield _case("parameters", parameters, parameter_mistakes, kernels, stage, about)
        yield _case("macs", macs, mac_mistakes, list(layers), stage, about)


EXERCISE = Exercise("count", ("parameters", "macs"), HINTS, lambda: list(_cases()))
