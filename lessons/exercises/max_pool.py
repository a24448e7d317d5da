"""Exercise: overlapping max pooling (section 3.4, lesson 06).

Check it with `python -m minialex check max_pool`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def max_pool_forward(x, *, kernel=3, stride=2):
    """y[n,i,j,c] = the largest of x[n, i*SH+u, j*SW+v, c] over u < KH, v < KW

    x       (N,H,W,C), positive or negative
    kernel  pixels: an int or (vertical, horizontal)
    stride  pixels between windows: an int or (vertical, horizontal)
    Returns y (N,OH,OW,C) with OH = floor((H - KH) / SH) + 1, and a cache: what your backward needs.
    """
    raise NotImplementedError("TODO")


def max_pool_backward(dy, cache):
    """dx[the place of a window's maximum] += dy of that window, for every window

    Of equal values the first takes it all: first row by row, then column by column.

    dy (N,OH,OW,C) -> dx (N,H,W,C)
    """
    raise NotImplementedError("TODO")
