from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st

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
    shape: tuple  # (N,H,W,C)
    n: int = 5
    k: float = 2.0
    alpha: float = 1.0
    beta: float = 0.75
    groups: int = 1

    def x(self):
        """Of size 1/sqrt(alpha), so that alpha x^2 is about 1 and every term of the gradient shows."""
        return generator().standard_normal(self.shape) / self.alpha**0.5

    @property
    def options(self):
        return {"n": self.n, "k": self.k, "alpha": self.alpha, "beta": self.beta, "groups": self.groups}


EXAMPLES = [
    Case((2, 3, 4, 8)),
    Case((1, 2, 3, 12), n=3, k=1.0),
    Case((2, 3, 2, 10), n=7, alpha=1e-4),
    Case((2, 2, 3, 13), n=9, k=1.0, alpha=1e-4, beta=0.5),
    Case((3, 1, 2, 3), n=9),  # fewer channels than the window
    Case((2, 2, 3, 2), n=5),  # no more channels than half the window
    Case((2, 3, 2, 8), n=3, groups=2),
    Case((2, 3, 2, 12), n=5, alpha=1e-4, groups=2),
    Case((1, 2, 3, 12), n=7, groups=4, beta=1.0),  # groups of fewer channels than the window
    Case((2, 2, 2, 4), n=3, groups=4),  # each channel alone
    Case((2, 3, 2, 5), n=1),
]


@st.composite
def cases(draw):
    few, groups = st.integers(1, 4), draw(st.sampled_from([1, 2, 4]))
    shape = (draw(few), draw(few), draw(few), groups * draw(st.integers(1, 12 // groups)))
    n, k = draw(st.sampled_from([1, 3, 5, 7, 9])), draw(st.sampled_from([1.0, 2.0]))
    alpha, beta = draw(st.sampled_from([1e-4, 1.0])), draw(st.sampled_from([0.5, 0.75, 1.0]))
    return Case(shape, n, k, alpha, beta, groups)


def torch_lrn(x, *, n, k, alpha, beta, groups):
    """PyTorch divides alpha by n, and has no groups."""
    import torch

    towers = x.permute(0, 3, 1, 2).chunk(groups, dim=1)
    normal = torch.nn.LocalResponseNorm(n, alpha=alpha * n, beta=beta, k=k)
    return torch.cat([normal(tower) for tower in towers], dim=1).permute(0, 2, 3, 1)


@over(cases(), EXAMPLES)
def test_agrees_with_loops(ops, case):
    agrees_with_loops(ops.lrn, oracles.lrn, oracles.lrn_grad, [case.x()], **case.options)


@over(cases(), EXAMPLES)
def test_agrees_with_differences(ops, case):
    agrees_with_differences(ops.lrn, [case.x()], **case.options)


@pytest.mark.oracle
@over(cases(), EXAMPLES)
def test_agrees_with_torch(ops, case):
    agrees_with_torch(ops.lrn, torch_lrn, [case.x()], **case.options)


@over(cases(), EXAMPLES)
def test_keeps_dtype(ops, case):
    keeps_dtype(ops.lrn, [case.x()], **case.options)


def test_defaults_are_the_constants_of_the_paper(ops):
    x = 100 * generator().standard_normal((2, 3, 4, 11))
    y, cache = ops.lrn.forward(x)
    constants = {"n": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75}
    agree(y, oracles.lrn(x, **constants))
    dy = generator(1).standard_normal(y.shape)
    agree(ops.lrn.backward(dy, cache), oracles.lrn_grad(dy, x, **constants))


def test_by_hand(ops):
    """Ones in three maps: 2, 3 and 2 of them in a window of 3. alpha multiplies the sum, not the mean."""
    y, _ = ops.lrn.forward(np.ones((1, 1, 1, 3)), n=3, k=1.0, alpha=1.0, beta=1.0)
    agree(y.ravel(), [1 / 3, 1 / 4, 1 / 3])


def test_groups_do_not_see_each_other(ops):
    x = generator().standard_normal((2, 3, 4, 8))
    y, _ = ops.lrn.forward(x, alpha=1.0, groups=2)
    x[..., 3] += 1.0  # the first tower's last map
    changed = ops.lrn.forward(x, alpha=1.0, groups=2)[0] != y
    assert changed[..., 1:4].all() and not changed[..., 4:].any()


def test_pixels_do_not_see_each_other(ops):
    x = generator().standard_normal((2, 3, 4, 3))
    y, _ = ops.lrn.forward(x, n=9, alpha=1.0)
    x[1, 1, 2] += 1.0
    changed = (ops.lrn.forward(x, n=9, alpha=1.0)[0] != y).any(axis=3)
    assert np.argwhere(changed).tolist() == [[1, 1, 2]]


def test_what_does_not_fit_is_refused(ops):
    lrn, x = ops.lrn.forward, np.ones((2, 3, 4, 6))
    refuses(lrn, x[0], words=[x[0].shape, "(N,H,W,C)"])
    refuses(lrn, x.astype("int64"), words=["int64", "floating-point"])
    refuses(lrn, x, n=4, words=["n is 4", "odd"])
    refuses(lrn, x, n=0, words=["n is 0", "odd"])
    refuses(lrn, x, n=-3, words=["n is -3", "odd"])
    refuses(lrn, x, k=0.0, words=["k is 0.0", "above 0"])
    refuses(lrn, x, k=-1.0, words=["k is -1.0", "above 0"])
    refuses(lrn, x, groups=4, words=["groups is 4", 6])
    refuses(lrn, x, groups=0, words=["groups is 0"])
