"""Exercise: the rectified linear unit (section 3.1, lesson 03).

Check it with `python -m minialex check relu`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def relu_forward(x):
    """y = max(0, x), entry by entry

    x of any shape -> y of the same, and a cache: what your backward needs.
    """
    raise NotImplementedError("TODO")


def relu_backward(dy, cache):
    """dx = dy where x > 0, else 0

    dy as y -> dx as x.
    """
    raise NotImplementedError("TODO")
