"""Local response normalisation (section 3.3)."""

from functools import partial

import numpy as np

from minialex.check.cases import SEED, Exercise, Pair, Probe
from minialex.check.exercises import normalising
from minialex.ops import lrn_backward, lrn_forward

HINTS = (
    "Write s first: how large each sum is. Two cases need care: maps at the ends of their group have fewer neighbours, "
    "and with groups=2 a window ends where the tower ends.",
    "An axis of its own for the groups, (N,H,W,groups,C/groups), and n//2 zeros on both sides of the last axis, turn "
    "the sum over a window into a sum of n shifted slices.",
    "Backward: x[i] stands in its own numerator, which gives dy[i] s[i]^-beta, and in the sum s[j] of each "
    "neighbour j. dy[j] x[j] s[j]^-(beta+1), summed over the same windows, is the second part but for the "
    "factors in front.",
)

WINDOWS = (  # what a window reaches, from map i, beside the right i - n//2 to i + n//2
    (
        "one map too few: the last of each window is left out (range ends before its end)",
        lambda n: (-(n // 2), n // 2 - 1),
    ),
    ("one map too few: the first of each window is left out", lambda n: (-(n // 2) + 1, n // 2)),
    ("one map too many: each window reaches one further up", lambda n: (-(n // 2), n // 2 + 1)),
    ("one map too many: each window reaches one further down", lambda n: (-(n // 2) - 1, n // 2)),
    ("a window reaches n maps to both sides: it should be n//2", lambda n: (-n, n)),
    ("a window reaches n//2 + 1 maps to both sides: it should be n//2", lambda n: (-(n // 2) - 1, n // 2 + 1)),
    ("a window reaches n//2 - 1 maps to both sides: it should be n//2", lambda n: (-(n // 2) + 1, n // 2 - 1)),
    ("a window is one-sided, of the n maps from i on: i is its middle", lambda n: (0, n - 1)),
    ("a window is one-sided, of the n maps up to i: i is its middle", lambda n: (-n + 1, 0)),
    ("a window is one-sided, of i and the n//2 maps after it", lambda n: (0, n // 2)),
    ("a window is one-sided, of i and the n//2 maps before it", lambda n: (-(n // 2), 0)),
)


def window(C, n, groups, *, reach=None, wrap=False, group_of=None):
    """(C,C): 1 where map j is in the window of map i."""
    low, high = reach or (-(n // 2), n // 2)
    share = C // groups
    group_of = group_of or (lambda c: c // share)
    inside = np.zeros((C, C))
    for i in range(C):
        for j in range(i + low, i + high + 1):
            if wrap:
                j = i // share * share + (j - i // share * share) % share
            if 0 <= j < C and group_of(i) == group_of(j):
                inside[i, j] += 1
    return inside


def wrong_windows(C, n, groups):
    """(words, (C,C)) of the windows that people make."""
    if groups > 1:
        yield "windows cross the towers: groups is not used", window(C, n, 1)
        interleaved = sorted(range(C), key=lambda c: (c % groups, c))
        place = np.argsort(interleaved)
        yield (
            "the groups are interleaved: group g holds a block of neighbouring maps",
            window(C, n, groups)[place][:, place],
        )
        yield (
            "the groups are interleaved: group g holds a block of neighbouring maps",
            window(C, n, groups, group_of=lambda c: c % groups),
        )
    for words, reach in WINDOWS:
        yield f"window off: {words}", window(C, n, groups, reach=reach(n))
    yield "windows wrap around at the ends, as np.roll does: they should be cut there", window(C, n, groups, wrap=True)
    if groups > 1:
        yield "windows wrap around and cross the towers", window(C, n, 1, wrap=True)
    for parts in sorted({groups, 1}):
        yield (
            "windows of the first maps are empty: i - n//2 is negative there, and a slice counts that from the end",
            empty_at_the_start(C, n, parts),
        )
    right = window(C, n, groups)
    yield "windows at the ends repeat the last map: they should be cut there", right + _repeated(right, n)
    counts = right.sum(axis=1, keepdims=True)
    yield "the squares are averaged over the maps that are there: they should be summed", right / counts
    yield "the map itself is left out of its window", right - np.eye(C)
    yield "only the map itself is in its window", np.eye(C)
    yield "the sum goes over all maps of the group", (window(C, 2 * C + 1, groups))


def empty_at_the_start(C, n, groups):
    """What the slice from i - n//2 picks, which is not cut at 0, in each group."""
    share = C // groups
    inside = np.zeros((C, C))
    for i in range(C):
        first = i // share * share
        place = i - first
        inside[i, first : first + share][place - n // 2 : place + n // 2 + 1] = 1
    return inside


def _repeated(right, n):
    """What each window lacks to n, added to the map at the end that is nearest."""
    extra = np.zeros_like(right)
    for i, row in enumerate(right):
        lacks, inside = n - int(row.sum()), np.flatnonzero(row)
        end = inside[0] if i - inside[0] < n // 2 else inside[-1]
        extra[i, end] = lacks
    return extra


def sums(inside):
    """v -> the sum over each map's window."""
    return lambda v: v @ inside.T


def forward_mistakes(x, *, n=5, k=2.0, alpha=1e-4, beta=0.75, groups=1):
    """Known mistakes of the forward pass: (words, function that gives the wrong result)."""
    right = dict(k=k, alpha=alpha, beta=beta)
    C = x.shape[3]
    yield from normalising.forward_mistakes(x, sums(window(C, n, groups)), n, "n", **right)
    for words, inside in wrong_windows(C, n, groups):
        yield words, partial(normalising.normalise, x, sums(inside), **right)
    for words, inside in wrong_windows(C, n, groups):
        yield f"{words}; and alpha is divided by n", partial(normalising.normalise, x, sums(inside / n), **right)
    for axis, name in ((1, "rows"), (2, "columns")):
        moved = x.swapaxes(axis, 3)
        make = partial(normalising.normalise, moved, sums(window(moved.shape[3], n, 1)), **right)
        yield (
            f"the windows run along {name}: they run across the maps, the last axis",
            lambda make=make, axis=axis: make().swapaxes(axis, 3),
        )


def backward_mistakes(dy, x, *, n=5, k=2.0, alpha=1e-4, beta=0.75, groups=1):
    """Known mistakes of the backward pass: (name of the gradient, words, function that gives the wrong one)."""
    right = dict(k=k, alpha=alpha, beta=beta)
    C = x.shape[3]
    total = sums(window(C, n, groups))
    for words, make in normalising.backward_mistakes(dy, x, total, n, "n", **right):
        yield "dx", words, make
    s = k + alpha * total(x * x)
    defaults = dict(k=2.0, alpha=1e-4, beta=0.75)
    yield (
        "dx",
        "the constants are the defaults, not those that the forward was called with",
        lambda: dy * s**-0.75 - 2e-4 * 0.75 * x * sums(window(C, 5, 1))(dy * x * s**-1.75),
    )
    yield (
        "dx",
        "the constants are the defaults, not those that the forward was called with",
        partial(normalising.gradient, dy, x, sums(window(C, 5, 1)), **defaults),
    )
    for words, inside in wrong_windows(C, n, groups):
        back = sums(inside)
        yield "dx", f"{words} (in the cross-term)", partial(normalising.gradient, dy, x, total, back=back, **right)
        yield "dx", f"{words} (in all of the backward)", partial(normalising.gradient, dy, x, back, **right)


def places(name, x, *, n=5, groups=1, **options):
    """Where the maps at the ends, and those at a tower's edge, are."""
    C = x.shape[3]
    share, channel = C // groups, np.broadcast_to(np.arange(C), x.shape)
    ends = (channel < n // 2) | (channel >= C - n // 2)
    inner = (channel % share < n // 2) | (channel % share >= share - n // 2)
    yield "at the ends of the channel axis", ends
    if groups > 1:
        yield "at the edge between the groups", inner & ~ends
        yield "at the ends of the groups", inner


def probes():
    """The inputs that it is asked with, the edge cases last."""
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((3, 4, 2, 10))
    constants = dict(k=1.5, alpha=0.9, beta=0.6)
    yield Probe("one group", {"x": x}, dict(n=5, **constants, groups=1))
    yield Probe("two groups", {"x": x}, dict(n=3, **constants, groups=2))
    yield Probe("a window wider than a group", {"x": x[..., :6]}, dict(n=7, **constants, groups=2), edge=True)
    yield Probe("the paper's constants, by default", {"x": 10 * x}, {}, edge=True)
    yield Probe("a window of one map", {"x": x}, dict(n=1, **constants, groups=1), edge=True)


PAIR = Pair("lrn", lrn_forward, lrn_backward, forward_mistakes, backward_mistakes, places)
EXERCISE = Exercise("lrn", ("lrn_forward", "lrn_backward"), HINTS, lambda: PAIR.cases(probes()))
