"""Mistakes of any array, and that nothing is named which does not fit to rounding."""

import numpy as np
import pytest

from minialex.check.mistakes import Looks, diagnose

WANT = np.random.default_rng(0).standard_normal((3, 4, 5))
SIZES = {"N": 3, "the number of positions": 20}


def said(got, want=WANT, known=(), **options):
    return diagnose(np.asarray(got), want, known, sizes=SIZES, **options)


@pytest.mark.parametrize(
    "got, says",
    [
        (WANT / 3, "every entry is x0.3333: divided by N"),
        (WANT * 3, "every entry is x3: times N, or a division by N is missing"),
        (WANT * -3, "times N, or a division by N is missing (and the sign)"),
        (WANT / -3, "divided by N, and the sign is wrong"),
        (WANT / 20, "every entry is x0.05: divided by the number of positions"),
        (-WANT, "every entry is x-1: the sign is wrong"),
        (2 * WANT, "every entry is x2: a factor 2 too much"),
        (WANT / 2, "every entry is x0.5: a factor 2 is missing"),
        (0.123 * WANT, "every entry is x0.123: a constant factor"),
        (0 * WANT, "every entry is 0"),
        (WANT + 0.25, "every entry is 0.25 too large"),
        (WANT - 0.25, "every entry is 0.25 too small"),
        (WANT[:, ::-1], "flipped: the order along axis 1 is reversed"),
        (WANT[::-1, :, ::-1], "flipped: the order along axis 0, 2 is reversed"),
        (np.roll(WANT, 1, 2), "shifted by one along axis 2"),
        (np.roll(WANT, -1, 1), "shifted by one along axis 1"),
        (WANT.transpose(0, 2, 1), "transposed"),
        (WANT.ravel(), "the right values in the wrong shape: reshape"),
        (WANT * np.array([1.0, 2.0, 3.0, 4.0, 5.0]), "a factor of its own for each index of axis 2: 1, 2, 3, 4, 5"),
        (WANT * np.array([1.0, 2.0, 3.0])[:, None, None], "a factor of its own for each index of axis 0: 1, 2, 3"),
        (
            np.where(WANT == WANT.max(), np.nan, WANT),
            "1 of 60 entries are NaN: an overflow, a division by 0, or a power of a negative number",
        ),
        (np.where(WANT == WANT.max(), np.inf, WANT), "1 of 60 entries are infinite"),
    ],
)
def test_mistakes_of_any_array(got, says):
    assert says in said(got)


def test_a_batch_divided_twice_has_its_cause_in_a_gradient_alone():
    cause = "divided by N here AND in the loss: drop one"
    assert cause in said(WANT / 3, gradient=True) and cause not in said(WANT / 3)


def test_a_square_array_that_is_transposed():
    square = np.random.default_rng(1).standard_normal((4, 4))
    assert said(square.T, square) == "transposed"


def test_a_sum_that_is_missing():
    assert said(WANT, WANT.sum(axis=0)) == "the sum over the batch is missing: not summed over axis 0"
    assert said(WANT, WANT.sum(axis=(0, 1))) == "the sum over the batch is missing: not summed over axis 0, 1"
    assert said(WANT, WANT.sum(axis=2)) == "not summed over axis 2"


def test_padding_that_is_left():
    want = np.random.default_rng(1).standard_normal((2, 3, 4, 5))
    assert said(np.pad(want, ((0, 0), (1, 0), (0, 2), (0, 0))), want) == "the padding is still there: cut it off"


def test_nothing_is_named_that_does_not_fit_to_rounding():
    noise = np.random.default_rng(2).standard_normal(WANT.shape)
    for near in (WANT / 3, -WANT, WANT[:, ::-1], np.roll(WANT, 1, 2), WANT + 0.25):
        assert said(near + 1e-5 * noise) == ""
    assert said(WANT + noise) == ""
    assert said(np.ones((2, 7))) == ""


def test_a_single_number_has_no_factor():
    assert said(np.array(2.0), np.array(1.0)) == ""


def test_the_first_known_mistake_that_fits_is_named_before_the_general_ones():
    known = [
        ("does not fit", lambda: WANT + 1),
        ("is not possible", lambda: np.zeros((2, 2)) @ np.zeros((3, 3))),
        ("fits", lambda: 2 * WANT),
        ("fits too", lambda: 2 * WANT),
    ]
    assert said(2 * WANT, known=known) == "fits"


def test_a_mistake_that_is_known_by_its_looks():
    known = [("random", Looks(lambda got: got.min() > 5)), ("broken", Looks(lambda got: got @ np.ones(99) > 0))]
    assert said(np.abs(WANT) + 6, known=known) == "random"
    assert said(WANT**3, known=known) == ""


def test_a_known_mistake_and_a_constant_factor_at_once():
    assert said(0.3 * WANT**3, known=[("cubed", lambda: WANT**3)]) == (
        "two mistakes at once: cubed; and then every entry is x0.3"
    )


def test_whole_numbers_and_truth_values_are_compared_as_numbers():
    want = np.array([True, False, True, True])
    assert said(~want, want, known=[("the wrong way round", lambda: ~want)]) == "the wrong way round"
    assert said(np.array([2, 4, 6]), np.array([1, 2, 3])) == "every entry is x2: a factor 2 too much"
