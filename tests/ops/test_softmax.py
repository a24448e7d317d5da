import math

import numpy as np
import pytest
from hypothesis import strategies as st

from minialex.ops import softmax, softmax_cross_entropy_forward
from tests import oracles
from tests.ops.checks import (
    agree,
    agrees_with_differences,
    agrees_with_loops,
    agrees_with_torch,
    generator,
    keeps_dtype,
    over,
    refuses,
)

EXAMPLES = [(3, 5), (1, 4), (6, 2), (4, 1)]  # (N,M)
SIZES = st.tuples(st.integers(1, 6), st.integers(1, 8))


def arrays(case):
    rng, (N, M) = generator(), case
    return [3 * rng.standard_normal((N, M)), rng.integers(0, M, N)]


def torch_loss(logits, t):
    import torch.nn.functional as F

    return F.cross_entropy(logits, t)


@over(SIZES, EXAMPLES)
def test_agrees_with_loops(ops, case):
    forward, grad = oracles.softmax_cross_entropy, oracles.softmax_cross_entropy_grad
    agrees_with_loops(ops.softmax_cross_entropy, forward, grad, arrays(case))


@over(SIZES, EXAMPLES)
def test_agrees_with_differences(ops, case):
    agrees_with_differences(ops.softmax_cross_entropy, arrays(case))


@pytest.mark.oracle
@over(SIZES, EXAMPLES)
def test_agrees_with_torch(ops, case):
    agrees_with_torch(ops.softmax_cross_entropy, torch_loss, arrays(case))


@over(SIZES, EXAMPLES)
def test_keeps_dtype(ops, case):
    keeps_dtype(ops.softmax_cross_entropy, arrays(case))


def test_an_indifferent_network_loses_ln_of_the_classes(ops):
    loss, _ = ops.softmax_cross_entropy.forward(np.zeros((4, 1000)), np.array([0, 1, 500, 999]))
    agree(loss, math.log(1000))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_is_stable_at_logits_of_10000(ops, dtype):
    """Losses of 20,000, 0 and ln 2, without overflow; the wrong label's gradient is exactly 1."""
    logits = np.array([[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4]], dtype=dtype)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        loss, cache = ops.softmax_cross_entropy.forward(logits, np.array([1, 1, 0]))
        dlogits = ops.softmax_cross_entropy.backward(np.asarray(3.0, dtype=dtype), cache)
    agree(loss, (20000 + 0 + math.log(2)) / 3, tolerance=1e-6)
    agree(dlogits, [[1, -1], [0, 0], [-0.5, 0.5]], tolerance=1e-6)


def test_a_constant_added_to_a_row_changes_nothing(ops):
    logits, t = arrays((4, 6))
    moved = logits + np.array([[0.0], [1.0], [-700.0], [800.0]])
    loss, _ = ops.softmax_cross_entropy.forward(logits, t)
    agree(ops.softmax_cross_entropy.forward(moved, t)[0], loss)


def test_a_plain_number_will_do_as_dloss(ops):
    logits, t = arrays((3, 5))
    _, cache = ops.softmax_cross_entropy.forward(logits, t)
    dlogits = ops.softmax_cross_entropy.backward(1.0, cache)
    agree(dlogits, oracles.softmax_cross_entropy_grad(1.0, logits, t))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_labels_of_any_integer_type_will_do(ops, dtype):
    logits, t = arrays((3, 5))
    loss, _ = ops.softmax_cross_entropy.forward(logits, t.astype(dtype))
    agree(loss, oracles.softmax_cross_entropy(logits, t))


@over(SIZES, EXAMPLES)
def test_softmax_gives_probabilities(case):
    logits, _ = arrays(case)
    agree(softmax(logits), [oracles.softmax(row) for row in logits])
    agree(softmax(logits.astype("float32")), softmax(logits), tolerance=1e-6)
    agree(softmax(np.array([[1e4, -1e4, 1e4]])), [[0.5, 0.0, 0.5]])


def test_what_does_not_fit_is_refused(ops):
    forward, (logits, t) = ops.softmax_cross_entropy.forward, arrays((3, 5))
    refuses(forward, logits[0], t, words=["(5,)", "(N,M)"])
    refuses(forward, logits, t[:2], words=["(2,)", "(3,)"])
    refuses(forward, logits, t[:, None], words=["(3, 1)", "(3,)"])
    refuses(forward, logits, t.astype("float64"), words=["float64", "integers"])
    refuses(forward, logits.astype("int64"), t, words=["int64", "floating-point"])


def test_a_label_of_no_class_is_refused():
    """On the host: on a GPU a look would make every step wait."""
    logits, _ = arrays((3, 5))
    refuses(softmax_cross_entropy_forward, logits, np.array([0, 5, 1]), words=[5, "0..4"])
    refuses(softmax_cross_entropy_forward, logits, np.array([0, -1, 1]), words=[-1, "0..4"])
