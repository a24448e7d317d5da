"""Exercise: every window as a row, and back (section 3.5, lesson 07).

Check it with `python -m minialex check im2col`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def im2col(x, kernel, stride, pad):
    """Row (n,i,j) is the window xpad[n, i*SH : i*SH+KH, j*SW : j*SW+KW], flattened in the order row, column, channel

    x       (N,H,W,C)
    kernel  (KH,KW)
    stride  an int or (vertical, horizontal)
    pad     pixels of zeros: an int or ((top, bottom), (left, right))
    Returns (N*OH*OW, KH*KW*C), the rows in the order n, i, j; OH = floor((H + top + bottom - KH) / SH) + 1.
    """
    raise NotImplementedError("TODO")


def col2im(cols, x_shape, kernel, stride, pad):
    """The transpose: each value is added back to the pixel that im2col read it from; what comes from padding is lost

    cols     (N*OH*OW, KH*KW*C)
    x_shape  (N,H,W,C); kernel, stride and pad as in im2col
    Returns (N,H,W,C).
    """
    raise NotImplementedError("TODO")
