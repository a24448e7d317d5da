"""Exercise: dropout (section 4.2, lesson 09).

Check it with `python -m minialex check dropout`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def dropout_forward(x, *, mask, p=0.5, inverted=False):
    """training (mask of 0 and 1)   testing (mask is None)
    as in the paper     y = x mask                   y = x (1 - p)
    inverted            y = x mask / (1 - p)         y = x

    x     any shape
    mask  of that shape, 0 where a unit is dropped (numbers, or False and True); or None
    p     the probability to be dropped
    Returns y as x, and a cache: what your backward needs.
    """
    raise NotImplementedError("TODO")


def dropout_backward(dy, cache):
    """dx = dy times what the forward multiplied x by

    dy as y -> dx as x.
    """
    raise NotImplementedError("TODO")
