"""What the emulated GPU refuses: every launch that CUDA would refuse, or would let pass and get wrong."""

import numpy as np
import pytest

from tests.emulation.raw_module import LaunchError

SOURCE = """
#include <cuda_fp16.h>
extern "C" __global__ void twice(const float *x, float *y, int n, float factor)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = factor * x[i];
}
extern "C" __global__ void spoils(const float *x) { ((float *)x)[threadIdx.x] += 1; }
extern "C" __global__ void last_wins(int *y) { y[0] = threadIdx.x; }
extern "C" __global__ void blocks_meet(float *y) { y[0] = 3 * y[0] + blockIdx.x; }
extern "C" __global__ void halted(float *y)
{
    if (threadIdx.x == 0)
        return;
    __syncthreads();
}
extern "C" __global__ void empty_shared(float *y)
{
    __shared__ float s[32];
    y[threadIdx.x] = s[threadIdx.x];
    s[threadIdx.x] = 1;
}
extern "C" __global__ void sum(const float *x, float *y)
{
    __shared__ float warps[32];
    float s = x[threadIdx.x];
    for (int d = 16; d > 0; d /= 2)
        s += __shfl_down_sync(0xffffffff, s, d);
    if (threadIdx.x % 32 == 0)
        warps[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x < 32) {
        s = threadIdx.x < blockDim.x / 32 ? warps[threadIdx.x] : 0;
        for (int d = 16; d > 0; d /= 2)
            s += __shfl_xor_sync(0xffffffff, s, d);
        if (threadIdx.x == 0)
            y[0] = s;
    }
}
extern "C" __global__ void places(int *y)
{
    int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    y[block * blockDim.x * blockDim.y * blockDim.z + thread] = 100 * block + thread;
}
"""


@pytest.fixture
def kernel(xp):
    module = xp.RawModule(code=SOURCE, options=("-DT=float",))
    return module.get_function


@pytest.fixture
def twice(xp, kernel):
    """A launch that is right, and whose parts can be replaced."""

    def call(grid=(2,), block=(4,), **replaced):
        args = {"x": xp.arange(7, dtype="float32"), "y": xp.empty(7, "float32"), "n": np.int32(7), "f": np.float32(2)}
        args |= replaced
        kernel("twice")(grid, block, tuple(args.values()))
        return args["y"].get()

    return call


def test_a_launch_that_is_right(twice):
    assert twice().tolist() == [0, 2, 4, 6, 8, 10, 12]


def test_what_is_not_written_is_nan(twice):
    assert np.isnan(twice(grid=(1,))[4:]).all()


WRONG = {
    "another type": (lambda xp: {"x": xp.zeros(7)}, "x is an array of float64, the kernel takes float32"),
    "NumPy's array": (lambda xp: {"x": np.zeros(7, "float32")}, "x is a ndarray, not an array of CuPy's"),
    "another device": (lambda xp: {"x": type(xp)().zeros(7, "float32")}, "x is on another device"),
    "not contiguous": (lambda xp: {"x": xp.zeros(14, "float32")[::2]}, "x is not contiguous"),
    "None": (lambda xp: {"y": None}, "y is a NoneType"),
    "a Python float": (lambda xp: {"f": 2.0}, "factor is a float: CuPy guesses its size"),
    "a Python int": (lambda xp: {"n": 7}, "n is a int: CuPy guesses its size"),
    "a wider int": (lambda xp: {"n": np.int64(7)}, "n is int64, the kernel takes int32"),
    "a float of another size": (lambda xp: {"f": np.float64(2)}, "factor is float64, the kernel takes float32"),
    "one argument more": (lambda xp: {"more": np.int32(1)}, "5 arguments for 4 parameters"),
    "no block": (lambda xp: {"grid": (0,)}, r"grid is \(0, 1, 1\)"),
    "a grid too wide": (lambda xp: {"grid": (1, 65536)}, r"grid is \(1, 65536, 1\)"),
    "a grid that is no tuple": (lambda xp: {"grid": 2}, "it needs 1 to 3 ints"),
    "a grid of floats": (lambda xp: {"grid": (2.0,)}, "the limits are"),
    "a block too large": (lambda xp: {"block": (32, 64)}, r"a block of \(32, 64, 1\) threads, 1024 at most"),
    "a block too deep": (lambda xp: {"block": (1, 1, 65)}, r"block is \(1, 1, 65\)"),
}


@pytest.mark.parametrize("replaced, message", WRONG.values(), ids=WRONG.keys())
def test_a_launch_that_is_wrong(xp, twice, replaced, message):
    with pytest.raises(LaunchError, match=f"twice: .*{message}"):
        twice(**replaced(xp))


FAULTS = {
    "spoils": "x is const and was changed",
    "last_wins": "y depends on the order of threads",
    "blocks_meet": "y depends on the order of threads",
    "halted": "a barrier is not reached by all threads",
}


@pytest.mark.parametrize("name, message", FAULTS.items())
def test_a_kernel_that_is_wrong(xp, kernel, name, message):
    array = xp.zeros(8, xp.int32 if name == "last_wins" else xp.float32)
    with pytest.raises(LaunchError, match=f"{name}: .*{message}"):
        kernel(name)((2,), (8,), (array,))


def test_an_array_that_begins_where_no_thread_can_fetch_16_bytes(xp):
    code, x = "constexpr int V = 4;\n" + SOURCE, xp.zeros(9, "float32")
    kernel = xp.RawModule(code=code).get_function("spoils")
    with pytest.raises(LaunchError, match="spoils: x begins at no multiple of 16 bytes"):
        kernel((1,), (8,), (x[1:],))


def test_shared_memory_holds_nothing_at_first(xp, kernel):
    y = xp.zeros(32, xp.float32)
    kernel("empty_shared")((3,), (32,), (y,))
    assert np.isnan(y.get()).all()


@pytest.mark.parametrize("threads", [32, 96, 1024])
def test_a_sum_by_shuffles(xp, kernel, threads):
    x, y = xp.arange(threads, dtype="float32"), xp.empty(1, "float32")
    kernel("sum")((1,), (threads,), (x, y))
    assert y.item() == threads * (threads - 1) / 2


def test_blocks_and_threads_have_three_axes(xp, kernel):
    y = xp.empty(24 * 30, xp.int32)
    kernel("places")((2, 3, 4), (5, 3, 2), (y,))
    assert y.get().reshape(24, 30).tolist() == [[100 * b + t for t in range(30)] for b in range(24)]


def test_too_much_shared_memory(xp):
    code = SOURCE.replace("float s[32]", "float s[12 * 1024]")
    with pytest.raises(LaunchError, match="49280 bytes of shared memory, 49152 at most"):
        xp.RawModule(code=code, options=()).get_function("sum")


def test_a_source_that_does_not_compile(xp):
    with pytest.raises(LaunchError, match="g.. refuses the source"):
        xp.RawModule(code=SOURCE.replace("int i =", "int i ="[:-2]), options=()).get_function("sum")
