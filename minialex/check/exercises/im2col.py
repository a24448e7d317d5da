"""Every window as a row, and its transpose (section 3.5)."""

from functools import partial
from itertools import permutations

import numpy as np

from minialex.check.cases import EDGES, GRADIENTS, RESULT, SEED, Case, Exercise
from minialex.check.exercises.conv import wrong_orders
from minialex.check.exercises.scatter import (
    averaged,
    fewer,
    overwritten,
    scatter,
    sliced_to_minus_pad,
    windows_of,
    wrong_cuts,
    wrong_geometry,
)
from minialex.ops.windows import col2im, im2col

HINTS = (
    "Pad first. The row of image n and position (i, j) is xpad[n, i*SH : i*SH+KH, j*SW : j*SW+KW] flattened: rows, "
    "then columns, then channels. The rows stand in the order n, i, j.",
    "col2im goes the same way back: row number (n, i, j), reshaped to (KH,KW,C), belongs to the same slice of a padded "
    "array of zeros.",
    "It is ADDED there: a pixel that lies in several windows collects from all. At the end the padding is cut off. The "
    "test of a transpose: sum(im2col(x) * cols) equals sum(x * col2im(cols)).",
)


def _flat(windows):
    """(N,OH,OW,KH,KW,C) -> (N*OH*OW, KH*KW*C)."""
    return windows.reshape(int(np.prod(windows.shape[:3])), -1)


def im2col_mistakes(x, kernel, stride, pad):
    """Known mistakes: (words, function that gives the wrong result)."""
    windows = windows_of(x, kernel, stride, pad)
    for words, order in wrong_orders():
        flattened = f"{words.partition(' and W')[0]}: it should be (KH,KW,C)"
        yield flattened, lambda order=order: _flat(windows.transpose(0, 1, 2, *(3 + axis for axis in order)))
    for order in permutations(range(3)):
        if order != (0, 1, 2):
            names = ",".join(np.array(["N", "OH", "OW"])[list(order)])
            yield (
                f"the rows stand in the order ({names}): it should be (N,OH,OW)",
                lambda order=order: _flat(windows.transpose(*order, 3, 4, 5)),
            )
    for words, other_stride, other_pad in wrong_cuts(stride, pad):
        yield words, lambda s=other_stride, p=other_pad: _flat(windows_of(x, kernel, s, p))
    yield (
        "kernel swapped: the vertical size is used horizontally",
        lambda: _flat(windows_of(x, kernel[::-1], stride, pad)),
    )
    words, make = fewer(windows)
    yield words, lambda: _flat(make())
    yield "the windows are flipped", lambda: _flat(windows[:, :, :, ::-1, ::-1])


def col2im_mistakes(cols, x_shape, kernel, stride, pad):
    """Known mistakes: (words, function that gives the wrong result)."""
    blank = windows_of(np.zeros(x_shape), kernel, stride, pad)
    windows = cols.reshape(blank.shape)
    yield from overwritten(windows, x_shape, stride, pad)
    yield (
        "each pixel is averaged over its windows: they should be summed",
        partial(averaged, windows, x_shape, stride, pad),
    )
    yield sliced_to_minus_pad(windows, x_shape, stride, pad)
    yield (
        "the padding is cut off at the wrong end: row 0 is taken for the image's first",
        partial(scatter, windows, x_shape, stride, pad, start=(0, 0)),
    )
    for words, other_stride, other_pad in wrong_geometry(stride, pad):
        yield words, partial(scatter, windows, x_shape, other_stride, other_pad)
    for words, order in wrong_orders():
        sizes = [blank.shape[3 + axis] for axis in order]
        back = [3 + int(axis) for axis in np.argsort(order)]
        read = cols.reshape(*blank.shape[:3], *sizes).transpose(0, 1, 2, *back)
        said = words.partition(" and W")[0].replace("windows are flattened", "the rows are read")
        yield f"{said}: it should be (KH,KW,C)", partial(scatter, read, x_shape, stride, pad)
    for order in permutations(range(3)):
        if order != (0, 1, 2):
            names = ",".join(np.array(["N", "OH", "OW"])[list(order)])
            sizes = [blank.shape[axis] for axis in order]
            read = cols.reshape(*sizes, *blank.shape[3:]).transpose(*np.argsort(order), 3, 4, 5)
            yield (
                f"the rows are read in the order ({names}): it should be (N,OH,OW)",
                partial(scatter, read, x_shape, stride, pad),
            )
    yield "the windows are flipped", partial(scatter, windows[:, :, :, ::-1, ::-1], x_shape, stride, pad)


def _cases():
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((3, 9, 7, 4))
    for about, image, kernel, stride, pad, stage in (
        ("stride 1", x, (3, 2), 1, 0, RESULT),
        ("stride 2, pad 1", x, (3, 2), 2, 1, RESULT),
        ("unequal strides and pads", x, (3, 2), (2, 3), ((1, 0), (0, 2)), RESULT),
        ("a window as large as the image", x[:, :3, :2], (3, 2), 1, 0, EDGES),
        ("gaps between the windows", x, (2, 1), (3, 2), 0, EDGES),
    ):
        cols = im2col(image, kernel, stride, pad)
        yield _case("im2col", about, stage, cols, im2col_mistakes, x=image, kernel=kernel, stride=stride, pad=pad)
        dcols = rng.standard_normal(cols.shape)
        right = col2im(dcols, image.shape, kernel, stride, pad)
        given = dict(cols=dcols, x_shape=image.shape, kernel=kernel, stride=stride, pad=pad)
        yield _case("col2im", about, GRADIENTS if stage == RESULT else EDGES, right, col2im_mistakes, **given)


def _case(function, about, stage, want, known, **given):
    name = "cols" if function == "im2col" else "x"
    return Case(
        stage=stage,
        about=f"{function}, {about}",
        inputs=given,
        call=lambda learner, **inputs: {name: learner.call(function, *inputs.values())},
        want={name: want},
        known=lambda name: known(*given.values()),
    )


EXERCISE = Exercise("im2col", ("im2col", "col2im"), HINTS, lambda: list(_cases()))
