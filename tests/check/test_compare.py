"""Where a result is wrong, in words."""

import numpy as np
import pytest

from minialex.check.compare import compare, difference, fits, tolerance_of, where

SHAPE = (3, 4, 5, 6)


def wrong_at(*index, shape=SHAPE):
    wrong = np.zeros(shape, bool)
    wrong[index] = True
    return wrong


BORDER = np.ones(SHAPE, bool)
BORDER[:, 1:-1, 1:-1] = False
ALL = slice(None)


@pytest.mark.parametrize(
    "name, wrong, says",
    [
        ("y", np.ones(SHAPE, bool), "everywhere"),
        ("y", wrong_at(-1), "only the last image (120 of 360 entries)"),
        ("y", wrong_at(0), "only the first image (120 of 360 entries)"),
        ("y", BORDER, "only the border of the image (252 of 360 entries)"),
        ("dx", wrong_at(ALL, 0), "only the first row (90 of 360 entries)"),
        ("dx", wrong_at(ALL, ALL, -1), "only the last column (72 of 360 entries)"),
        ("dx", wrong_at(..., slice(3, 6)), "only the channels of group 2 of 2 (180 of 360 entries)"),
        ("dx", wrong_at(..., [0, 5]), "only the first and the last channel (120 of 360 entries)"),
        ("dx", wrong_at(..., [1, 2]), "only channels 1, 2 (120 of 360 entries)"),
        ("dx", wrong_at(1, 2, 3, 4), "only image 1, row 2, column 3, channel 4 (1 of 360 entries)"),
        ("dW", wrong_at(0), "only the first kernel row (120 of 360 entries)"),
        ("dW", wrong_at(..., 2), "only map 2 (60 of 360 entries)"),
        ("db", wrong_at(2, shape=(6,)), "only map 2 (1 of 6 entries)"),
        ("y", wrong_at(0, slice(0, 8), shape=(2, 9)), "only the first row, 8 of 9 columns (8 of 18 entries)"),
        ("loss", np.ones((), bool), "the value"),
        ("z", wrong_at(0, shape=(2, 3, 4)), "only the first axis 0 (12 of 24 entries)"),
    ],
    ids=str,
)
def test_where(name, wrong, says):
    assert where(name, wrong, groups=2) == says


def test_an_image_of_two_columns_has_no_border():
    wrong = np.random.default_rng(0).random((3, 4, 2, 5)) < 0.5
    assert where("dx", wrong).startswith("scattered")


def test_scattered_entries():
    wrong = np.random.default_rng(0).random(SHAPE) < 0.3
    assert where("y", wrong) == f"scattered: {wrong.sum()} of 360 entries"


def test_places_of_the_case_come_first():
    ties = np.random.default_rng(0).random(SHAPE) < 0.3
    some = ties & (np.random.default_rng(1).random(SHAPE) < 0.5)
    assert where("dx", some, [("at ties", ties)]) == f"only at ties ({some.sum()} of 360 entries)"
    assert where("dx", ~ties, [("at ties", ties)]).startswith("scattered")
    assert where("dx", some, [("at ties", np.ones(SHAPE, bool))]).startswith("scattered"), "that says nothing"
    assert where("dx", np.ones(SHAPE, bool), [("at ties", np.ones(SHAPE, bool))]) == "everywhere"


def test_compare_tells_the_error_and_the_worst_entry():
    want = np.array([[1.0, 2.0], [3.0, 4.0]])
    got = want.copy()
    got[1, 0] = 2.0
    found = compare("y", got, want)
    assert found.error == pytest.approx(0.25)
    assert found.worst == "worst at [1, 0]: got 2, expected 3"
    assert compare("y", want * (1 + 1e-12), want) is None


def test_tolerance_is_that_of_the_type():
    want = np.ones(3)
    assert compare("y", (want * (1 + 1e-6)).astype("float32"), want) is None
    assert compare("y", want * (1 + 1e-6), want) is not None
    assert tolerance_of(np.ones(2, "float32")) == 1e-4


def test_nan_and_infinity():
    nan, inf = np.nan, np.inf
    off = difference([nan, inf, 1.0, nan, inf, 1.0], [nan, inf, 1.0, 1.0, -inf, nan])
    assert off.tolist() == [0, 0, 0, inf, inf, inf]
    assert not fits(np.array([nan]), np.array([1.0]), 1e-8) and fits(np.array([nan]), np.array([nan]), 1e-8)
    assert not fits(np.ones((2, 1)), np.ones(2), 1e-8)
