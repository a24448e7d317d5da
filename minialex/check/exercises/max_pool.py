"""Overlapping max pooling (section 3.4)."""

import numpy as np

from minialex.check.cases import SEED, Exercise, Pair, Probe
from minialex.check.exercises.scatter import FANCY, fewer, scatter, windows_of
from minialex.ops import max_pool_backward, max_pool_forward
from minialex.ops.windows import pair

HINTS = (
    "Forward: the largest of x[n, i*SH : i*SH+KH, j*SW : j*SW+KW, c]. Begin with the first value of a window, not with "
    "0: a window may hold negative values alone.",
    "Backward: for each window, find the place of its first maximum, row by row, and give it all of dy[n,i,j,c]. "
    "argmax of a flattened window gives the first of equals; np.unravel_index turns it into a row and a column.",
    "A pixel may be the maximum of several windows: it collects from all of them, dx[n,r,c,k] += dy[n,i,j,k]. With "
    "index arrays use np.add.at, for dx[index] += v adds once where an index repeats.",
)


def pool(x, kernel, stride, reduce=np.max):
    """x (N,H,W,C) -> (N,OH,OW,C)."""
    return reduce(windows_of(x, pair(kernel), stride), axis=(3, 4))


def forward_mistakes(x, *, kernel=3, stride=2):
    """Known mistakes of the forward pass: (words, function that gives the wrong result)."""
    (KH, KW), (SH, SW) = pair(kernel), pair(stride)
    yield (
        "the maximum starts from 0 (or a padding of 0 takes part): begin with -inf",
        lambda: np.maximum(pool(x, kernel, stride), 0),
    )
    yield "the mean of each window: it should be the maximum", lambda: pool(x, kernel, stride, np.mean)
    yield "the minimum of each window: it should be the maximum", lambda: pool(x, kernel, stride, np.min)
    yield "the largest magnitude of each window: it should be the largest value", lambda: pool(abs(x), kernel, stride)
    yield "the sum of each window: it should be the maximum", lambda: pool(x, kernel, stride, np.sum)
    for words, K, S in (
        ("stride is ignored", kernel, 1),
        ("stride is ignored: windows of this kernel side by side", kernel, (KH, KW)),
        ("kernel and stride are swapped", stride, kernel),
        ("kernel swapped: the vertical size is used horizontally", (KW, KH), stride),
        ("stride swapped: the vertical one is used horizontally", kernel, (SW, SH)),
        ("the vertical size of the kernel is used for both directions", (KH, KH), stride),
        ("the horizontal size of the kernel is used for both directions", (KW, KW), stride),
        ("the vertical stride is used for both directions", kernel, (SH, SH)),
        ("the horizontal stride is used for both directions", kernel, (SW, SW)),
        ("a window reaches as far as the stride: windows do not overlap", stride, stride),
        ("windows are one pixel too small", (KH - 1, KW - 1), stride),
    ):
        yield words, lambda K=K, S=S: pool(x, K, S)
    for value in (0.0, -np.inf):
        yield (
            "the output's size is rounded up, and the last windows are filled up: it should be rounded down",
            lambda value=value: pool(_extended(x, kernel, stride, value), kernel, stride),
        )
    yield fewer(pool(x, kernel, stride))
    yield (
        "the maximum goes over the images and the channels too: one number a window",
        lambda: np.broadcast_to(pool(x, kernel, stride).max(axis=(0, 3), keepdims=True), pool(x, kernel, stride).shape),
    )
    yield (
        "the maximum goes over the channels too",
        lambda: np.broadcast_to(pool(x, kernel, stride).max(axis=3, keepdims=True), pool(x, kernel, stride).shape),
    )
    yield (
        "the maximum goes over the images too",
        lambda: np.broadcast_to(pool(x, kernel, stride).max(axis=0), pool(x, kernel, stride).shape),
    )


def _extended(x, kernel, stride, value):
    """x with as many rows and columns as make the last windows whole."""
    (KH, KW), (SH, SW), (_, H, W, _) = pair(kernel), pair(stride), x.shape
    return np.pad(x, ((0, 0), (0, -(H - KH) % SH), (0, -(W - KW) % SW), (0, 0)), constant_values=value)


