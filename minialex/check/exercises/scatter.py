"""Windows added back to their pixels, in the right way and in the wrong ones."""

import numpy as np

from minialex.ops.windows import pad_pairs, pair, zero_pad

EQUALS = '"=" where "+=" is needed: overlapping windows overwrite each other'
FANCY = EQUALS + " (so does += with an index array, which counts a repeated index once: np.add.at)"


def windows_of(x, kernel, stride, pad=0):
    """x (N,H,W,C) -> (N,OH,OW,KH,KW,C)."""
    (SH, SW), view = pair(stride), np.lib.stride_tricks.sliding_window_view
    return view(zero_pad(x, pad), kernel, axis=(1, 2))[:, ::SH, ::SW].transpose(0, 1, 2, 4, 5, 3)


def scatter(windows, x_shape, stride, pad=0, *, overwrite="", cut=True, start=None, only=None):
    """windows (N,OH,OW,KH,KW,C) -> (N,H,W,C), or with the padding still there unless `cut`.

    overwrite: "" adds, as is right; "windows" stores a window at a time, row by row; "places" a place in the window
    at a time, for all windows.  start: where the cut begins, (top, left) if None.  only: where it is False, nothing is
    stored (of the same shape as windows).
    """
    N, H, W, C = x_shape
    _, OH, OW, KH, KW, _ = windows.shape
    (SH, SW), ((top, bottom), (left, right)) = pair(stride), pad_pairs(pad)
    padded = np.zeros((N, top + H + bottom, left + W + right, C))
    only = np.ones(windows.shape, bool) if only is None else only
    places = [(i, j, u, v) for i in range(OH) for j in range(OW) for u in range(KH) for v in range(KW)]
    if overwrite == "places":
        places.sort(key=lambda place: place[2:])
    for i, j, u, v in places:
        pixel = padded[:, i * SH + u, j * SW + v]
        value = windows[:, i, j, u, v]
        pixel[...] = np.where(only[:, i, j, u, v], value, pixel) if overwrite else pixel + value
    if not cut:
        return padded
    top, left = start or (top, left)
    return padded[:, top : top + H, left : left + W]


def overwritten(windows, x_shape, stride, pad=0):
    """(words, make) of the results of "=" in place of "+=", in either order of the loops."""
    for order in ("windows", "places"):
        yield EQUALS, lambda order=order: scatter(windows, x_shape, stride, pad, overwrite=order)


FEWER = "the last windows are left out: the output's size is floor(...) + 1"


def fewer(windows):
    """(words, make) of an output with a row and a column too few."""
    return FEWER, lambda: windows[:, :-1, :-1]


def sliced_to_minus_pad(windows, x_shape, stride, pad=0):
    """(words, make) of the padding cut off with [pad:-pad], which is empty where pad is 0."""
    (top, bottom), (left, right) = pad_pairs(pad)
    return (
        "the slice [pad:-pad] is empty where pad is 0: it should be [pad : pad + size]",
        lambda: scatter(windows, x_shape, stride, pad, cut=False)[:, top:-bottom, left:-right],
    )


def averaged(windows, x_shape, stride, pad=0):
    """Each pixel's mean over the windows that cover it."""
    counts = scatter(np.ones(windows.shape), x_shape, stride, pad)
    return scatter(windows, x_shape, stride, pad) / np.maximum(counts, 1)


def wrong_geometry(stride, pad):
    """(words, stride, pad) of what people use in place of the stride and pad that are given."""
    (SH, SW), ((top, bottom), (left, right)) = pair(stride), pad_pairs(pad)
    given = ((top, bottom), (left, right))
    for words, other_stride, other_pad in (
        ("stride is ignored", 1, given),
        ("pad is ignored", (SH, SW), 0),
        ("stride and pad are ignored", 1, 0),
        ("stride swapped: the vertical one is used horizontally", (SW, SH), given),
        ("the vertical stride is used for both directions", (SH, SH), given),
        ("the horizontal stride is used for both directions", (SW, SW), given),
        ("pad swapped: (top, bottom) is used for left and right", (SH, SW), ((left, right), (top, bottom))),
        ("pad swapped: top for bottom, and left for right", (SH, SW), ((bottom, top), (right, left))),
        ("pad at the top and the left is used on every side", (SH, SW), ((top, top), (left, left))),
        ("pad at the top is used on every side", (SH, SW), ((top, top), (top, top))),
        ("pad is added at the top and the left only", (SH, SW), ((top, 0), (left, 0))),
        ("pad is added twice", (SH, SW), ((2 * top, 2 * bottom), (2 * left, 2 * right))),
    ):
        both = "and pad are" in words and given == ((0, 0), (0, 0))  # then the stride is what is ignored
        if not both and (pair(other_stride), pad_pairs(other_pad)) != ((SH, SW), given):
            yield words, other_stride, other_pad
    if isinstance(pad, int) and isinstance(stride, int) and pad not in (0, stride):
        yield "stride and pad are swapped", pad, stride


def wrong_cuts(stride, pad):
    """What wrong_geometry gives, and what makes another number of windows alone."""
    (SH, SW), ((top, bottom), (left, right)) = pair(stride), pad_pairs(pad)
    yield from wrong_geometry(stride, pad)
    said = "the last windows reach over the edge: the output's size is rounded up, and it should be rounded down"
    yield said, stride, ((top, bottom + SH - 1), (left, right + SW - 1))
