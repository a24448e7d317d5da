"""Every kernel pair against its reference pair, on an emulated GPU, in the types that a GPU trains in."""

import numpy as np
import pytest

from minialex.kernels import fused
from minialex.ops import reference
from tests.kernels.cases import CASES, LIMITS, as_list, check


def test_every_kernel_pair_has_cases():
    pairs = {name for name, pair in vars(fused).items() if pair is not getattr(reference, name)} - {"dropout_mask"}
    assert pairs == {case.pair for case in CASES.values()}


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_agrees_with_the_reference(xp, case, dtype):
    check(case, dtype, xp)
    assert len(xp.downloads) == 1 + len(case.shapes), "only what the test itself asked for comes to the host"


@pytest.mark.parametrize("pair", ["lrn", "max_pool"])
def test_a_view_gives_what_its_copy_gives(xp, pair):
    x = np.random.default_rng(0).standard_normal((5, 7, 2, 16)).astype("float32")
    view, dy = xp.asarray(x).transpose(2, 0, 1, 3), None
    results = []
    for array in (view, xp.ascontiguousarray(view)):
        y, cache = getattr(fused, pair).forward(array)
        dy = xp.asarray(np.random.default_rng(1).standard_normal((*y.shape[:2], y.shape[3], y.shape[2])))
        dy = dy.astype("float32").transpose(0, 1, 3, 2)
        results.append((y.get().tobytes(), getattr(fused, pair).backward(dy, cache).get().tobytes()))
    assert results[0] == results[1]


def shifted(array):
    """A view that begins a number after a multiple of 16 bytes, and is contiguous."""
    flat = array.xp.empty(array.size + 1, array.dtype)
    flat[1:] = array.reshape(-1)
    return flat[1:].reshape(array.shape)


@pytest.mark.parametrize("pair", ["conv", "conv_relu", "linear_relu", "lrn", "lrn_max_pool", "max_pool"])
@pytest.mark.parametrize("dtype", LIMITS)
def test_an_array_may_begin_anywhere(xp, pair, dtype):
    """The kernels that fetch 16 bytes at once then fetch a number at a time; a bias adds up in another order."""
    shapes = {"conv": [(2, 6, 5, 16), (3, 3, 16, 24), (24,)], "linear": [(3, 16), (16, 24), (24,)]}
    shapes = shapes.get(pair.removesuffix("_relu"), [(2, 6, 5, 16)])
    rng, results, dy = np.random.default_rng(0), [], None
    plain = [xp.asarray(rng.standard_normal(shape).astype(dtype)) for shape in shapes]
    for place in (lambda array: array), shifted:
        y, cache = getattr(fused, pair).forward(*map(place, plain))
        dy = xp.asarray(rng.standard_normal(y.shape).astype(dtype)) if dy is None else dy
        grads = as_list(getattr(fused, pair).backward(place(dy), cache))
        results.append([array.get() for array in (y, *grads)])
    assert shifted(dy).data.ptr % 16
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * np.abs(theirs).max())


@pytest.mark.parametrize("pair", ["lrn", "max_pool"])
def test_a_batch_of_none(xp, pair):
    y, cache = getattr(fused, pair).forward(xp.zeros((0, 7, 7, 8), "float32"))
    assert y.shape[0] == 0 and getattr(fused, pair).backward(y, cache).shape == (0, 7, 7, 8)
