"""Exercise: local response normalisation (section 3.3, lesson 05).

Check it with `python -m minialex check lrn`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def lrn_forward(x, *, n=5, k=2.0, alpha=1e-4, beta=0.75, groups=1):
    """s[i] = k + alpha * sum over j of x[j]^2;   y[i] = x[i] / s[i]^beta

    The sum goes over the n maps around map i, from i - n//2 to i + n//2, those of them that are there.

    x       (N,H,W,C); i and j count along the last axis
    n       odd
    alpha   multiplies the sum itself: it is not divided by n
    groups  parts of the channels, block by block: no window reaches into another part
    Returns y (N,H,W,C), and a cache: whatever your backward needs.
    """
    raise NotImplementedError("TODO")


def lrn_backward(dy, cache):
    """dx[i] = dy[i] s[i]^-beta - 2 alpha beta x[i] * sum over j of dy[j] x[j] s[j]^-(beta+1)

    The sum goes over the same maps j as in the forward.

    dy (N,H,W,C) -> dx (N,H,W,C)
    """
    raise NotImplementedError("TODO")
