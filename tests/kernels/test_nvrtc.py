"""Every kernel compiles for every generation of GPUs that CUDA 13 knows, in the types that a GPU trains in."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from minialex.kernels import launch
from tests.kernels.cases import CASES, LIMITS, run
from tests.kernels.nvrtc import ARCHITECTURES, CompileError, compile_for, missing
from tests.kernels.others import OTHERS, Other
from tests.strict_cupy import StandIn

KERNEL = re.compile(r"__global__ void (\w+)")
TYPICAL = {case.pair: case for case in reversed([*CASES.values(), *OTHERS.values()])}  # the first of each pair


@pytest.fixture(autouse=True)
def nvrtc():
    if missing():
        pytest.skip(missing())


def wanted_by(case, dtype):
    """{source: names of the kernels} that a case launches: on a stand-in where a launch does nothing."""
    xp, wanted = StandIn(), {}

    def RawModule(*, code, options):
        assert options == launch.OPTIONS
        names = wanted.setdefault(code, [])
        return SimpleNamespace(get_function=lambda name: names.append(name) or (lambda *launched: None))

    xp.RawModule = RawModule
    if isinstance(case, Other):
        case.run(dtype, xp)
    else:
        run(case, dtype, xp, case.arrays(dtype), np.zeros(case.y_shape(), dtype))
    return wanted


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("case", TYPICAL.values(), ids=TYPICAL.keys())
def test_compiles(case, dtype, architecture):
    for code, names in wanted_by(case, dtype).items():
        binary = compile_for(architecture, code)
        assert names and all(name.encode() in binary for name in names)


def test_every_kernel_is_compiled_here():
    launched = {name for case in TYPICAL.values() for names in wanted_by(case, "float32").values() for name in names}
    written = [KERNEL.findall(path.read_text(encoding="utf-8")) for path in launch.FOLDER.glob("*.cu")]
    assert launched == {name for names in written for name in names}


def test_a_source_that_does_not_compile():
    with pytest.raises(CompileError, match="INFINITY"):
        compile_for(90, 'extern "C" __global__ void k(float *y) { *y = INFINITY; }')
