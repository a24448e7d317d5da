"""Exercise: a fully connected layer (section 3.5, lesson 07).

Check it with `python -m minialex check linear`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def linear_forward(x, W, b):
    """y[n,m] = b[m] + sum over d of x[n,d] W[d,m]

    x (N,D), W (D,M), b (M,) -> y (N,M), and a cache: what your backward needs.
    """
    raise NotImplementedError("TODO")


def linear_backward(dy, cache):
    """dx[n,d] = sum over m of dy[n,m] W[d,m]
    dW[d,m] = sum over n of x[n,d] dy[n,m]
    db[m]   = sum over n of dy[n,m]

    dy (N,M) -> dx (N,D), dW (D,M), db (M,)
    """
    raise NotImplementedError("TODO")
