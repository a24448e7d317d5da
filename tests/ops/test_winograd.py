"""What is particular to minimal filtering; that it is a convolution is tested in test_conv.py, on the table `fast`."""

import pickle
from itertools import product

import numpy as np
import pytest

import minialex.ops
from minialex.ops import conv_backward, conv_forward, winograd, winograd_backward, winograd_forward
from tests.ops.checks import agree, generator


def arrays(H, W, kernel, channels=4, maps=6, groups=1, N=3):
    rng = generator()
    shapes = (N, H, W, channels), (*kernel, channels // groups, maps), (maps,)
    return [rng.standard_normal(shape) for shape in shapes]


def both(x, W, b, **options):
    """(y, dx, dW, db) by minimal filtering and by im2col."""
    results = []
    for forward, backward in ((winograd_forward, winograd_backward), (conv_forward, conv_backward)):
        y, cache = forward(x, W, b, **options)
        results.append((y, *backward(generator(1).standard_normal(y.shape).astype(x.dtype), cache)))
    return results


@pytest.mark.parametrize("kernel, groups", list(product([(3, 3), (5, 5)], [1, 2])))
@pytest.mark.parametrize("H, W", [(5, 6), (6, 5), (7, 9), (8, 8), (12, 11)])
def test_every_way_in_which_tiles_meet_the_border(H, W, kernel, groups):
    for pad in (0, 1, 2, ((0, 3), (2, 1))):
        for ours, plain in zip(*both(*arrays(H, W, kernel, groups=groups), pad=pad, groups=groups), strict=True):
            agree(ours, plain)


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5)])
def test_a_few_images_at_a_time_give_what_all_give(kernel, monkeypatch):
    given = arrays(9, 9, kernel, N=5)
    together = both(*given, pad=1)[0]
    monkeypatch.setattr(winograd, "BLOCK", 1)  # one image at a time
    for apart, whole in zip(both(*given, pad=1)[0], together, strict=True):
        agree(apart, whole)


def test_kernels_that_it_is_for_are_not_left_to_im2col(monkeypatch):
    def no(*args, **kwargs):
        pytest.fail("im2col's convolution ran")

    monkeypatch.setattr(winograd, "conv_forward", no)
    monkeypatch.setattr(winograd, "conv_backward", no)
    for kernel in ((3, 3), (5, 5)):
        y, cache = winograd_forward(*arrays(8, 8, kernel))
        winograd_backward(y, cache)


@pytest.mark.parametrize("kernel, stride", [((3, 5), 1), ((5, 3), 1), ((2, 2), 1), ((3, 3), 2), ((5, 5), (1, 2))])
def test_others_are_left_to_im2col_to_the_bit(kernel, stride):
    for ours, plain in zip(*both(*arrays(9, 8, kernel), stride=stride, pad=1), strict=True):
        assert ours.tobytes() == plain.tobytes()


@pytest.mark.parametrize(
    "kernel, stride, applies", [(3, 1, True), ((5, 5), (1, 1), True), (3, 2, False), (4, 1, False)]
)
def test_what_it_applies_to(kernel, stride, applies):
    assert winograd.applies(kernel, stride) is applies


@pytest.mark.parametrize("kernel, channels, limit", [((3, 3), 64, 1e-6), ((5, 5), 48, 1e-5)])
def test_rounding_in_float32_stays_small(kernel, channels, limit):
    """Relative to the size of the result: about 5e-7 and 4e-6, and 2e-7 by im2col."""
    exact = arrays(13, 13, kernel, channels, 32)
    narrow = [array.astype("float32") for array in exact]
    for ours, plain in zip(both(*narrow, pad=1)[0], both(*exact, pad=1)[1], strict=True):
        assert ours.dtype == "float32"
        assert np.linalg.norm(ours - plain) < limit * np.linalg.norm(plain)


def test_it_multiplies_as_rarely_as_promised(monkeypatch):
    """The product over the channels has n*n rows a tile: 16 for 2x2 outputs, 64 for 4x4."""
    rows = {}
    values = winograd._tile_values
    monkeypatch.setattr(
        winograd, "_tile_values", lambda x, tiling, groups: rows.setdefault(tiling.n, values(x, tiling, groups))
    )
    for kernel, outputs in (((3, 3), 4), ((5, 5), 8)):
        winograd_forward(*arrays(outputs, outputs, kernel, N=1), pad=kernel[0] // 2)
    assert {n: V.shape[1:3] for n, V in rows.items()} == {4: (16, 4), 8: (64, 4)}


def test_the_cache_keeps_the_image_alone():
    x, W, b = arrays(20, 20, (5, 5), N=2)
    _, cache = winograd_forward(x, W, b)
    assert len(pickle.dumps(cache)) < 2 * (x.nbytes + W.nbytes)


def test_need_dx_false_saves_the_work(monkeypatch):
    y, cache = winograd_forward(*arrays(8, 8, (3, 3)))
    monkeypatch.setattr(winograd, "col2im", lambda *args: pytest.fail("dx was computed"))
    assert winograd_backward(y, cache, need_dx=False)[0] is None


def test_the_table_fast_differs_in_the_convolution_alone():
    fast, reference = vars(minialex.ops.fast), vars(minialex.ops.reference)
    assert {name for name in reference if fast[name] is not reference[name]} == {"conv"}
    assert fast["conv"] == (winograd_forward, winograd_backward)
