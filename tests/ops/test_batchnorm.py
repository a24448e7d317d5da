import numpy as np
import pytest
from hypothesis import strategies as st

from minialex.ops import batch_statistics
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

# shape and eps
EXAMPLES = [((4, 3), 1e-5), ((2, 3, 4, 5), 1e-5), ((3, 2, 5, 1), 1e-2), ((5, 1, 1, 2), 0.3), ((2, 6, 4), 0.1)]
CASES = st.tuples(
    st.lists(st.integers(1, 4), min_size=1, max_size=3).map(lambda axes: (1 + axes[0], *axes)),  # N >= 2
    st.sampled_from([1e-5, 1e-2, 0.3]),
)


def arrays(case):
    """Channels of different mean and spread, gains and offsets of either sign."""
    rng, C = generator(), case[0][-1]
    x = rng.standard_normal(case[0]) * rng.uniform(0.5, 2.0, C) + 3 * rng.standard_normal(C)
    return [x, rng.standard_normal(C), rng.standard_normal(C)]


def statistics(case):
    rng, C = generator(9), case[0][-1]
    return {"mean": rng.standard_normal(C), "var": rng.uniform(0.5, 2.0, C), "eps": case[1]}


def torch_batchnorm(x, gamma, beta, *, eps, mean=None, var=None):
    import torch
    import torch.nn.functional as F

    running = [None if value is None else torch.tensor(value) for value in (mean, var)]
    y = F.batch_norm(x.movedim(-1, 1), *running, gamma, beta, training=mean is None, eps=eps)
    return y.movedim(1, -1)


@over(CASES, EXAMPLES)
def test_agrees_with_loops(ops, case):
    agrees_with_loops(ops.batchnorm, oracles.batchnorm, oracles.batchnorm_grad, arrays(case), eps=case[1])


@over(CASES, EXAMPLES)
def test_testing_form_agrees_with_loops(ops, case):
    forward, grad = oracles.batchnorm, oracles.batchnorm_testing_grad
    agrees_with_loops(ops.batchnorm, forward, grad, arrays(case), **statistics(case))


@over(CASES, EXAMPLES)
def test_agrees_with_differences(ops, case):
    agrees_with_differences(ops.batchnorm, arrays(case), eps=case[1])
    agrees_with_differences(ops.batchnorm, arrays(case), **statistics(case))


@pytest.mark.oracle
@over(CASES, EXAMPLES)
def test_agrees_with_torch(ops, case):
    agrees_with_torch(ops.batchnorm, torch_batchnorm, arrays(case), eps=case[1])
    agrees_with_torch(ops.batchnorm, torch_batchnorm, arrays(case), **statistics(case))


@over(CASES, EXAMPLES)
def test_keeps_dtype(ops, case):
    x, gamma, beta = arrays((case[0], 0.3))
    keeps_dtype(ops.batchnorm, [x, gamma, beta], eps=0.3)
    keeps_dtype(ops.batchnorm, [x, gamma, beta], **statistics(case))


def test_default_eps_is_1e_5(ops):
    x, gamma, beta = arrays(((4, 3), None))
    x *= 1e-3  # so small that eps counts
    agree(ops.batchnorm.forward(x, gamma, beta)[0], oracles.batchnorm(x, gamma, beta, eps=1e-5))


@over(CASES, EXAMPLES)
def test_the_cache_carries_the_statistics_of_the_batch(ops, case):
    x, gamma, beta = arrays(case)
    mean, var, count = batch_statistics(ops.batchnorm.forward(x, gamma, beta, eps=case[1])[1])
    axes = tuple(range(x.ndim - 1))
    agree(mean, x.mean(axis=axes))
    agree(var, x.var(axis=axes))  # biased: the sum of squares is divided by count, not by count - 1
    assert count == np.prod(x.shape[:-1])


def test_normalised_channels_have_mean_0_and_variance_1(ops):
    x, gamma, beta = arrays(((6, 5, 4, 3), None))
    y, _ = ops.batchnorm.forward(x, np.ones(3), np.zeros(3), eps=0.0)
    agree(y.mean(axis=(0, 1, 2)), np.zeros(3))
    agree(y.var(axis=(0, 1, 2)), np.ones(3))


def test_float32_bears_a_mean_far_from_zero(ops):
    """The mean of the squares less the square of the mean would lose every digit here."""
    x = (1000 + generator().standard_normal((8, 5, 5, 2))).astype("float32")
    y, _ = ops.batchnorm.forward(x, np.ones(2, "float32"), np.zeros(2, "float32"))
    agree(y, oracles.batchnorm(x.astype("float64"), np.ones(2), np.zeros(2)), tolerance=1e-3)


def test_a_constant_channel_gives_beta(ops):
    y, cache = ops.batchnorm.forward(np.full((3, 2), 7.0), np.array([2.0, 3.0]), np.array([-1.0, 5.0]))
    agree(y, np.full((3, 2), [-1.0, 5.0]))
    assert np.isfinite(ops.batchnorm.backward(np.arange(6.0).reshape(3, 2), cache)[0]).all()


def test_what_does_not_fit_is_refused(ops):
    batchnorm, (x, gamma, beta), given = ops.batchnorm.forward, arrays(((4, 5, 3), None)), np.ones(3)
    refuses(batchnorm, x[0, 0], gamma, beta, words=["(3,)", "(N,...,C)"])
    refuses(batchnorm, x, gamma[:2], beta, words=["gamma", "(2,)", "(3,)"])
    refuses(batchnorm, x, gamma, beta[:1], words=["beta", "(1,)", "(3,)"])
    refuses(batchnorm, x, gamma, beta, mean=given, words=["mean", "var", "both"])
    refuses(batchnorm, x, gamma, beta, var=given, words=["mean", "var", "both"])
    refuses(batchnorm, x, gamma, beta, mean=given[:2], var=given, words=["mean", "(2,)", "(3,)"])
    refuses(batchnorm, x, gamma, beta, mean=given, var=given[:1], words=["var", "(1,)", "(3,)"])
    refuses(batchnorm, x, gamma, beta, mean=given, var=given.astype("float32"), words=["var", "float32", "float64"])
    refuses(batchnorm, x.astype("int64"), gamma, beta, words=["int64", "floating-point"])
    refuses(batchnorm, x.astype("float32"), gamma, beta, words=["float32", "float64"])
