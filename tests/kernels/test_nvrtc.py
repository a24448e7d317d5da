"""Every kernel compiles for every generation of GPUs that CUDA 13 knows, in the types that a GPU trains in."""

from types import SimpleNamespace

import numpy as np
import pytest

from minialex.kernels import launch
from tests.kernels.cases import CASES, LIMITS, run
from tests.kernels.nvrtc import ARCHITECTURES, CompileError, compile_for, missing
from tests.strict_cupy import StandIn

TYPICAL = {case.pair: case for case in reversed(CASES.values())}  # the first of each pair


@pytest.fixture(autouse=True)
def nvrtc():
    if missing():
        pytest.skip(missing())


def wanted_by(case, dtype):
    """{source: names of the kernels} that a pair launches: on a stand-in where a launch does nothing."""
    xp, wanted = StandIn(), {}

    def RawModule(*, code, options):
        assert options == launch.OPTIONS
        names = wanted.setdefault(code, [])
        return SimpleNamespace(get_function=lambda name: names.append(name) or (lambda *launched: None))

    xp.RawModule = RawModule
    run(case, dtype, xp, case.arrays(dtype), np.zeros(case.y_shape(), dtype))
    return wanted


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("case", TYPICAL.values(), ids=TYPICAL.keys())
def test_compiles(case, dtype, architecture):
    for code, names in wanted_by(case, dtype).items():
        binary = compile_for(architecture, code)
        assert names and all(name.encode() in binary for name in names)


def test_every_source_is_compiled_here():
    compiled = "".join(code for case in TYPICAL.values() for code in wanted_by(case, "float32"))
    assert all(path.read_text(encoding="utf-8") in compiled for path in launch.FOLDER.glob("*.cu"))


def test_a_source_that_does_not_compile():
    with pytest.raises(CompileError, match="INFINITY"):
        compile_for(90, 'extern "C" __global__ void k(float *y) { *y = INFINITY; }')
