import numpy as np
import pytest
from hypothesis import strategies as st

from tests import oracles
from tests.ops.checks import (
    agrees_with_differences,
    agrees_with_loops,
    agrees_with_torch,
    generator,
    keeps_dtype,
    over,
    refuses,
)

EXAMPLES = [(3, 4, 5), (1, 6, 2), (7, 1, 3), (2, 5, 1), (4, 4, 4)]  # (N,D,M)
SIZES = st.tuples(st.integers(1, 6), st.integers(1, 8), st.integers(1, 8))


def arrays(case):
    rng, (N, D, M) = generator(), case
    return [rng.standard_normal(shape) for shape in ((N, D), (D, M), (M,))]


@over(SIZES, EXAMPLES)
def test_agrees_with_loops(ops, case):
    agrees_with_loops(ops.linear, oracles.linear, oracles.linear_grad, arrays(case))


@over(SIZES, EXAMPLES)
def test_agrees_with_differences(ops, case):
    agrees_with_differences(ops.linear, arrays(case))


@pytest.mark.oracle
@over(SIZES, EXAMPLES)
def test_agrees_with_torch(ops, case):
    agrees_with_torch(ops.linear, lambda x, W, b: x @ W + b, arrays(case))


@over(SIZES, EXAMPLES)
def test_keeps_dtype(ops, case):
    keeps_dtype(ops.linear, arrays(case))


def test_need_dx_false_leaves_only_dx_out(ops):
    y, cache = ops.linear.forward(*arrays((3, 4, 5)))
    dy = generator(1).standard_normal(y.shape)
    _, dW, db = ops.linear.backward(dy, cache)
    dx, same_dW, same_db = ops.linear.backward(dy, cache, need_dx=False)
    assert dx is None and np.array_equal(dW, same_dW) and np.array_equal(db, same_db)


def test_what_does_not_fit_is_refused(ops):
    linear, (x, W, b) = ops.linear.forward, arrays((3, 4, 5))
    refuses(linear, x.reshape(3, 2, 2), W, b, words=[(3, 2, 2), "(N,D)"])
    refuses(linear, x, W[0], b, words=[W[0].shape, "(D,M)"])
    refuses(linear, x, W[:3], b, words=[(3, 5), (4, 5)])
    refuses(linear, x, W.T, b[:4], words=[(5, 4), (4, 4)])
    refuses(linear, x, W, b[:4], words=["(4,)", "(5,)"])
    refuses(linear, x, W, b[:1], words=["(1,)", "(5,)"])
    refuses(linear, x.astype("int32"), W, b, words=["int32", "floating-point"])
    refuses(linear, x, W.astype("float32"), b, words=["float32", "float64"])
