"""A training step on the table `fused`, on an emulated GPU: the step of NumPy, and nobody waits."""

import numpy as np
import pytest

from minialex import network
from minialex.kernels import fuse, fused
from minialex.layers import LRN, Conv, Dropout, Flatten, Linear, MaxPool, ReLU
from minialex.ops import reference
from minialex.rng import DROPOUT, INIT, generator

LAYERS = (
    Conv("conv1", 8, 5, stride=2, pad=1, sigma=None),
    ReLU(),
    LRN(alpha=0.1),
    MaxPool(),
    Conv("conv2", 12, 3, pad=1, groups=2, sigma=None),
    ReLU(),
    Flatten(),
    Linear("fc3", 6, sigma=None),
    ReLU(),
    Dropout(),
    Linear("fc4", 5, sigma=None),
)
INPUT = (19, 17, 3)


def step(layers, ops, params, x, t):
    """The loss and the gradients."""
    rng = generator(0, DROPOUT)
    logits, caches = network.forward(layers, params, x, state={}, train=True, rng=rng, ops=ops)
    loss, cache = ops.softmax_cross_entropy.forward(logits, t)
    dlogits = ops.softmax_cross_entropy.backward(1.0, cache)
    return {"loss": loss} | network.backward(layers, params, caches, dlogits, ops=ops)


@pytest.mark.parametrize("layers", [LAYERS, fuse(LAYERS)], ids=["layer by layer", "two in one"])
def test_is_numpys_and_waits_for_nothing(xp, layers):
    params, _ = network.init(LAYERS, INPUT, generator(0, INIT), xp=np)
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((3, *INPUT)).astype("float32"), np.array([4, 0, 2])
    wanted = step(LAYERS, reference, params, x, t)

    params_, x_, t_ = {name: xp.asarray(value) for name, value in params.items()}, xp.asarray(x), xp.asarray(t)
    uploads = len(xp.uploads)
    got = step(layers, fused, params_, x_, t_)
    assert [xp.uploads[uploads:], xp.downloads, xp.waits, xp.unordered] == [[]] * 4
    for name, value in wanted.items():
        np.testing.assert_allclose(got[name].get(), value, rtol=0, atol=1e-6 * np.abs(value).max(), err_msg=name)
