"""Top-1 and top-5 by hand. A network without layers gives its input: the batches here are logits."""

import numpy as np
import pytest

from minialex.evaluate import Score, correct, evaluate
from minialex.layers import Dropout


def score(*batches, layers=()):
    return evaluate(layers, {}, {}, [(np.array(x, float), np.array(t)) for x, t in batches])


def test_ranks_by_hand():
    logits = np.array([[0.1, 0.9, 0.3, 0.2, 0.8, 0.7, 0.6]] * 7)  # from the likeliest: 1 4 5 6 2 3 0
    t = np.arange(7)
    assert [int(correct(logits, t, k)) for k in range(8)] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert [int(correct(logits[:1], np.array([label]), 5)) for label in t] == [0, 1, 1, 0, 1, 1, 1]


def test_top1_and_top5_of_a_batch():
    result = score(([[0.1, 0.9, 0.3, 0.2, 0.8, 0.7, 0.6]] * 7, range(7)))
    assert (result.top1, result.top5) == (pytest.approx(1 / 7), pytest.approx(5 / 7))


def test_of_equal_logits_the_earlier_class_comes_first():
    logits = np.random.default_rng(0).integers(3, size=(50, 1000)).astype("float32")
    first = [sorted(range(1000), key=lambda label, row=row: (-row[label], label))[:5] for row in logits]
    for place in range(5):
        assert int(correct(logits, np.array([labels[place] for labels in first]), 5)) == 50
        assert int(correct(logits, np.array([labels[place] for labels in first]), 1)) == (50 if place == 0 else 0)


def test_constant_logits_are_not_all_right():
    t = np.arange(40) % 20
    for value in (0.0, -3.5):
        logits = np.full((40, 20), value)
        assert (int(correct(logits, t, 1)), int(correct(logits, t, 5))) == (2, 10)
        assert np.flatnonzero([correct(logits[:1], np.array([label]), 5) for label in range(20)]).tolist() == list(
            range(5)
        )


def test_fewer_than_five_classes():
    assert score(([[3, 2, 1], [3, 2, 1]], [2, 0])).top5 == 1
    assert score(([[3, 2, 1], [3, 2, 1]], [2, 0])).top1 == 0.5


def test_a_smaller_last_batch_counts_for_its_images():
    right, wrong = [9.0, 0, 0, 0, 0, 0], [0, 9.0, 1, 1, 1, 1]
    parts = score(([right] * 3, [0] * 3), ([wrong], [0]))
    assert (parts.top1, parts.top5) == (0.75, 0.75)
    whole = score(([right, right, right, wrong], [0] * 4))
    assert parts.loss == pytest.approx(whole.loss, rel=1e-12) and parts.loss > 0.25 * 9


def test_the_loss_is_the_mean_cross_entropy():
    result = score(([[0, 0, 0, 0]], [2]), ([[np.log(3), 0]], [0]))
    assert result.loss == pytest.approx((np.log(4) + np.log(4 / 3)) / 2, rel=1e-12)
    assert all(type(value) is float for value in vars(result).values())


def test_it_is_the_testing_form():
    assert score(([[2.0, 1.0]], [0]), layers=(Dropout(),)) == Score(pytest.approx(np.log1p(np.exp(-0.5))), 1.0, 1.0)


def test_no_batch_is_an_error():
    with pytest.raises(ValueError, match="nothing to evaluate"):
        score()
