"""Exercise: convolution (sections 3.2 and 3.5, lessons 04 and 07).

Check it with `python -m minialex check conv`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def conv_forward(x, W, b, *, stride=1, pad=0, groups=1):
    """y[n,i,j,o] = b[o] + sum over u, v, c of xpad[n, i*SH+u, j*SW+v, c] * W[u,v,c,o]

    The kernel is not flipped. With G groups, the g-th part of the maps sees the g-th part of the channels only; both
    are parts block by block.

    x       (N,H,W,C)
    W       (KH,KW,C/groups,OC)
    b       (OC,)
    stride  pixels between windows: an int or (vertical, horizontal)
    pad     pixels of zeros: an int or ((top, bottom), (left, right))
    Returns y (N,OH,OW,OC) with OH = floor((H + top + bottom - KH) / SH) + 1, and a cache: what your backward needs.
    """
    raise NotImplementedError("TODO")


def conv_backward(dy, cache):
    """dW[u,v,c,o]  = sum over n, i, j of dy[n,i,j,o] * xpad[n, i*SH+u, j*SW+v, c]
    db[o]        = sum over n, i, j of dy[n,i,j,o]
    dxpad[n, i*SH+u, j*SW+v, c] += dy[n,i,j,o] * W[u,v,c,o]   for all n, i, j, o, u, v, c; dx is it without the padding

    dy (N,OH,OW,OC) -> dx (N,H,W,C), dW (KH,KW,C/groups,OC), db (OC,)
    """
    raise NotImplementedError("TODO")
