"""Every kernel pair against its reference pair, on an emulated GPU, in the types that a GPU trains in."""

import numpy as np
import pytest

from minialex.kernels import fused, launch
from minialex.ops import reference
from tests.kernels.cases import CASES, LIMITS, check


def test_every_kernel_pair_has_cases():
    replaced = {name for name in vars(reference) if getattr(fused, name) is not getattr(reference, name)}
    assert replaced == {case.pair for case in CASES.values()}


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


@pytest.mark.parametrize("pair", ["lrn", "max_pool"])
def test_a_batch_of_none(xp, pair):
    y, cache = getattr(fused, pair).forward(xp.zeros((0, 7, 7, 8), "float32"))
    assert y.shape[0] == 0 and getattr(fused, pair).backward(y, cache).shape == (0, 7, 7, 8)


def test_more_channels_than_a_block_holds_are_refused(xp):
    with pytest.raises(ValueError, match="1025 channels in a group.*1024"):
        fused.lrn.forward(xp.zeros((1, 1, 1, 1025), "float32"))


def test_the_first_nan_of_a_window_is_kept(xp):
    x = np.zeros((1, 3, 3, 4), "float32")
    x[0, 0, 2], x[0, 1, 1], x[0, 2, 0] = np.inf, np.nan, np.nan
    y, cache = fused.max_pool.forward(xp.asarray(x))
    dx = fused.max_pool.backward(xp.ones((1, 1, 1, 4), "float32"), cache).get()
    assert np.isnan(y.get()).all() and dx[0, 1, 1].tolist() == [1] * 4 and dx.sum() == 4


def test_numpys_arrays_are_refused():
    with pytest.raises(TypeError, match="lrn.cu need CuPy's arrays, got those of numpy"):
        fused.lrn.forward(np.zeros((1, 2, 2, 3), "float32"))


def test_a_kernel_is_compiled_once(xp):
    made, RawModule = [], xp.RawModule
    xp.RawModule = lambda **arguments: made.append(arguments["code"]) or RawModule(**arguments)
    for _ in range(3):
        fused.lrn.forward(xp.zeros((1, 1, 2, 8), "float32"))
    assert made == [launch.source("lrn", "float32", {"N": 5})]
