"""The normalisation inside a map that only the authors' code has (beside section 3.3)."""

from functools import partial

import numpy as np

from minialex.check.cases import SEED, Exercise, Pair, Probe
from minialex.check.exercises import lrn, normalising
from minialex.ops import mapnorm_backward, mapnorm_forward

HINTS = (
    "It is LRN with pixels for maps: the sum goes over a square of size x size pixels of the same map. At the border "
    "the square is cut: pixels outside count for nothing, and alpha stays as it is.",
    "size//2 zeros around the squares of x, and the sum over a square is a sum of size*size shifted slices; or first "
    "along the rows, then along the columns.",
    "The backward is that of LRN, with the same sums over squares: dy s^-beta, less 2 alpha beta x times the sum of "
    "dy x s^-(beta+1).",
)


def sums(rows, columns):
    """v -> the sum over the pixels that rows (H,H) and columns (W,W) mark."""
    return lambda v: np.einsum("hr,wc,nrcd->nhwd", rows, columns, v)


def square(x, size, **changes):
    """The sum over each pixel's square."""
    _, H, W, _ = x.shape
    return sums(lrn.window(H, size, 1, **changes), lrn.window(W, size, 1, **changes))


def wrong_squares(x, size):
    """(words, total) of the squares that people make."""
    _, H, W, C = x.shape
    for words, reach in lrn.WINDOWS:
        yield (
            f"square off: {words.replace('map', 'pixel').replace('n//2', 'size//2')}",
            square(x, size, reach=reach(size)),
        )
    yield "squares wrap around at the border, as np.roll does: they should be cut there", square(x, size, wrap=True)
    rows, columns = lrn.window(H, size, 1), lrn.window(W, size, 1)
    yield "the sum goes along the columns of a map alone", sums(rows, np.eye(W))
    yield "the sum goes along the rows of a map alone", sums(np.eye(H), columns)
    yield "the sum runs across the maps, as in LRN: it stays inside each map", lrn.sums(lrn.window(C, size, 1))
    yield (
        "the sum runs over all maps too: it stays inside each map",
        lambda v: np.broadcast_to(sums(rows, columns)(v).sum(axis=3, keepdims=True), v.shape),
    )
    counts = sums(rows, columns)(np.ones((1, H, W, 1)))
    yield (
        "the squares at the border are averaged over the pixels that are there: they should be summed",
        lambda v: sums(rows, columns)(v) * size**2 / counts,
    )
    yield (
        "the squares are averaged over the pixels that are there: they should be summed",
        lambda v: sums(rows, columns)(v) / counts,
    )
    yield "the border repeats its pixels: outside the map nothing is added", partial(_repeated, size=size)
    yield "only the pixel itself is in its square", lambda v: v


def _repeated(v, size):
    half = size // 2
    padded = np.pad(v, ((0, 0), (half, half), (half, half), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2)).sum(axis=(4, 5))


def forward_mistakes(x, *, size=5, k=1.0, alpha=1e-3 / 25, beta=0.75):
    """Known mistakes of the forward pass: (words, function that gives the wrong result)."""
    right = dict(k=k, alpha=alpha, beta=beta)
    yield from normalising.forward_mistakes(x, square(x, size), size**2, "size^2", **right)
    yield from normalising.forward_mistakes(x, square(x, size), size, "size", **right)
    for words, total in wrong_squares(x, size):
        yield words, partial(normalising.normalise, x, total, **right)


def backward_mistakes(dy, x, *, size=5, k=1.0, alpha=1e-3 / 25, beta=0.75):
    """Known mistakes of the backward pass: (name of the gradient, words, function that gives the wrong one)."""
    right = dict(k=k, alpha=alpha, beta=beta)
    total = square(x, size)
    for words, make in normalising.backward_mistakes(dy, x, total, size**2, "size^2", **right):
        yield "dx", words, make
    for words, back in wrong_squares(x, size):
        yield "dx", f"{words} (in the cross-term)", partial(normalising.gradient, dy, x, total, back=back, **right)


def places(name, x, *, size=5, **options):
    """Parts of a result in which errors may lie together: (words, mask)."""
    _, H, W, _ = x.shape
    inside = np.zeros(x.shape, bool)
    inside[:, size // 2 : H - size // 2, size // 2 : W - size // 2] = True
    yield "at the border of the maps, where squares are cut", ~inside


def probes():
    """The inputs that it is asked with, the edge cases last."""
    x = np.random.default_rng(SEED).standard_normal((3, 6, 7, 4))
    constants = dict(k=1.5, alpha=0.4, beta=0.6)
    yield Probe("", {"x": x}, dict(size=5, **constants))
    yield Probe("a smaller square", {"x": x}, dict(size=3, **constants))
    yield Probe("a square larger than the map", {"x": x[:, :2]}, dict(size=5, **constants), edge=True)
    yield Probe("the code's constants, by default", {"x": 30 * x}, {}, edge=True)


PAIR = Pair("mapnorm", mapnorm_forward, mapnorm_backward, forward_mistakes, backward_mistakes, places)
EXERCISE = Exercise("mapnorm", ("mapnorm_forward", "mapnorm_backward"), HINTS, lambda: PAIR.cases(probes()))
