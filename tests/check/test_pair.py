"""A layer without a twin: numerical gradients, and what they tell of a mistake."""

import numpy as np
import pytest

from minialex import ops
from minialex.check import check_pair


def forward(x, W, b):
    """A layer that is not ours: y = (x W)^2 + b."""
    product = x @ W
    return product**2 + b, (x, W, product)


def backward(dy, cache):
    x, W, product = cache
    dproduct = 2 * product * dy
    return dproduct @ W.T, x.T @ dproduct, dy.sum(axis=0)


SHAPES = [(3, 4), (4, 5), (5,)]


def check(changed=None, shapes=SHAPES, own=forward, **options):
    return check_pair(own, changed or backward, shapes, **options)


def with_grads(change):
    return lambda dy, cache: change(dy, *backward(dy, cache))


def test_a_right_pair():
    report = check()
    assert report.ok
    assert [stage.name for stage in report.stages] == ["forward", "inputs kept", "gradients"]


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda dy, dx, dW, db: (dx, dW / 3, db), "dW: FAIL 6.7e-01 -> every entry is x0.3333: divided by N here AND"),
        (lambda dy, dx, dW, db: (dx / 2, dW, db), "dx: FAIL 5.0e-01 -> every entry is x0.5: a factor 2 is missing"),
        (lambda dy, dx, dW, db: (dx, dW.T, db), "dW: shape (5,4), expected (4,5) -> transposed"),
        (lambda dy, dx, dW, db: (dx, dW, dy[-1]), "sum over the batch missing: gradient of the LAST image only"),
        (lambda dy, dx, dW, db: (dx, dW, dy), "the sum over the batch is missing: not summed over axis 0"),
        (lambda dy, dx, dW, db: (dx, dW, 3 + 0 * db), "dy is not used"),
        (lambda dy, dx, dW, db: (dx, dW, -db), "every entry is x-1: the sign is wrong"),
        (lambda dy, dx, dW, db: (0 * dx, dW, db), "every entry is 0"),
        (lambda dy, dx, dW, db: (dx * (np.arange(3) == 2)[:, None], dW, db), "only the LAST image has its gradient"),
        (lambda dy, dx, dW, db: (dx, dW + (np.arange(5) == 1) * np.cos(dW), db), "only column 1 (4 of 20 entries)"),
        (lambda dy, dx, dW, db: (dx, dW), "backward returns 2 results, expected dx, dW, db"),
        (lambda dy, dx, dW, db: (dx, dW, None), "db is None"),
        (lambda dy, dx, dW, db: 1 / 0, "test_pair.py:"),
    ],
)
def test_a_wrong_gradient(change, says):
    report = check(with_grads(change))
    assert not report.ok and report.stages[-1].name == "gradients"
    assert says in str(report)


def test_a_forward_without_a_cache():
    assert "two results: y, cache" in str(check(own=lambda x, W, b: x @ W + b))


def test_a_forward_in_float32():
    assert "numerical gradients need float64" in str(check(own=lambda x, W, b: ((x @ W + b).astype("float32"), x)))


def test_a_forward_that_is_not_finite():
    assert "15 of 15 entries are not finite" in str(check(own=lambda x, W, b: (x @ W + np.nan, x)))


def test_a_forward_that_changes_its_input():
    def changes(x, W, b):
        y, cache = forward(x, W, b)
        x *= 2
        return y, cache

    assert "x: changed in place" in str(check(own=changes))


def test_a_forward_that_draws():
    def draws(x, W, b):
        return x @ W + np.random.standard_normal(5), x

    assert "random numbers need to come in as arguments" in str(check(own=draws))


def test_a_backward_that_changes_dy():
    def changes(dy, cache):
        grads = backward(dy, cache)
        dy *= 2
        return grads

    assert "dy: changed in place" in str(check(changes))


def test_a_loop_without_an_end():
    def endless(x, W, b):
        while True:
            pass

    assert "still running after 0.2 seconds" in str(check(own=endless, seconds=0.2))


def test_labels_are_held_constant_and_options_are_passed_on():
    logits, t = np.random.default_rng(0).standard_normal((3, 4)), np.array([1, 0, 3])
    assert check_pair(ops.softmax_cross_entropy_forward, ops.softmax_cross_entropy_backward, [logits, t]).ok
    options = dict(n=3, k=1.5, alpha=0.9, beta=0.6, groups=2)
    assert check_pair(ops.lrn_forward, ops.lrn_backward, [(2, 3, 2, 6)], **options).ok


def test_arrays_that_cannot_be_checked():
    with pytest.raises(ValueError, match="float32 with 4 entries"):
        check(shapes=[np.ones((2, 2), "float32")])
    with pytest.raises(ValueError, match="4096 entries at most"):
        check(shapes=[(100, 100)])
