"""Exercise: the tanh that Figure 1 compares with (section 3.1, lesson 03).

Check it with `python -m minialex check tanh`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def tanh_forward(x):
    """y = tanh(x), entry by entry

    x of any shape and any size -> y of the same shape, and a cache: what your backward needs.
    """
    raise NotImplementedError("TODO")


def tanh_backward(dy, cache):
    """dx = dy (1 - y^2)

    dy as y -> dx as x.
    """
    raise NotImplementedError("TODO")
