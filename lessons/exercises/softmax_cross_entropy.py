"""Exercise: softmax with cross-entropy (lesson 02).

Check it with `python -m minialex check softmax_cross_entropy`; `--hint` gives a hint, `--watch` checks at every save.
"""


def softmax_cross_entropy_forward(logits, t):
    """loss = 1/N sum over n of ( log sum over m of exp(logits[n,m]) - logits[n,t[n]] ),  the mean of -log p[n,t[n]]

    logits  (N,M), of any size: 1000 too
    t       (N,), the labels, integers 0..M-1
    Returns the loss, a number, and a cache: what your backward needs.
    """
    raise NotImplementedError("TODO")


def softmax_cross_entropy_backward(dloss, cache):
    """dlogits = dloss (p - onehot(t)) / N,  p = softmax(logits)

    dloss a number -> dlogits (N,M)
    """
    raise NotImplementedError("TODO")
