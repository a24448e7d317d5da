"""Python's sorted, which is stable; the result is whole numbers, 0 and 1."""

import math

import numpy as np


def hits(logits, t, k):
    rows = []
    for row, label in zip(logits.tolist(), t.tolist(), strict=True):
        order = sorted((c for c in range(len(row)) if not math.isnan(row[c])), key=lambda c: -row[c])
        rows.append(int(label in order[:k]))
    return np.array(rows)


def top_k_error(logits, t, k):
    found = hits(logits, t, k)
    return (len(t) - found.sum()) / len(t)
