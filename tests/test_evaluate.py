"""Top-1 and top-5 by hand. A network without layers gives its input: the batches here are logits."""

import math
import weakref
from dataclasses import replace

import numpy as np
import pytest

from minialex import evaluate as module
from minialex.backend import to_numpy
from minialex.evaluate import Score, class_errors, correct, evaluate, features, nearest, probabilities
from minialex.layers import Dropout, Linear, ReLU
from minialex.ops import Pair, reference
from tests.strict_cupy import StandIn


def score(*batches, layers=()):
    return evaluate(layers, {}, {}, arrays(batches))


def arrays(batches, xp=np):
    return [(xp.array(np.array(x, float)), xp.array(np.array(t))) for x, t in batches]


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


def test_a_nan_is_never_right():
    logits = np.array([[np.nan, 1, 2], [1, np.nan, 2], [np.nan] * 3])
    assert correct(logits, np.array([0, 1, 2]), 2) == 0
    assert correct(logits, np.array([1, 2, 0]), 1) == 0, "nor does it come after any"


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


def test_it_runs_the_pairs_of_the_table_it_is_given():
    table = replace(
        reference,
        relu=Pair(lambda x: (-x, None), None),
        softmax_cross_entropy=Pair(lambda logits, t: (logits.sum() + t.sum(), None), None),
    )
    assert evaluate((ReLU(),), {}, {}, [(np.array([[4.0, 9.0]]), np.array([0]))], ops=table) == Score(-13.0, 1.0, 1.0)


# Probabilities, of one crop and of ten


def drawn(crops, images=7, classes=12, batch=3, seed=0):
    """Random logits of so many crops an image, in batches that the images do not fill, and all of them."""
    rng = np.random.default_rng(seed)
    logits, t = rng.normal(0, 3, (images, crops, classes)), rng.integers(classes, size=images)
    parts = [slice(start, start + batch) for start in range(0, images, batch)]
    return [(logits[part].reshape(-1, classes), t[part]) for part in parts], logits, t


@pytest.mark.parametrize("crops", [1, 10])
def test_probabilities_are_softmax_outputs_averaged_over_an_images_crops(crops):
    batches, logits, t = drawn(crops)
    p, labels = probabilities((), {}, {}, arrays(batches))
    assert p.shape == (7, 12) and p.dtype == np.float64 and labels.tolist() == t.tolist()
    for image in range(7):
        for label in range(12):
            shares = [math.exp(crop[label]) / sum(math.exp(value) for value in crop) for crop in logits[image]]
            assert p[image, label] == pytest.approx(sum(shares) / crops, rel=1e-12)


def test_one_crop_scores_as_the_trainers_validation_does():
    batches = arrays(drawn(1)[0])
    one, other = module.score(*probabilities((), {}, {}, batches)), evaluate((), {}, {}, batches)
    assert (one.top1, one.top5) == (pytest.approx(other.top1), pytest.approx(other.top5))
    assert one.loss == pytest.approx(other.loss, rel=1e-12)
    assert all(type(value) is float for value in vars(one).values())


def test_the_loss_of_ten_crops_is_that_of_their_mean():
    p, t = probabilities((), {}, {}, arrays([([[0, 0], [np.log(3), 0]], [1])]))
    assert module.score(p, t) == Score(pytest.approx(-np.log((1 / 2 + 1 / 4) / 2)), 0.0, 1.0)


def test_probabilities_are_in_the_testing_form_with_the_pairs_given():
    p, _ = probabilities((Dropout(),), {}, {}, arrays([([[2.0, 0.0]], [0])]))
    assert p[0, 1] == pytest.approx(1 / (1 + np.e))
    table = replace(reference, relu=Pair(lambda x: (-x, None), None))
    p, _ = probabilities((ReLU(),), {}, {}, arrays([([[1.0, 0.0]], [0])]), ops=table)
    assert p[0, 0] == pytest.approx(1 / (1 + np.e))


def test_probabilities_rank_as_the_logits_do_however_small():
    logits = np.array([[300.0, 20, 10, 50, 40, 30, 0]], "float32")
    p, _ = probabilities((), {}, {}, [(logits, np.array([2]))])
    assert np.argsort(-p[0]).tolist() == [0, 3, 4, 5, 1, 2, 6], "in float32 all but the first are 0"
    assert module.score(p, np.array([2])) == Score(pytest.approx(290), 0.0, 0.0)


def test_a_probability_of_zero_costs_much_and_not_everything():
    one = module.score(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([1, 0]))
    assert one.top1 == 0.5 and 300 < one.loss < 400


