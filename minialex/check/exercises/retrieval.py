"""The images nearest to an image in a network's activations (section 6.1)."""

import numpy as np

from minialex.check.cases import EDGES, RESULT, SEED, Case, Exercise, function_case
from minialex.check.mistakes import Looks
from minialex.evaluate import nearest

HINTS = (
    "|q - r|^2 = |q|^2 + |r|^2 - 2 q.r: the first is one number a query, a column (Q,1); the second one a row, "
    "(B,); the third is one matrix product for all pairs.",
    "Rounding can make a distance of 0 a little negative, whose root is NaN: take the larger of it and 0.",
    "nearest: go through the blocks, count the rows on from block to block, and keep the k best of what you had and of "
    "the new block: argsort with kind='stable' keeps the earlier of equals first. Take the root at the end.",
)


def squared(queries, rows):
    """(Q,B), without the trick."""
    return ((queries[:, None] - rows) ** 2).sum(axis=2)


def distance_mistakes(queries, rows):
    """Known mistakes: (words, function that gives the wrong result)."""
    a, b, ab = (queries**2).sum(axis=1)[:, None], (rows**2).sum(axis=1), queries @ rows.T
    yield from (
        ("the 2 of 2 q.r is missing", lambda: a + b - ab),
        ("q.r is added: it should be subtracted", lambda: a + b + 2 * ab),
        ("|q|^2 is missing", lambda: b - 2 * ab),
        ("|r|^2 is missing", lambda: a - 2 * ab),
        ("2 q.r is missing", lambda: a + b + 0 * ab),
        ("the lengths are not squared", lambda: np.sqrt(a) + np.sqrt(b) - 2 * ab),
        ("the root is taken: it should be the squared distance", lambda: np.sqrt(abs(squared(queries, rows)))),
        ("this is the product q.r, not a distance", lambda: ab),
        ("this is the cosine of the angle, not a distance", lambda: ab / np.sqrt(a * b)),
        ("this is 1 less the cosine of the angle", lambda: 1 - ab / np.sqrt(a * b)),
        (
            "the differences' magnitudes are summed: it should be their squares",
            lambda: abs(queries[:, None] - rows).sum(axis=2),
        ),
        ("the mean over the D units: it should be the sum", lambda: squared(queries, rows) / queries.shape[1]),
        (
            "|q|^2 and |r|^2 are the sums of the entries: square them first",
            lambda: queries.sum(axis=1)[:, None] + rows.sum(axis=1) - 2 * ab,
        ),
    )
    if np.any(squared(queries, rows) == 0):
        yield "rounding makes a distance of 0 negative: take the larger of it and 0", Looks(lambda got: got.min() < 0)


def nearest_mistakes(queries, blocks, k, which):
    """Known mistakes: (words, function that gives the wrong result)."""
    rows = np.concatenate(blocks)
    d2 = squared(queries, rows)
    order = np.argsort(d2, axis=1, kind="stable")
    starts = np.concatenate([[0], np.cumsum([len(block) for block in blocks])[:-1]])
    offset = np.repeat(starts, [len(block) for block in blocks])

    def best(order, distances=d2, root=True):
        order = order[:, :k]
        found = np.take_along_axis(distances, order, axis=1)
        return order if which == "rows" else (np.sqrt(np.maximum(found, 0)) if root else found)

    ab = queries @ rows.T
    cosine = ab / np.linalg.norm(queries, axis=1)[:, None] / np.linalg.norm(rows, axis=1)
    yield "the distances are squared: take the root", lambda: best(order, root=False)
    yield "the farthest are taken: it should be the nearest", lambda: best(order[:, ::-1])
    yield "the k nearest are in the wrong order: the nearest comes first", lambda: best(order)[:, ::-1]
    yield "the numbers begin at 0 in each block: they count on", lambda: best(order) - offset[order[:, :k]]
    yield "the numbers begin at 1: they begin at 0", lambda: best(order) + 1
    yield "the nearest row is left out", lambda: best(order[:, 1:])
    yield "only the first block is looked at", lambda: best(np.argsort(d2[:, : len(blocks[0])], axis=1, kind="stable"))
    last = len(rows) - len(blocks[-1])
    in_last = np.argsort(d2[:, last:], axis=1, kind="stable")
    yield "only the last block is looked at", lambda: best(last + in_last)
    if which == "rows":
        yield "only the last block is looked at, its numbers from 0", lambda: best(in_last, d2[:, last:])
    yield (
        "the largest products q.r are taken, or |r|^2 is left out: it should be the smallest distance",
        lambda: best(np.argsort(-ab, axis=1, kind="stable")),
    )
    yield (
        "the smallest angles are taken: it should be the smallest distance",
        lambda: best(np.argsort(-cosine, axis=1, kind="stable")),
    )
    for words, wrong in (("|q - r|^2 lacks the 2 of 2 q.r", -ab), ("2 q.r is added: it should be subtracted", 2 * ab)):
        a, b = (queries**2).sum(axis=1)[:, None], (rows**2).sum(axis=1)
        other = a + b + wrong
        yield words, lambda other=other: best(np.argsort(other, axis=1, kind="stable"), other)
    later = d2.shape[1] - 1 - np.argsort(d2[:, ::-1], axis=1, kind="stable")
    yield "ties: of equal distances the later row comes first; it should be the earlier", lambda: best(later)
    if which == "distances":
        yield (
            "rounding makes a distance of 0 negative, and its root NaN: take the larger of it and 0",
            Looks(lambda got: bool(np.isnan(got).any())),
        )


def _nearest_case(stage, about, queries, blocks, k):
    numbers, distances = nearest(queries, blocks, k)
    return Case(
        stage=stage,
        about=f"nearest, {about}",
        inputs=dict(queries=queries, blocks=blocks, k=k),
        call=lambda learner, queries, blocks, k: dict(
            zip(("rows", "distances"), learner.call("nearest", queries, blocks, k), strict=True)
        ),
        want=dict(rows=numbers, distances=distances),
        known=lambda name: nearest_mistakes(queries, blocks, k, name),
        tolerance=1e-6,  # the root of a distance that rounding has made a little more than 0
    )


def _cases():
    rng = np.random.default_rng(SEED)
    queries, rows = rng.standard_normal((3, 5)), rng.standard_normal((14, 5)) * rng.uniform(0.5, 2, (14, 1))
    same = np.concatenate([queries[1:2], rows[:6], queries[1:2], rows[6:]])
    for about, given, edge in (
        ("squared_distances", rows, False),
        ("squared_distances, of a query to itself", same, True),
    ):
        yield function_case(
            "squared_distances",
            about,
            dict(queries=queries, rows=given),
            squared(queries, given),
            edge=edge,
            output="d2",
            known=lambda name, r=given: distance_mistakes(queries, r),
        )
    yield _nearest_case(RESULT, "three blocks", queries, [rows[:6], rows[6:9], rows[9:]], 4)
    yield _nearest_case(EDGES, "one block", queries, [rows], 3)
    yield _nearest_case(EDGES, "the query itself among the rows, twice", queries, [same[:5], same[5:]], 4)
    yield _nearest_case(EDGES, "blocks smaller than k", queries, [row[None] for row in rows], 6)


EXERCISE = Exercise("retrieval", ("squared_distances", "nearest"), HINTS, lambda: list(_cases()))
