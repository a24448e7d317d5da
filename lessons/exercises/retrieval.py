"""Exercise: the nearest images (section 6.1, lesson 11).

Check it with `python -m minialex check retrieval`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def squared_distances(queries, rows):
    """d2[q,r] = |queries[q]|^2 + |rows[r]|^2 - 2 queries[q].rows[r],  and never below 0

    queries (Q,D), rows (B,D) -> (Q,B), without an array of (Q,B,D)
    """
    raise NotImplementedError("TODO")


def nearest(queries, blocks, k=6):
    """The k rows nearest to each query by Euclidean distance, among rows that come in blocks

    queries  (Q,D)
    blocks   a list of (B,D), B may differ; the rows are numbered on from block to block, from 0
    Returns the rows' numbers (Q,k) and their distances (Q,k), the nearest first, of equal ones the earlier.
    """
    raise NotImplementedError("TODO")