def winners(windows, which):
    """(N,OH,OW,KH,KW,C): what share of dy each place of each window is given."""
    N, OH, OW, KH, KW, C = windows.shape
    flat = windows.reshape(N, OH, OW, KH * KW, C)
    best = flat == flat.max(axis=3, keepdims=True)
    if which == "first":
        chosen = best & (best.cumsum(axis=3) == 1)
    elif which == "last":
        chosen = best & (best[:, :, :, ::-1].cumsum(axis=3) == 1)[:, :, :, ::-1]
    elif which == "share":
        chosen = best / best.sum(axis=3, keepdims=True)
    else:
        chosen = best
    return chosen.reshape(windows.shape).astype(float)


def column_first(windows):
    """The first maximum column by column."""
    return winners(windows.swapaxes(3, 4), "first").swapaxes(3, 4)


def backward_mistakes(dy, x, *, kernel=3, stride=2):
    """Known mistakes of the backward pass: (name of the gradient, words, function that gives the wrong one)."""
    windows = windows_of(x, pair(kernel), stride)
    handed = dy[:, :, :, None, None]
    first = winners(windows, "first")
    shares = (
        ("ties: every maximum takes all of the gradient; the first one does alone", winners(windows, "all")),
        ("ties: the last maximum takes the gradient; the first in row-major order does", winners(windows, "last")),
        ("ties: the gradient is shared among the maxima; the first takes all of it", winners(windows, "share")),
        (
            "ties: the first maximum column by column takes the gradient; it should be the first row by row",
            column_first(windows),
        ),
        (
            "the largest magnitude of each window takes the gradient: it should be the largest value",
            winners(abs(windows), "first"),
        ),
        (
            "the gradient is spread over the whole window, as a mean would: the maximum takes all of it",
            np.full(windows.shape, 1 / windows[0, 0, 0, ..., 0].size),
        ),
        ("every pixel of a window takes its gradient: the maximum does alone", np.ones(windows.shape)),
    )
    for overwrite in ("windows", "places"):
        yield "dx", FANCY, lambda o=overwrite: scatter(handed * first, x.shape, stride, overwrite=o, only=first > 0)
        yield "dx", FANCY, lambda o=overwrite: scatter(handed * first, x.shape, stride, overwrite=o)
    for words, share in shares:
        yield "dx", words, lambda share=share: scatter(handed * share, x.shape, stride)
    yield (
        "dx",
        "each pixel that is a maximum takes the sum of its windows' dy times x",
        lambda: scatter(handed * first, x.shape, stride) * x,
    )
    yield "dx", "this says where the maxima are: dy is not used", lambda: scatter(first, x.shape, stride)


def places(name, x, *, kernel=3, stride=2):
    """Pixels that share the maximum of a window, and those of several windows."""
    if name != "dx":
        return
    windows = windows_of(x, pair(kernel), stride)
    everyone, first = winners(windows, "all"), winners(windows, "first")
    tied = everyone * (everyone.sum(axis=(3, 4), keepdims=True) > 1)
    yield "at ties", scatter(tied, x.shape, stride) > 0
    yield "where a pixel is the maximum of several windows", scatter(first, x.shape, stride) > 1


def probes():
    """The inputs that it is asked with, the edge cases last."""
    rng = np.random.default_rng(SEED)
    x = rng.permutation(3 * 7 * 9 * 4).reshape(3, 7, 9, 4) / 100 - 3.0  # all different
    yield Probe("the paper's 3 and 2", {"x": x}, dict(kernel=3, stride=2))
    yield Probe("unequal kernels and strides", {"x": x}, dict(kernel=(4, 3), stride=(2, 3)))
    yield Probe("negative values alone", {"x": x - 10.0}, dict(kernel=3, stride=2), edge=True)
    tied = rng.integers(0, 2, x.shape).astype(float)
    yield Probe("ties", {"x": tied}, dict(kernel=3, stride=2), edge=True)
    yield Probe("sizes that do not divide", {"x": x[:, :6, :8]}, dict(kernel=3, stride=2), edge=True)
    yield Probe("gaps between the windows", {"x": x}, dict(kernel=2, stride=3), edge=True)
    yield Probe("a window as large as the image", {"x": x[:, :3, :3]}, {}, edge=True)


PAIR = Pair("max_pool", max_pool_forward, max_pool_backward, forward_mistakes, backward_mistakes, places)
EXERCISE = Exercise("max_pool", ("max_pool_forward", "max_pool_backward"), HINTS, lambda: PAIR.cases(probes()))