def test_of_equal_probabilities_the_earlier_class_comes_first():
    p = np.full((20, 20), 0.05)
    assert module.score(p, np.arange(20)) == Score(pytest.approx(np.log(20)), 1 / 20, 5 / 20)


def test_several_runs_may_know_together_what_none_knows():
    runs = np.array([[[0.5, 0.1, 0.4]], [[0.1, 0.5, 0.4]]])  # two runs, one image
    assert [module.score(p, np.array([2])).top1 for p in runs] == [0, 0]
    assert module.score(runs.mean(axis=0), np.array([2])) == Score(pytest.approx(-np.log(0.4)), 1.0, 1.0)


def test_errors_of_each_class():
    p = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.4, 0.3, 0.2], [0.4, 0.1, 0.2, 0.3], [0.1, 0.4, 0.2, 0.3]])
    t = np.array([0, 0, 3, 3])
    np.testing.assert_array_equal(class_errors(p, t, 1), [0.5, np.nan, np.nan, 1.0])
    np.testing.assert_array_equal(class_errors(p, t, 2), [0.5, np.nan, np.nan, 0.0])
    np.testing.assert_array_equal(class_errors(p[:2], t[:2], 1), [0.5, np.nan, np.nan, np.nan])


def test_probabilities_of_nothing_are_an_error():
    with pytest.raises(ValueError, match="nothing to evaluate"):
        probabilities((), {}, {}, [])


# What looks alike


def test_features_are_all_but_the_last_layers_in_the_testing_form():
    rng = np.random.default_rng(0)
    layers = (Linear("fc7", 5), ReLU(), Dropout(), Linear("fc8", 3))
    params = {"fc7.W": rng.normal(size=(4, 5)), "fc7.b": rng.normal(size=5), "fc8.W": np.nan, "fc8.b": np.nan}
    batches = [(rng.normal(size=(n, 4)), np.zeros(n, int)) for n in (3, 2)]
    blocks = list(features(layers, params, {}, batches))
    for block, (x, _) in zip(blocks, batches, strict=True):
        np.testing.assert_allclose(block, np.maximum(x @ params["fc7.W"] + params["fc7.b"], 0) / 2, rtol=1e-12)


def blocks_of(rows, *sizes):
    ends = np.cumsum(sizes)
    return np.split(rows, ends)


@pytest.mark.parametrize("sizes", [(20,), (1, 1, 1, 5), (7, 7), (2, 11)])
def test_the_nearest_are_those_of_a_plain_search(sizes):
    rng = np.random.default_rng(0)
    queries, rows = rng.normal(size=(4, 3)), rng.normal(size=(20, 3))
    found, distances = nearest(queries, blocks_of(rows, *sizes), k=6)
    for query, places, apart in zip(queries, found, distances, strict=True):
        plain = sorted((math.dist(query, row), number) for number, row in enumerate(rows))[:6]
        assert places.tolist() == [number for _, number in plain]
        np.testing.assert_allclose(apart, [distance for distance, _ in plain], rtol=1e-12)


def test_of_equally_near_rows_the_earlier_comes_first():
    rows = np.array([[3.0], [1.0], [-1.0], [1.0], [-1.0], [0.0]])
    assert nearest(np.zeros((1, 1)), blocks_of(rows, 2, 2), k=4)[0].tolist() == [[5, 1, 2, 3]]


def test_fewer_rows_than_asked_for_are_all():
    found, distances = nearest(np.zeros((2, 1), "float32"), [np.array([[3.0], [-2.0]], "float32")])
    assert found.tolist() == [[1, 0]] * 2 and distances.tolist() == [[2, 3]] * 2 and distances.dtype == "float32"


def test_no_two_blocks_are_kept():
    made = []

    def blocks():
        for _ in range(6):
            block = np.ones((50, 3))
            made.append(weakref.ref(block))
            yield block
            del block
            assert sum(reference() is not None for reference in made) <= 1

    found, _ = nearest(np.zeros((2, 3)), blocks())
    assert len(made) == 6 and found.shape == (2, 6)


def test_it_all_runs_on_a_device():
    xp, plain = StandIn(), []
    batches = drawn(10)[0]
    for lib in (np, xp):
        p, t = probabilities((), {}, {}, arrays(batches, lib))
        assert type(p) is type(t) is np.ndarray
        params = {"fc8.W": lib.ones((12, 3)), "fc8.b": lib.ones(3)}
        blocks = features((ReLU(), Linear("fc8", 3)), params, {}, arrays(batches, lib))
        found = nearest(lib.ones((5, 12)), blocks)
        plain.append([p, t, *map(to_numpy, found)])
    for one, other in zip(*plain, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not [shape for shape in xp.downloads if len(shape) == 2 and shape[0] > 7], "logits of crops stay there"
