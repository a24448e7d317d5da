"""Top-1 and top-5 error (sections 2 and 6): by sorting, which one can see through, NaN last."""

import numpy as np


def hits(logits, t, k):
    """Whether each row's label is among its k largest logits; of equal ones the earlier class comes first."""
    order = np.argsort(-logits, axis=1, kind="stable")[:, :k]  # stable: equal ones stay in the order of their classes
    among = (order == t[:, None]).any(axis=1)
    return among & ~np.isnan(logits[np.arange(len(t)), t])  # sorting puts NaN last, but k may reach there


def top_k_error(logits, t, k):
    """The share of rows whose label is not among the k largest logits."""
    return 1 - hits(logits, t, k).mean()
