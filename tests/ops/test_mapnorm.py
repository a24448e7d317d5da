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
    size: int = 5
    k: float = 1.0
    alpha: float = 1.0
    beta: float = 0.75

    def x(self):
        """Of size 1/sqrt(alpha), so that alpha x^2 is about 1 and every term of the gradient shows."""
        return generator().standard_normal(self.shape) / self.alpha**0.5

    @property
    def options(self):
        return {"size": self.size, "k": self.k, "alpha": self.alpha, "beta": self.beta}


EXAMPLES = [
    Case((2, 6, 7, 3)),
    Case((1, 7, 5, 2), size=3, k=2.0),
    Case((2, 3, 8, 2), alpha=1e-3 / 25),  # fewer rows than the window
    Case((1, 6, 2, 3), size=7, alpha=1e-4, beta=0.5),  # a window wider than the map on both sides
    Case((2, 4, 3, 1), size=9, beta=1.0),
    Case((2, 4, 3, 2), size=1),
]


@st.composite
def cases(draw):
    few, side = st.integers(1, 3), st.integers(1, 7)
    shape = (draw(few), draw(side), draw(side), draw(few))
    size, k = draw(st.sampled_from([1, 3, 5, 7, 9])), draw(st.sampled_from([1.0, 2.0]))
    return Case(shape, size, k, draw(st.sampled_from([1e-4, 1.0])), draw(st.sampled_from([0.5, 0.75, 1.0])))


def torch_mapnorm(x, *, size, k, alpha, beta):
    """The sum of a window is torch's average over it and its padding, times size squared."""
    import torch.nn.functional as F

    squares = (x * x).permute(0, 3, 1, 2)
    averages = F.avg_pool2d(F.pad(squares, [size // 2] * 4), size, stride=1)
    return x / (k + alpha * size**2 * averages.permute(0, 2, 3, 1)) ** beta


@over(cases(), EXAMPLES)
def test_agrees_with_loops(ops, case):
    agrees_with_loops(ops.mapnorm, oracles.mapnorm, oracles.mapnorm_grad, [case.x()], **case.options)


@over(cases(), EXAMPLES)
def test_agrees_with_differences(ops, case):
    agrees_with_differences(ops.mapnorm, [case.x()], **case.options)


@pytest.mark.oracle
@over(cases(), EXAMPLES)
def test_agrees_with_torch(ops, case):
    agrees_with_torch(ops.mapnorm, torch_mapnorm, [case.x()], **case.options)


@over(cases(), EXAMPLES)
def test_keeps_dtype(ops, case):
    keeps_dtype(ops.mapnorm, [case.x()], **case.options)


def test_defaults_are_the_constants_of_the_authors_code(ops):
    x = 100 * generator().standard_normal((2, 6, 7, 2))
    y, cache = ops.mapnorm.forward(x)
    constants = {"size": 5, "k": 1.0, "alpha": 0.001 / 25, "beta": 0.75}
    agree(y, oracles.mapnorm(x, **constants))
    dy = generator(1).standard_normal(y.shape)
    agree(ops.mapnorm.backward(dy, cache), oracles.mapnorm_grad(dy, x, **constants))


def test_by_hand(ops):
    """Ones in a 3x3 map: 4 pixels around a corner, 6 around an edge, 9 around the centre."""
    y, _ = ops.mapnorm.forward(np.ones((1, 3, 3, 1)), size=3, k=1.0, alpha=1.0, beta=1.0)
    agree(1 / y.reshape(3, 3) - 1, [[4, 6, 4], [6, 9, 6], [4, 6, 4]])


def test_maps_and_images_do_not_see_each_other(ops):
    x = generator().standard_normal((2, 3, 4, 3))
    y, _ = ops.mapnorm.forward(x, alpha=1.0)
    x[1, 1, 2, 0] += 1.0
    changed = ops.mapnorm.forward(x, alpha=1.0)[0] != y
    assert changed[1, :, :, 0].all() and changed.sum() == 12


def test_what_does_not_fit_is_refused(ops):
    mapnorm, x = ops.mapnorm.forward, np.ones((2, 3, 4, 6))
    refuses(mapnorm, x[0], words=[x[0].shape, "(N,H,W,C)"])
    refuses(mapnorm, x.astype("int64"), words=["int64", "floating-point"])
    refuses(mapnorm, x, size=4, words=["size is 4", "odd"])
    refuses(mapnorm, x, size=0, words=["size is 0", "odd"])
    refuses(mapnorm, x, size=-3, words=["size is -3", "odd"])
    refuses(mapnorm, x, k=0.0, words=["k is 0.0", "above 0"])
