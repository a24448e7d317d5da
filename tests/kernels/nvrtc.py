"""NVIDIA's run-time compiler, which needs no GPU: the one that CuPy uses, from the wheels that CuPy uses."""

import ctypes
import importlib.util
from functools import cache
from pathlib import Path

from minialex.kernels.launch import OPTIONS

ARCHITECTURES = (75, 80, 90, 100, 120)  # Turing, Ampere, Hopper, Blackwell of the data centre, and of the desk
WHEELS = "pip install -e '.[nvrtc]'"

CUPYS = ("-ftz=true", "--device-as-default-execution-space")  # what CuPy adds


def find(pattern):
    """A file of NVIDIA's wheels; None where there is none."""
    spec = importlib.util.find_spec("nvidia")
    folders = spec.submodule_search_locations if spec else []
    return next((path for folder in folders for path in sorted(Path(folder).glob(pattern))), None)


def missing() -> str | None:
    """Why nothing can be compiled here; None where it can."""
    found = find("**/libnvrtc.so.1?") and find("**/cuda_fp16.h")
    return None if found else f"NVIDIA's compiler is not installed: {WHEELS}"


@cache
def library():
    ctypes.CDLL(str(find("**/libnvrtc-builtins.so.1?.*")))  # it looks for them by name, not beside itself
    return ctypes.CDLL(str(find("**/libnvrtc.so.1?")))


def compile_for(architecture: int, code: str) -> bytes:
    """The machine code for one generation of GPUs; CompileError with the compiler's listing where it refuses."""
    nvrtc, program = library(), ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernel.cu", 0, None, None)
    options = [*OPTIONS, *CUPYS, f"-arch=sm_{architecture}", f"-I{find('**/cuda_fp16.h').parent}"]
    try:
        texts = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        if nvrtc.nvrtcCompileProgram(program, len(options), texts) != 0:
            raise CompileError(text_of(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program).decode())
        return text_of(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def text_of(get_size, get, program):
    size = ctypes.c_size_t()
    get_size(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    get(program, text)
    return text.raw


class CompileError(Exception):
    """The compiler's listing."""
