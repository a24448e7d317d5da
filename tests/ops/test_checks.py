"""The checks that the pairs share: what fits passes in silence, what does not is named with what is needed."""

import numpy as np
import pytest

from minialex.ops.checks import require, require_float, require_images, require_shape

F32, F64 = np.ones((2, 3), np.float32), np.ones((2, 3))


def test_what_fits_passes():
    require(True, "never said")
    require_float("op", x=F64, W=F64)
    require_shape("op", "b", [3], (3,), "one a map")
    require_images("op", np.ones((1, 2, 2, 3)))


@pytest.mark.parametrize("arrays", [{"x": F32, "W": F64}, {"x": np.ones(3, int)}, {"x": F64, "t": np.ones(3, int)}])
def test_arrays_of_several_types_or_of_integers_are_refused(arrays):
    with pytest.raises(ValueError, match="op needs arrays of one floating-point type") as refused:
        require_float("op", **arrays)
    for name, array in arrays.items():
        assert f"'{name}': '{array.dtype}'" in str(refused.value)


def test_a_shape_is_refused_with_what_it_is_and_what_it_needs():
    with pytest.raises(ValueError, match=r"op: b has shape \(2,\), it needs \(3,\) \(one a map\)"):
        require_shape("op", "b", (2,), (3,), "one a map")


def test_images_need_four_axes():
    with pytest.raises(ValueError, match=r"op: x has shape \(2, 3\), it needs four axes"):
        require_images("op", F64)


def test_the_message_is_the_one_given():
    with pytest.raises(ValueError, match="^said$"):
        require(False, "said")
