"""The nearest images (section 6.1), a block of the training set at a time."""

import numpy as np


def squared_distances(queries, rows):
    """d^2 = |q|^2 + |r|^2 - 2 q.r.  queries (Q,D), rows (B,D) -> (Q,B)."""
    of_queries = (queries**2).sum(axis=1)[:, None]  # (Q,1)
    of_rows = (rows**2).sum(axis=1)  # (B,)
    return np.maximum(of_queries + of_rows - 2 * queries @ rows.T, 0)  # rounding may leave a little less than 0


def nearest(queries, blocks, k=6):
    """The numbers (Q,k) and distances (Q,k) of the k nearest rows; after each block only the best are kept."""
    numbers = np.empty((len(queries), 0), int)
    distances = np.empty((len(queries), 0))
    seen = 0
    for block in blocks:
        new = np.broadcast_to(np.arange(seen, seen + len(block)), (len(queries), len(block)))
        numbers = np.concatenate([numbers, new], axis=1)
        distances = np.concatenate([distances, squared_distances(queries, block)], axis=1)
        best = np.argsort(distances, axis=1, kind="stable")[:, :k]
        numbers, distances = np.take_along_axis(numbers, best, axis=1), np.take_along_axis(distances, best, axis=1)
        seen += len(block)
    return numbers, np.sqrt(distances)
