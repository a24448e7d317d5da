"""float16: what sums, powers and products of it are computed in, in every pair, where float16 itself would fail."""

import numpy as np
import pytest

from minialex.ops import reference, softmax
from minialex.ops.float16 import product, sum_dtype, wide
from tests.ops.checks import as_tuple, generator, refuses


def normal(*shape, scale=1.0, mean=0.0, seed=0):
    return (mean + scale * generator(seed).standard_normal(shape)).astype("float16")


# Squares and variances beyond 65,504, and sums that float16 stops adding to.
CASES = {
    "conv": (reference.conv, (normal(8, 25, 24, 4, scale=50), normal(5, 5, 2, 6, scale=0.1), normal(6)), {"groups": 2}),
    "linear": (reference.linear, (normal(5000, 8, scale=50), normal(8, 7), normal(7)), {}),
    "relu": (reference.relu, (normal(30, 5, scale=500),), {}),
    "tanh": (reference.tanh, (normal(30, 5),), {}),
    "lrn": (reference.lrn, (normal(2, 3, 4, 8, scale=900),), {}),
    "lrn of small numbers": (reference.lrn, (normal(2, 3, 4, 8, scale=1e-3),), {"alpha": 1.0}),
    "lrn of large ones": (reference.lrn, (normal(2, 3, 4, 8, scale=9000),), {"alpha": 1e-8}),
    "max_pool": (reference.max_pool, (normal(2, 17, 18, 3, scale=500),), {}),
    "dropout": (reference.dropout, (normal(40, 6),), {"mask": normal(40, 6, seed=1) > 0, "inverted": True}),
    "softmax": (reference.softmax_cross_entropy, (normal(60, 5000), np.arange(60) * 7), {}),
    "batchnorm": (reference.batchnorm, (normal(9, 24, 25, 2, scale=900, mean=300), normal(2), normal(2, seed=2)), {}),
    "mapnorm": (reference.mapnorm, (normal(2, 6, 5, 3, scale=900),), {}),
    "mapnorm of large numbers": (reference.mapnorm, (normal(2, 6, 5, 3, scale=9000),), {"alpha": 1e-8}),
}


def exact(value):
    return value.astype("float64") if getattr(value, "dtype", None) in ("float16", "float32") else value


def test_every_pair_is_here():
    assert {pair for pair, _, _ in CASES.values()} == {getattr(reference, name) for name in vars(reference)}


@pytest.mark.parametrize("pair, arrays, kwargs", CASES.values(), ids=CASES.keys())
def test_a_pair_is_as_exact_as_its_results_can_tell(pair, arrays, kwargs):
    y, cache = pair.forward(*arrays, **kwargs)
    dy = np.float32(1024) if np.ndim(y) == 0 else normal(*y.shape, mean=0.25, seed=5)
    grads = as_tuple(pair.backward(dy, cache))
    y64, cache64 = pair.forward(*map(exact, arrays), **kwargs)
    grads64 = as_tuple(pair.backward(exact(dy), cache64))

    for got, want in zip((y, *grads), (y64, *grads64), strict=True):
        assert got.dtype == ("float32" if want.ndim == 0 or (want.ndim == 1 and len(grads) > 1) else "float16")
        tolerance = 2e-6 if got.dtype == "float32" else 1e-3
        np.testing.assert_allclose(exact(got), want, rtol=0, atol=tolerance * np.abs(want).max())


def test_probabilities_are_float32():
    logits = normal(3, 5000)
    p = softmax(logits)
    assert p.dtype == "float32"
    np.testing.assert_allclose(p, softmax(exact(logits)), rtol=1e-5)


def test_running_statistics_stay_in_float32():
    x, gamma, beta = normal(40, 3, scale=900), normal(3), normal(3)
    given = {"mean": np.float32([1, 2, 3]), "var": np.float32([1e5, 8e5, 9e5])}
    y, _ = reference.batchnorm.forward(x, gamma, beta, **given)
    wanted, _ = reference.batchnorm.forward(*map(exact, (x, gamma, beta)), **{k: exact(v) for k, v in given.items()})
    assert y.dtype == "float16"
    np.testing.assert_allclose(y, wanted, rtol=1e-3, atol=1e-3)
    narrow = {name: value[:].astype("float16") for name, value in {**given, "var": np.ones(3)}.items()}
    refuses(reference.batchnorm.forward, x, gamma, beta, **narrow, words=["mean", "float16", "float32"])


def test_other_types_are_their_own():
    for dtype in ("float32", "float64"):
        x = np.ones((3, 2), dtype)
        assert sum_dtype(x) == dtype and wide(x) is x and product(x, x.T).dtype == dtype
    assert sum_dtype(normal(3)) == "float32" == wide(normal(3)).dtype


def test_a_product_is_summed_in_float32_and_then_rounded():
    a, b = np.full((1, 4001), 0.5, "float16"), np.ones((4001, 1), "float16")
    assert product(a, b).dtype == "float16" and product(a, b) == 2000  # 2000.5, to float16's even numbers
