"""From a .cu file to a kernel that runs: on CuPy's arrays alone, compiled once."""

import numpy as np
import pytest

from minialex.kernels import fused, launch


def test_numpys_arrays_are_refused():
    with pytest.raises(TypeError, match="lrn.cu need CuPy's arrays, got those of numpy"):
        fused.lrn.forward(np.zeros((1, 2, 2, 3), "float32"))


def test_a_kernel_is_compiled_once(xp):
    made, RawModule = [], xp.RawModule
    xp.RawModule = lambda **arguments: made.append(arguments["code"]) or RawModule(**arguments)
    for _ in range(3):
        fused.lrn.forward(xp.zeros((1, 1, 2, 8), "float32"))
    assert made == [launch.source("lrn", "float32", {"N": 5})]


def test_what_a_source_includes_from_the_folder_is_put_in():
    """CuPy keeps what it compiled by its text alone."""
    code = launch.source("lrn", "float32", {"N": 5})
    assert '#include "' not in code and code.index("ACC window_sum(") < code.index("lrn_forward")
