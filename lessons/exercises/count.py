"""Exercise: parameters and multiply-adds (section 1, lesson 01).

Check it with `python -m minialex check count`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def parameters(kernel, C, OC, groups):
    """The number of weights and biases of a convolution

    kernel (KH,KW); C channels; OC maps; groups: each map sees C/groups of the channels. Returns an int.
    A fully connected layer is a convolution whose kernel is as large as the image.
    """
    raise NotImplementedError("TODO")


def macs(size, kernel, C, OC, stride, pad, groups):
    """The number of multiplications (each with its addition) that a convolution takes for one image

    size (H,W) of the input; stride, an int; pad, an int or ((top, bottom), (left, right)); the rest as in parameters.
    Returns an int. Biases multiply nothing.
    """
    raise NotImplementedError("TODO")
