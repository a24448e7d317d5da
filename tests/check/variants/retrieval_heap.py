"""Python's sorted over (distance, number), a query at a time; the product for the distances."""

import numpy as np


def squared_distances(queries, rows):
    q2 = np.einsum("qd,qd->q", queries, queries)
    r2 = np.einsum("rd,rd->r", rows, rows)
    return np.clip(np.add.outer(q2, r2) - 2.0 * np.dot(queries, rows.T), 0, None)


def nearest(queries, blocks, k=6):
    kept = [[] for _ in queries]
    first = 0
    for block in blocks:
        d2 = squared_distances(queries, block)
        for q, row in enumerate(d2):
            kept[q] = sorted(kept[q] + [(round(d, 9), first + r) for r, d in enumerate(row)])[:k]
        first += len(block)
    return np.array([[r for _, r in q] for q in kept]), np.sqrt([[d for d, _ in q] for q in kept])
