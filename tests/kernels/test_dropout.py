"""The masks of dropout in one kernel, on an emulated GPU."""

import numpy as np
import pytest

from minialex.kernels import fused
from minialex.layers import Dropout
from minialex.ops import reference
from tests.kernels.cases import LIMITS
from tests.kernels.others import check_dropout_mask


@pytest.mark.parametrize("dtype", LIMITS)
def test_the_bits_of_the_array_code(xp, dtype):
    check_dropout_mask(dtype, xp)


def test_the_layer_draws_by_the_table(xp):
    """What a network drops does not hang on where it runs."""
    x = np.ones((5, 70), "float32")
    results = []
    for ops, array in (reference, x), (fused, xp.asarray(x)):
        rng = np.random.default_rng(3)
        y, _ = Dropout().forward({}, array, state={}, train=True, rng=rng, ops=ops)
        results.append((y if ops is reference else y.get(), rng.integers(1000)))
    assert np.array_equal(results[0][0], results[1][0]) and results[0][1] == results[1][1]


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_a_rate_that_is_none_is_refused(xp, p):
    with pytest.raises(ValueError, match="0 <= p < 1"):
        fused.dropout_mask((3,), p, np.random.default_rng(0), xp=xp)
