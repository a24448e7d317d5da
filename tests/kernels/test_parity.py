"""Every kernel pair against its reference pair, on an emulated GPU, in the types that a GPU trains in."""

import numpy as np
import pytest

from minialex.kernels import conv, fused, launch
from minialex.ops import reference
from tests.kernels.cases import CASES, LIMITS, check


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


@pytest.mark.parametrize("pair", ["lrn", "max_pool"])
def test_a_batch_of_none(xp, pair):
    y, cache = getattr(fused, pair).forward(xp.zeros((0, 7, 7, 8), "float32"))
    assert y.shape[0] == 0 and getattr(fused, pair).backward(y, cache).shape == (0, 7, 7, 8)


@pytest.mark.parametrize("label", [-1, 5])
def test_a_label_of_no_class_gives_no_number(xp, label):
    loss, _ = fused.softmax_cross_entropy.forward(xp.zeros((2, 5), "float32"), xp.array([1, label]))
    assert np.isnan(float(loss))


def test_the_gradient_of_the_loss_is_not_waited_for(xp):
    logits, t, dloss = xp.zeros((2, 5), "float32"), xp.zeros(2, "int32"), xp.ones((), "float32")
    uploads = len(xp.uploads)
    _, cache = fused.softmax_cross_entropy.forward(logits, t)
    for given in dloss, 1.0:
        fused.softmax_cross_entropy.backward(given, cache)
    assert not xp.downloads and len(xp.uploads) == uploads


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_in_slices_of_the_batch(xp, monkeypatch, groups):
    """Five images at once, and by two, two and one."""
    rng = np.random.default_rng(0)
    x, W, b, dy = (
        xp.asarray(rng.standard_normal(shape).astype("float32"))
        for shape in [(5, 6, 5, 4), (3, 3, 4 // groups, 6), (6,), (5, 4, 3, 6)]
    )
    image = 4 * 3 * W[..., 0].nbytes
    results = []
    for limit in 5 * image, 2 * image:
        monkeypatch.setattr(conv, "ROWS", limit)
        y, cache = fused.conv.forward(x, W, b, groups=groups)
        results.append([array.get() for array in (y, *fused.conv.backward(dy, cache))])
    for whole, sliced in zip(*results, strict=True):
        np.testing.assert_allclose(sliced, whole, rtol=0, atol=1e-5)
    assert len(conv._parts(x, W, cache[2])) == 3


def test_rows_larger_than_the_limit_go_image_by_image(xp, monkeypatch):
    monkeypatch.setattr(conv, "ROWS", 1)
    x, W = xp.zeros((2, 3, 3, 1), "float32"), xp.zeros((1, 1, 1, 1), "float32")
    assert conv._parts(x, W, (3, 3, 3, 3, 1, 1)) == [slice(0, 1), slice(1, 2)]


def test_a_convolution_of_no_images(xp):
    y, cache = fused.conv.forward(*(xp.zeros(s, "float32") for s in [(0, 5, 5, 4), (3, 3, 4, 8), (8,)]))
    dx, dW, db = fused.conv.backward(y, cache)
    assert y.shape == (0, 3, 3, 8) and dx.shape == (0, 5, 5, 4) and not dW.get().any() and not db.get().any()


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
