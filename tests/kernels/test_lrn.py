"""The kernels of local response normalisation: what a block cannot hold."""

import pytest

from minialex.kernels import fused


def test_more_channels_than_a_block_holds_are_refused(xp):
    with pytest.raises(ValueError, match="1025 channels in a group.*1024"):
        fused.lrn.forward(xp.zeros((1, 1, 1, 1025), "float32"))
