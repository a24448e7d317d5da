"""The kernels of softmax with cross-entropy: labels of no class, and nothing that is waited for."""

import numpy as np
import pytest

from minialex.kernels import fused


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
