import pickle
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st

import minialex.ops
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


class Case(NamedTuple):
    x: tuple  # (N,H,W,C)
    W: tuple  # (KH,KW,C/groups,OC)
    stride: object = 1
    pad: object = 0
    groups: int = 1

    def arrays(self):
        rng = generator()
        return [rng.standard_normal(shape) for shape in (self.x, self.W, self.W[3:])]

    @property
    def options(self):
        return {"stride": self.stride, "pad": self.pad, "groups": self.groups}


EXAMPLES = [
    Case((2, 7, 6, 3), (3, 2, 3, 5)),
    Case((3, 7, 6, 2), (3, 2, 2, 4), stride=2, pad=1),
    Case((1, 8, 10, 3), (2, 4, 3, 2), stride=3, pad=((0, 3), (1, 2))),
    Case((2, 11, 9, 4), (5, 3, 2, 6), stride=4, pad=((2, 0), (0, 1)), groups=2),  # stops short of a border
    Case((2, 6, 9, 4), (2, 3, 1, 8), stride=(1, 3), pad=2, groups=4),
    Case((1, 9, 5, 8), (3, 1, 2, 4), stride=(4, 2), pad=((1, 2), (3, 0)), groups=4),
    Case((2, 3, 4, 2), (3, 4, 1, 4), groups=2),  # one window
    Case((2, 17, 15, 3), (11, 11, 3, 4), stride=4, pad=((0, 3), (0, 3))),  # conv1 in small
    Case((2, 9, 7, 4), (5, 5, 2, 6), pad=2, groups=2),  # conv2 in small
    Case((3, 5, 6, 2), (3, 3, 2, 4), pad=1),  # conv3 in small
    Case((2, 6, 8, 4), (3, 3, 2, 4), pad=((0, 2), (1, 0)), groups=2),
]


@st.composite
def cases(draw):
    stride, some, few = st.integers(1, 4), st.integers(0, 3), st.integers(1, 3)
    pad = draw(some | st.tuples(st.tuples(some, some), st.tuples(some, some)))
    KH, KW, groups = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.sampled_from([1, 2, 4]))
    CG, OCG = draw(few), draw(few)
    vertical, horizontal = oracles.pad_widths(pad)
    H = max(1, KH - sum(vertical)) + draw(st.integers(0, 6))
    W = max(1, KW - sum(horizontal)) + draw(st.integers(0, 6))
    options = {"stride": draw(stride | st.tuples(stride, stride)), "pad": pad, "groups": groups}
    return Case((draw(few), H, W, CG * groups), (KH, KW, CG, OCG * groups), **options)


def torch_conv(x, W, b, *, stride, pad, groups):
    import torch.nn.functional as F

    (top, bottom), (left, right) = oracles.pad_widths(pad)
    padded = F.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom))
    kernel = W.permute(3, 2, 0, 1).contiguous()  # some of PyTorch's kernels refuse a transposed one
    return F.conv2d(padded, kernel, b, stride=stride, groups=groups).permute(0, 2, 3, 1)


@over(cases(), EXAMPLES)
def test_agrees_with_loops(ops, case):
    agrees_with_loops(ops.conv, oracles.conv, oracles.conv_grad, case.arrays(), **case.options)


@over(cases(), EXAMPLES)
def test_agrees_with_differences(ops, case):
    agrees_with_differences(ops.conv, case.arrays(), **case.options)


@pytest.mark.oracle
@over(cases(), EXAMPLES)
def test_agrees_with_torch(ops, case):
    agrees_with_torch(ops.conv, torch_conv, case.arrays(), **case.options)


@over(cases(), EXAMPLES)
def test_keeps_dtype(ops, case):
    keeps_dtype(ops.conv, case.arrays(), **case.options)


def test_defaults_are_stride_1_no_padding_one_group(ops):
    arrays = EXAMPLES[0].arrays()
    agree(ops.conv.forward(*arrays)[0], oracles.conv(*arrays, stride=1, pad=0, groups=1))


