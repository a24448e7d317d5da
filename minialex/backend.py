"""Which array library a run computes with: NumPy to check, CuPy to train. The only file that imports cupy.

An op never asks which of the two it has: `xp = xp_of(x)` follows its arrays. A program asks once, by
`get_backend`, which either returns a library that was seen to work or says in one line what is missing.
"""

import ctypes
import math
import sys
import textwrap
from collections.abc import Callable
from types import ModuleType

import numpy as np

from minialex.errors import UserError

TF32_CAPABILITY = 80  # that of the first GPUs that have it, 8.0


def get_backend(name: str, *, tf32: bool = False) -> ModuleType:
    """Return the array library called "numpy", "cupy", or "auto": CuPy where it works, NumPy otherwise.

    tf32: float32 matrix products round their factors to TF32's 10 bits of mantissa, which is several times as fast on
    a GPU, for the whole program. Without it they do not, whatever CUPY_TF32 says: a run's config alone tells.

    Raises UserError where the name is none of these, where TF32 cannot be had, or where CuPy is asked for and cannot be
    used: one line that tells which of package, driver, device and compiler is missing, and what to do about it.
    """
    if name == "numpy":
        xp = np
    elif name == "cupy":
        xp = _working_cupy()
    elif name == "auto":
        xp = _cupy_or_numpy()
    else:
        raise UserError(f'there is no backend "{name}": choose numpy, cupy or auto')
    _use_tf32(xp, tf32)
    return xp


def _cupy_or_numpy() -> ModuleType:
    try:
        return _working_cupy()
    except UserError:
        return np


def _use_tf32(xp: ModuleType, on: bool) -> None:
    capability = "0" if xp is np else xp.cuda.Device().compute_capability  # "90" for 9.0
    if on and int(capability) < TF32_CAPABILITY:
        has = f"compute capability {int(capability) / 10}" if int(capability) else "none"
        raise UserError(f"TF32 needs a GPU of compute capability 8.0 with CuPy; here is {has}: leave --tf32 out")
    if xp is not np:
        kinds = xp._core._routines_linalg
        xp._core.set_compute_type("float32", kinds.COMPUTE_TYPE_TF32 if on else kinds.COMPUTE_TYPE_FP32)


def xp_of(*arrays) -> ModuleType:
    """Return the library that all of `arrays` belong to; TypeError where they are mixed, or no arrays."""
    owners = [_owner(array) for array in arrays]
    if not owners:
        raise TypeError("xp_of needs at least one array")
    for owner in owners:
        if owner is not owners[0]:
            names = f"{owners[0].__name__} and {owner.__name__}"
            raise TypeError(f"arrays of {names} are mixed: move all of them to one")
    return owners[0]


def to_numpy(array) -> np.ndarray:
    """Return `array` itself if it is NumPy's, otherwise a copy of it in host memory."""
    xp = xp_of(array)
    return array if xp is np else xp.asnumpy(array)


def available_memory(xp: ModuleType) -> int | None:
    """Bytes of the device's memory that this program has or can get; None on the host, which may promise more."""
    if xp is np:
        return None
    pool = xp.get_default_memory_pool()  # what is in it is ours, used or not
    total = xp.cuda.runtime.memGetInfo()[0] + pool.total_bytes()
    return min(total, pool.get_limit() or total)  # a limit of 0 is none


def nccl_backend(xp: ModuleType, ranks):
    """CuPy's own communicator over NCCL, among MPI's `ranks`, each on its current device.

    Raises UserError where CuPy has no NCCL.
    """
    from cupy.cuda import nccl

    if not nccl.available:
        cuda = xp.cuda.runtime.runtimeGetVersion() // 1000
        raise UserError(f"several GPUs need NCCL, which CuPy does not find: pip install nvidia-nccl-cu{cuda}")
    from cupyx.distributed import NCCLBackend

    return NCCLBackend(ranks.size, ranks.rank, use_mpi=True)


class Uploader:
    """One batch of bytes after another on its way to a device, while the device computes.

    `host` and `send` may be called on a thread of their own, `received` on the consumer's; in turns. The copy goes from
    pinned memory, which alone can be copied without the processor's help, over a stream of its own. Two events keep
    apart what shares a buffer: the host's is not filled again before it was copied, and the device's not before the
    last work on it is done.
    """

    def __init__(self, xp: ModuleType, shape: tuple[int, ...]):
        """Buffers for uint8 arrays of `shape`, or of fewer along the first axis, on the current device of `xp`."""
        size = math.prod(shape)
        self._xp, self._device = xp, xp.cuda.Device()
        self._host = np.frombuffer(xp.cuda.alloc_pinned_memory(size), np.uint8, size).reshape(shape)
        self._array = xp.empty(shape, np.uint8)
        self._stream = xp.cuda.Stream(non_blocking=True)
        self._copied = self._stream.record()
        self._done = xp.cuda.get_current_stream().record()  # its memory may have belonged to an array still in use
        self._length = 0

    def host(self, length: int) -> np.ndarray:
        """Memory of the host, (length,...), to be filled and then sent."""
        self._copied.synchronize()
        self._length = length
        return self._host[:length]

    def send(self) -> None:
        """Begin to copy what `host` gave."""
        with self._device:  # a thread has a current device of its own
            self._stream.wait_event(self._done)
            self._array[: self._length].set(self._host[: self._length], stream=self._stream)
            self._copied = self._stream.record()

    def received(self, use: Callable):
        """Return use(array), where `array` is what was sent, on the device, and not to be kept."""
        stream = self._xp.cuda.get_current_stream()
        stream.wait_event(self._copied)
        try:
            return use(self._array[: self._length])
        finally:
            self._done = stream.record()

    def close(self) -> None:
        """Wait for a copy that is under way: its memory goes to others."""
        self._stream.synchronize()


