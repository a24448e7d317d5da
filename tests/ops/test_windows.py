from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st

from minialex.ops.windows import col2im, im2col, output_size, pad_pairs, pair
from tests import oracles
from tests.ops.checks import agree, digest, generator, over, refuses


class Case(NamedTuple):
    shape: tuple
    kernel: tuple
    stride: object
    pad: object

    def x(self):
        return generator().standard_normal(self.shape)

    @property
    def options(self):
        return self.kernel, self.stride, self.pad


EXAMPLES = [
    Case((2, 7, 6, 3), (3, 2), 1, 0),
    Case((2, 7, 6, 3), (3, 2), 2, 1),
    Case((1, 8, 9, 2), (2, 3), (3, 2), ((0, 3), (1, 2))),
    Case((2, 9, 10, 1), (3, 3), 4, ((2, 0), (0, 1))),  # windows that do not reach the border
    Case((1, 5, 9, 2), (1, 2), (2, 3), 0),  # pixels that no window reads
    Case((2, 3, 2, 2), (3, 2), 1, 0),
]


@st.composite
def cases(draw):
    size, stride, some = st.integers(1, 7), st.integers(1, 4), st.integers(0, 3)
    pad = draw(some | st.tuples(st.tuples(some, some), st.tuples(some, some)))
    shape = draw(st.tuples(st.integers(1, 3), size, size, st.integers(1, 3)))
    vertical, horizontal = oracles.pad_widths(pad)
    KH = draw(st.integers(1, min(4, shape[1] + sum(vertical))))
    KW = draw(st.integers(1, min(4, shape[2] + sum(horizontal))))
    return Case(shape, (KH, KW), draw(stride | st.tuples(stride, stride)), pad)


@over(cases(), EXAMPLES)
def test_im2col_agrees_with_loops(case):
    agree(im2col(case.x(), *case.options), oracles.im2col(case.x(), *case.options), tolerance=0)


@over(cases(), EXAMPLES)
def test_col2im_agrees_with_loops(case):
    cols = generator(1).standard_normal(oracles.im2col(case.x(), *case.options).shape)
    wanted = oracles.col2im(cols, case.shape, *case.options)
    agree(col2im(cols, case.shape, *case.options), wanted, tolerance=1e-14)


@over(cases(), EXAMPLES)
def test_col2im_is_the_transpose_of_im2col(case):
    """<im2col(x), c> = <x, col2im(c)> for every x and c."""
    x, rows = case.x(), im2col(case.x(), *case.options)
    cols = generator(1).standard_normal(rows.shape)
    agree(np.vdot(rows, cols), np.vdot(x, col2im(cols, x.shape, *case.options)), tolerance=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_changes_in_type_or_in_place(dtype):
    case = EXAMPLES[2]
    x = case.x().astype(dtype)
    cols = im2col(x, *case.options)
    before = digest([x, cols])
    assert col2im(cols, x.shape, *case.options).dtype == cols.dtype == dtype
    im2col(x, *case.options)
    assert digest([x, cols]) == before


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads", "wanted"),
    [
        (224, 11, 4, (0, 3), 55),  # conv1 of `paper`
        (227, 11, 4, (0, 0), 55),  # conv1 of `caffe`
        (224, 11, 4, (0, 0), 54),  # what 224 gives without the padding
        (224, 11, 4, (2, 2), 55),  # conv1 of `owt`
        (27, 5, 1, (2, 2), 27),
        (55, 3, 2, (0, 0), 27),
        (27, 3, 2, (0, 0), 13),
        (13, 3, 2, (0, 0), 6),
        (3, 3, 1, (0, 0), 1),
        (1, 3, 5, (1, 1), 1),
    ],
)
def test_output_size(size, kernel, stride, pads, wanted):
    assert output_size(size, kernel, stride, *pads) == wanted


def test_conv1_needs_three_more_pixels_than_the_paper_says():
    assert output_size(224, 11, 4) == 54
    assert next(size for size in range(224, 300) if output_size(size, 11, 4) == 55) == 227
    assert next(pad for pad in range(9) if output_size(224, 11, 4, 0, pad) == 55) == 3


PAD = st.integers(0, 4)
SIZES = st.tuples(st.integers(1, 30), st.integers(1, 12), st.integers(1, 5), PAD, PAD)


@over(SIZES, [(3, 4, 1, 0, 0), (3, 4, 2, 0, 1), (10, 3, 4, 1, 0)])
def test_output_size_counts_the_windows(case):
    size, kernel, stride, before, after = case
    if size + before + after >= kernel:
        assert output_size(*case) == oracles.steps(size + before + after, kernel, stride)
    else:
        refuses(output_size, *case, words=[kernel, size, before + after])


def test_pad_pairs():
    assert pad_pairs(2) == ((2, 2), (2, 2))
    assert pad_pairs(((0, 3), (1, 2))) == ((0, 3), (1, 2))


def test_numpys_whole_numbers_are_sizes_too():
    assert pair(np.int64(3)) == pair(3) == (3, 3)
    assert pad_pairs(np.int32(2)) == pad_pairs(2)


def test_what_does_not_fit_is_refused():
    refuses(output_size, 5, 6, 1, 0, 0, words=[6, 5])
    refuses(output_size, 5, 3, 0, 0, 0, words=["stride 0", "at least 1"])
    refuses(output_size, 5, 0, 1, 0, 0, words=["kernel 0", "at least 1"])
    refuses(pad_pairs, -1, words=[-1, "0 or more"])
    refuses(pad_pairs, ((0, 0), (0, -2)), words=[-2, "0 or more"])
    refuses(im2col, np.zeros((1, 5, 4, 2)), (3, 3), 1, -1, words=[-1, "0 or more"])
    refuses(col2im, np.zeros((6, 18)), (1, 5, 4, 2), (3, 3), 1, -1, words=[-1, "0 or more"])
