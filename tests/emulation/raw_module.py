"""cupy.RawModule for the strict stand-in: g++ compiles the source against cuda_on_host.h, and launches are checked.

A launch fails where CUDA's would, and where CUDA's would go wrong in silence: an argument that is not what the
signature says, an array that is not contiguous, or does not begin where a thread can fetch V numbers at once, a grid or
block past the limits. It runs twice, the threads first to
last and last to first; both must leave the same bits, or the result hangs on who comes first. What a kernel
promises not to change (const) must not change.

MINIALEX_SANITIZE=1 compiles with AddressSanitizer, for a process that has it preloaded.
"""

import atexit
import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
MAX_GRID, MAX_BLOCK, MAX_THREADS = (2**31 - 1, 65535, 65535), (1024, 1024, 64), 1024
MAX_SHARED = 48 * 1024  # bytes of static shared memory
SANITIZE = ["-g1", "-fsanitize=address,alignment", "-fno-sanitize-recover=all", "-fsanitize-sections=shared"]
SIGNATURE = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')
VECTORS = re.compile(r"constexpr int V = (?!1;)")  # a thread fetches 16 bytes at once
TYPEDEF = re.compile(r"typedef ([\w ]+) (\w+);")
TYPES = {
    "float": "float32",
    "double": "float64",
    "__half": "float16",
    "int": "int32",
    "unsigned": "uint32",
    "long long": "int64",
    "unsigned long long": "uint64",
    "unsigned char": "uint8",
    "unsigned short": "uint16",
    "bool": "bool",
}


def missing() -> str | None:
    """Why kernels cannot be emulated here; None where they can."""
    if not sys.platform.startswith("linux"):
        return "kernels are emulated on Linux alone"
    return None if shutil.which("g++") else "g++, which emulates kernels, is not installed"


class RawModule:
    """A source and its options; compiled when a function is asked for."""

    def __init__(self, xp, *, code, options=()):
        self.xp, self.code, self.options = xp, code, tuple(options)

    def get_function(self, name):
        typedefs = {alias: kind for kind, alias in TYPEDEF.findall(self.code)}
        parameters = parse(dict(SIGNATURE.findall(self.code))[name], typedefs)
        alignment = 16 if VECTORS.search(self.code) else 1
        return RawKernel(self.xp, name, parameters, compiled(self.code, self.options), alignment)


class RawKernel:
    """A kernel that is called with (grid, block, args), as CuPy's is."""

    def __init__(self, xp, name, parameters, library, alignment):
        self.xp, self.name, self.parameters, self.alignment = xp, name, parameters, alignment
        self.function = library[f"run_{name}"]

    def __call__(self, grid, block, args):
        grid, block = self.sizes("grid", grid, MAX_GRID), self.sizes("block", block, MAX_BLOCK)
        self.require(np.prod(block) <= MAX_THREADS, f"a block of {block} threads, {MAX_THREADS} at most")
        self.require(len(args) == len(self.parameters), f"{len(args)} arguments for {len(self.parameters)} parameters")
        for value, parameter in zip(args, self.parameters, strict=True):
            self.check(value, *parameter)
        arrays = [value.a for value in args if isinstance(value, self.xp.ndarray)]
        before = [array.copy() for array in arrays]
        self.run(grid, block, args, reversed_=False)
        after = [array.copy() for array in arrays]
        for array, saved in zip(arrays, before, strict=True):
            array[...] = saved
        self.run(grid, block, args, reversed_=True)
        self.xp.note(self.name)
        pointers = [parameter for parameter in self.parameters if parameter[2]]
        for array, one, old, (name, _, _, const) in zip(arrays, after, before, pointers, strict=True):
            self.require(array.tobytes() == one.tobytes(), f"{name} depends on the order of threads: no barrier")
            self.require(not const or array.tobytes() == old.tobytes(), f"{name} is const and was changed")

    def run(self, grid, block, args, reversed_):
        cells = [np.array(a.a.ctypes.data if isinstance(a, self.xp.ndarray) else a) for a in args]
        pointers = (ctypes.c_void_p * len(cells))(*(cell.ctypes.data for cell in cells))
        failed = self.function((ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block), pointers, reversed_)
        self.require(not failed, "a barrier is not reached by all threads")

    def sizes(self, what, sizes, limits):
        self.require(isinstance(sizes, tuple) and 1 <= len(sizes) <= 3, f"{what} is {sizes}, it needs 1 to 3 ints")
        sizes = sizes + (1,) * (3 - len(sizes))
        for size, limit in zip(sizes, limits, strict=True):
            self.require(isinstance(size, int) and 1 <= size <= limit, f"{what} is {sizes}, the limits are {limits}")
        return sizes

    def check(self, value, name, dtype, pointer, const):
        if not pointer:
            self.require(isinstance(value, np.generic), f"{name} is a {type(value).__name__}: CuPy guesses its size")
            self.require(value.dtype == dtype, f"{name} is {value.dtype}, the kernel takes {dtype}")
            return
        self.require(isinstance(value, self.xp.ndarray), f"{name} is a {type(value).__name__}, not an array of CuPy's")
        self.require(value.xp is self.xp, f"{name} is on another device")
        self.require(value.dtype == dtype, f"{name} is an array of {value.dtype}, the kernel takes {dtype}")
        self.require(value.flags.c_contiguous, f"{name} is not contiguous")
        self.require(value.data.ptr % self.alignment == 0, f"{name} begins at no multiple of {self.alignment} bytes")

    def require(self, condition, message):
        if not condition:
            raise LaunchError(f"{self.name}: {message}")


class LaunchError(Exception):
    """What CUDA reports, or would not even notice."""


def parse(parameters, typedefs):
    """[(name, dtype, is it a pointer, is it const)] of a signature such as "const T *x, int n"."""
    found = []
    for parameter in parameters.split(","):
        const, kind, star, name = re.fullmatch(r"\s*(const )?\s*([\w ]+?)\s*(\*?)\s*(\w+)\s*", parameter).groups()
        found.append((name, np.dtype(TYPES[typedefs.get(kind, kind)]), bool(star), bool(const)))
    return found


@cache
def compiled(code, options):
    """The source as a shared library, with a run_NAME for each kernel."""
    entries = "\n".join(f"RUN_ON_HOST({name})" for name, _ in SIGNATURE.findall(code))
    source = folder() / (hashlib.sha256(repr((code, options)).encode()).hexdigest()[:16] + ".cpp")
    source.write_text(f"{code}\n{entries}\n", encoding="utf-8")
    library = source.with_suffix(".so")
    flags = [f"-DBARRIERS={int('__sync' in code or '_sync(' in code)}"]
    flags += SANITIZE if os.environ.get("MINIALEX_SANITIZE") else []
    command = ["g++", "-std=c++17", "-O1", "-w", "-shared", "-fPIC", *flags, f"-I{HERE}", *options]
    unwatched = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run([*command, str(source), "-o", str(library)], capture_output=True, text=True, env=unwatched)
    if done.returncode != 0:
        raise LaunchError(f"g++ refuses the source:\n{done.stderr}")
    library = ctypes.CDLL(str(library))
    if library.shared_bytes() > MAX_SHARED:
        raise LaunchError(f"{library.shared_bytes()} bytes of shared memory, {MAX_SHARED} at most")
    return library


@cache
def folder():
    path = Path(tempfile.mkdtemp(prefix="minialex-kernels-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path
