"""From a .cu file beside this one to a kernel that runs, compiled when it is first wanted and for the type wanted."""

import re
from functools import cache
from pathlib import Path
from types import ModuleType

from minialex.backend import xp_of
from minialex.ops.checks import sums_type

FOLDER = Path(__file__).parent
INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)
THREADS = 256  # in a block of every kernel, where they know it as a constant
VECTOR = 16  # bytes that a thread can fetch at once, from a multiple of as many
OPTIONS = ("--std=c++17",)
# What arrays of a type hold, and what their sums are kept in.
TYPES = {
    "float16": ("__half", "float"),
    "float32": ("float", "float"),
    "float64": ("double", "double"),
    "bool": ("bool", "float"),
}


def launch(file: str, kernel: str, grid, args: tuple, **constants: int) -> None:
    """Run `kernel` of `file`.cu in blocks of THREADS threads.

    grid       number of blocks, or (x, y) numbers; a grid without blocks is no error and does nothing
    args       what the kernel's signature has: arrays, C-contiguous, the first of the element type T; a Python int
               becomes an int, a Python float becomes T's type of sums, ACC; anything else is a NumPy scalar already
    constants  what the source leaves open besides T, ACC and THREADS: each value is compiled for itself
    """
    grid = (grid,) if isinstance(grid, int) else grid
    xp, dtype = xp_of(args[0]), args[0].dtype.name
    if min(grid) > 0:
        function = _compiled(xp, file, kernel, dtype, tuple(constants.items()))
        function(grid, (THREADS,), tuple(_argument(xp, value, dtype) for value in args))


def vector(channels: int, *arrays) -> int:
    """How many neighbouring channels make the 16 bytes that a thread fetches at once.

    It is 1 where they do not divide the channels, or where one of the arrays, a view, does not begin at such 16 bytes.
    """
    count = VECTOR // arrays[0].dtype.itemsize
    return count if channels % count == 0 and all(array.data.ptr % VECTOR == 0 for array in arrays) else 1


def source(file: str, dtype: str, constants: dict[str, int]) -> str:
    """`file`.cu for elements of `dtype`, with what it includes from this folder, behind the names that it leaves open.

    It is all in one text, for CuPy, which keeps what it compiled, would not see that an included file has changed. The
    names are no macros of the compiler's options: a T or N would reach into NVIDIA's headers too.
    """
    element, accumulator = TYPES[dtype]
    opening = ["#include <cuda_fp16.h>", f"typedef {element} T;", f"typedef {accumulator} ACC;"]
    opening += [f"constexpr int {name} = {value};" for name, value in {"THREADS": THREADS, **constants}.items()]
    code = INCLUDE.sub(lambda found: _text(found[1]), _text(f"{file}.cu"))
    return "\n".join([*opening, code])


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _argument(xp: ModuleType, value, dtype: str):
    """CuPy would hand a Python number over in eight bytes, whatever the kernel takes."""
    if isinstance(value, int):
        return xp.int32(value)
    if isinstance(value, float):
        return getattr(xp, sums_type(dtype))(value)
    return value


@cache  # CuPy keeps what it compiled, on disk too; this saves its look-up on every launch
def _compiled(xp: ModuleType, file: str, kernel: str, dtype: str, constants: tuple):
    if not hasattr(xp, "RawModule"):
        raise TypeError(f"the kernels in {file}.cu need CuPy's arrays, got those of {xp.__name__}")
    return xp.RawModule(code=source(file, dtype, dict(constants)), options=OPTIONS).get_function(kernel)
