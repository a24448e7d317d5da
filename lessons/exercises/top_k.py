"""Exercise: top-1 and top-5 error (sections 2 and 6, lessons 02 and 11).

Check it with `python -m minialex check top_k`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def hits(logits, t, k):
    """Whether each row's label is among its k largest logits; of equal ones the earlier class comes first

    logits  (N,M); a label whose logit is NaN is no hit
    t       (N,), the labels, integers 0..M-1
    Returns (N,) of True and False.
    """
    raise NotImplementedError("TODO")


def top_k_error(logits, t, k):
    """The share of rows whose label is not among the k largest logits: a number from 0 to 1; arguments as for hits."""
    raise NotImplementedError("TODO")