def test_the_kernel_is_not_flipped(ops):
    """A kernel with a single 1 in its upper left corner copies the image."""
    x = np.arange(12.0).reshape(1, 3, 4, 1)
    W = np.array([[1.0, 0.0], [0.0, 0.0]]).reshape(2, 2, 1, 1)
    y, _ = ops.conv.forward(x, W, np.zeros(1))
    assert np.array_equal(y, x[:, :2, :3])


def test_groups_do_not_see_each_other(ops):
    x, W, b = EXAMPLES[3].arrays()
    y, _ = ops.conv.forward(x, W, b, groups=2)
    x[..., :2] += 1.0  # the first tower's channels
    changed = ops.conv.forward(x, W, b, groups=2)[0] != y
    assert changed[..., :3].all() and not changed[..., 3:].any()


@pytest.mark.parametrize("case", EXAMPLES, ids=str)
def test_need_dx_false_leaves_only_dx_out(ops, case):
    y, cache = ops.conv.forward(*case.arrays(), **case.options)
    dy = generator(1).standard_normal(y.shape)
    _, dW, db = ops.conv.backward(dy, cache)
    dx, same_dW, same_db = ops.conv.backward(dy, cache, need_dx=False)
    assert dx is None and np.array_equal(dW, same_dW) and np.array_equal(db, same_db)


def test_need_dx_false_saves_the_work(monkeypatch):
    conv = minialex.ops.reference.conv
    y, cache = conv.forward(*EXAMPLES[0].arrays())
    monkeypatch.setattr("minialex.ops.conv.col2im", lambda *args: pytest.fail("dx was computed"))
    assert conv.backward(y, cache, need_dx=False)[0] is None


def test_the_cache_does_not_keep_the_im2col_matrix():
    x, W, b = np.zeros((2, 20, 20, 4)), np.zeros((5, 5, 4, 3)), np.zeros(3)
    _, cache = minialex.ops.reference.conv.forward(x, W, b)
    assert len(pickle.dumps(cache)) < 2 * (x.nbytes + W.nbytes)


def test_what_does_not_fit_is_refused(ops):
    conv, x, W, b = ops.conv.forward, np.zeros((2, 5, 4, 6)), np.zeros((3, 2, 6, 4)), np.zeros(4)
    refuses(conv, x[0], W, b, words=[x[0].shape, "(N,H,W,C)"])
    refuses(conv, x, W[0], b, words=[W[0].shape, "(KH,KW,C/groups,OC)"])
    refuses(conv, x, W[:, :, :5], b, words=[(3, 2, 5, 4), W.shape])
    refuses(conv, x, W, b, groups=2, words=[W.shape, (3, 2, 3, 4)])
    refuses(conv, x, W, b[:3], words=["(3,)", "(4,)"])
    refuses(conv, x, W, b.reshape(1, 4), words=["(1, 4)", "(4,)"])
    refuses(conv, x, W[:, :, :1], b, groups=4, words=["groups is 4", 6])  # 6 channels in 4 parts
    refuses(conv, x, W[:, :, :2], b, groups=3, words=["groups is 3", 4])  # 4 maps in 3 parts
    refuses(conv, x, W, b, groups=0, words=["groups is 0"])
    refuses(conv, x, W, b, groups=-1, words=["groups is -1"])
    refuses(conv, x, W, b, pad=-1, words=["-1", "0 or more"])
    refuses(conv, x, W, b, pad=((0, 0), (-1, 2)), words=["-1", "0 or more"])
    refuses(conv, x, W, b, stride=0, words=["stride 0", "at least 1"])
    refuses(conv, x, W, b, stride=(1, -2), words=["stride -2", "at least 1"])
    refuses(conv, x, np.zeros((7, 2, 6, 4)), b, words=[7, 5])
    refuses(conv, x, np.zeros((7, 2, 6, 4)), b, pad=((1, 0), (3, 3)), words=[7, "5 + 1"])
    refuses(conv, x.astype("int64"), W, b, words=["int64", "floating-point"])
    refuses(conv, x.astype("float32"), W, b, words=["float32", "float64"])
    refuses(conv, x, W, b.astype("float32"), words=["float32", "float64"])