def driver_version() -> tuple[int, int] | None:
    """The newest CUDA that the driver runs, as (13, 0), asked of the driver itself; None without one."""
    driver, number = cuda_driver(), ctypes.c_int()
    if driver is None or driver.cuDriverGetVersion(ctypes.byref(number)) != 0:
        return None
    return number.value // 1000, number.value % 1000 // 10


def cuda_driver() -> ctypes.CDLL | None:
    """The driver's own library, which is there whether or not CuPy is; None without a driver."""
    try:
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None


def _owner(array) -> ModuleType:
    if hasattr(array, "__array_namespace__"):  # the array API standard: NumPy >= 2 has it
        return array.__array_namespace__()
    if type(array).__module__.partition(".")[0] == "cupy":  # CuPy 14 lacks it
        return sys.modules["cupy"]
    raise TypeError(f"expected a NumPy or CuPy array, got {type(array).__name__}")


def _working_cupy() -> ModuleType:
    if sys.platform == "darwin":
        raise UserError("CuPy needs an NVIDIA GPU, which macOS does not support: use --backend numpy")
    driver = driver_version()
    cupy = _import_cupy(driver)
    _check_driver(cupy, driver)
    _check_device(cupy)
    _check_kernel(cupy, driver)
    return cupy


def _import_cupy(driver: tuple[int, int] | None) -> ModuleType:
    try:
        import cupy
    except ImportError as error:
        if error.name == "cupy":
            raise UserError(f"CuPy is not installed: {_how_to_install(driver)}") from error
        raise UserError(f"CuPy cannot be imported ({_brief(error)}): {_how_to_install(driver)}") from error
    return cupy


def _check_driver(cupy: ModuleType, driver: tuple[int, int] | None) -> None:
    built_for = cupy.cuda.runtime.runtimeGetVersion() // 1000
    if driver is None:
        raise UserError(f"CuPy finds no NVIDIA driver: {_how_to_install(driver)}")
    if driver[0] < built_for:  # the other way round is fine: a driver runs what was built for an older CUDA
        raise UserError(
            f"CuPy is built for CUDA {built_for} and the driver stops at CUDA {driver[0]}.{driver[1]}: "
            f"update the driver, or pip uninstall cupy-cuda{built_for}x and {_how_to_install(driver)}"
        )


def _check_device(cupy: ModuleType) -> None:
    try:
        count, why = cupy.cuda.runtime.getDeviceCount(), "it counts 0"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        count, why = 0, _brief(error)
    if count == 0:
        hint = "see nvidia-smi and CUDA_VISIBLE_DEVICES"
        raise UserError(f"CuPy finds a driver but no CUDA device ({why}): {hint}")


def _check_kernel(cupy: ModuleType, driver: tuple[int, int] | None) -> None:
    """One kernel and one matrix product: a device alone proves neither the compiler nor cuBLAS."""
    try:
        double = cupy.ElementwiseKernel("float32 x", "float32 y", "y = 2 * x", "minialex_probe")
        x = cupy.arange(4, dtype="float32").reshape(2, 2)
        y = cupy.asnumpy(double(x) @ x).tolist()
    except Exception as error:  # compiler, loader and driver each have their own error types
        what = f"CuPy cannot compile or run a kernel ({_brief(error)})"
        raise UserError(f"{what}: {_how_to_install(driver)}") from error
    if y != [[4, 6], [12, 22]]:
        raise UserError(f"CuPy computes wrongly on this device (a probe gave {y}): use --backend numpy")


def _how_to_install(driver: tuple[int, int] | None) -> str:
    """The extra that fits the driver, with CUDA's own libraries; or what to do about the driver first."""
    if driver is None:
        return "install NVIDIA's driver first, or use --backend numpy"
    if driver < (12, 0):
        return f"it needs CUDA 12 and the driver stops at {driver[0]}.{driver[1]}: update the driver"
    return f'pip install "minialex[cuda{min(driver[0], 13)}]"'


def _brief(error: BaseException) -> str:
    """What an error says, on one line: CuPy frames its import errors and compilers print whole listings."""
    cause = error.__cause__ or error
    return textwrap.shorten(str(cause) or type(cause).__name__, 160, placeholder=" ...")
