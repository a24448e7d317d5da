"""Exercise: the normalisation inside a map (beside section 3.3, lesson 05).

Check it with `python -m minialex check mapnorm`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def mapnorm_forward(x, *, size=5, k=1.0, alpha=1e-3 / 25, beta=0.75):
    """s[i,j] = k + alpha * sum over (u,v) of x[u,v]^2;   y[i,j] = x[i,j] / s[i,j]^beta

    The sum goes over the size x size pixels around (i,j) in the same map, those of them that are there.

    x      (N,H,W,C)
    size   odd
    alpha  multiplies the sum itself
    Returns y (N,H,W,C), and a cache: what your backward needs.
    """
    raise NotImplementedError("TODO")


def mapnorm_backward(dy, cache):
    """dx[p] = dy[p] s[p]^-beta - 2 alpha beta x[p] * sum over q of dy[q] x[q] s[q]^-(beta+1)

    The sum goes over the pixels q around p, as in the forward.

    dy (N,H,W,C) -> dx (N,H,W,C)
    """
    raise NotImplementedError("TODO")
