"""What this machine has: the table of `python -m minialex doctor`, fit for pasting into a bug report."""

import ctypes
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minialex import __version__, backend
from minialex.errors import UserError

GIB = 2**30
CAPABILITY = (75, 76)  # the attributes of a device that tell its compute capability, as the driver numbers them


def report() -> str:
    """The table, a line for each thing found out; what cannot be found out says why, and no more."""
    rows = [(title, answer) for title, ask in QUESTIONS for answer in _answers(ask)]
    width = max(len(title) for title, _ in rows)
    return "\n".join(f"{title:<{width}}  {answer}" for title, answer in rows)


def _answers(ask: Callable[[], str | list[str]]) -> list[str]:
    try:
        answer = ask()
    except Exception as error:  # whatever is broken on this machine is what the table is for
        answer = f"unknown ({type(error).__name__}: {error})"
    lines = [answer] if isinstance(answer, str) else answer
    return [" ".join(line.split()) for line in lines]


def _python() -> str:
    return f"{platform.python_version()} ({sys.executable})"


def _cores() -> str:
    return f"{_usable_cores()} usable of {os.cpu_count()}"


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: a container may grant fewer than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return "not known on this platform"
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / GIB:.1f} GiB"


def _blas() -> list[str]:
    from threadpoolctl import threadpool_info

    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    if not found:  # Accelerate on macOS does not let itself be asked
        name = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
        return [f"{name} (threads not known)"]
    return [f"{pool['internal_api']} {pool['version']}, {pool['num_threads']} threads" for pool in found]


def _cupy() -> str:
    names = [f"cupy-cuda{major}x" for major in (12, 13)] + ["cupy"]
    found = [f"{name} {version}" for name in names if (version := _version_of(name))]
    clash = " (only one may be installed: uninstall the others)" if len(found) > 1 else ""
    return ", ".join(found) + clash if found else "not installed"


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _driver() -> str:
    version = backend.driver_version()
    return f"CUDA {version[0]}.{version[1]}" if version else "none found"


def _devices() -> list[str]:
    driver, count = backend.cuda_driver(), ctypes.c_int()
    if driver is None or driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return ["none"]
    return [_device(driver, ordinal) for ordinal in range(count.value)] or ["none"]


def _device(driver: ctypes.CDLL, ordinal: int) -> str:
    handle, name, size = ctypes.c_int(), ctypes.create_string_buffer(128), ctypes.c_size_t()
    driver.cuDeviceGet(ctypes.byref(handle), ordinal)
    driver.cuDeviceGetName(name, len(name), handle)
    driver.cuDeviceTotalMem_v2(ctypes.byref(size), handle)
    major, minor = (_attribute(driver, attribute, handle) for attribute in CAPABILITY)
    tf32 = "TF32 with --tf32" if 10 * major + minor >= backend.TF32_CAPABILITY else "no TF32"
    return f"{ordinal}: {name.value.decode()}, {size.value / GIB:.1f} GiB, compute capability {major}.{minor}, {tf32}"


def _attribute(driver: ctypes.CDLL, attribute: int, handle: ctypes.c_int) -> int:
    value = ctypes.c_int()
    driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, handle)
    return value.value


def _cache() -> str:
    from minialex.data.prepare import default_cache

    folder = Path(default_cache())
    there = next(path for path in (folder, *folder.parents) if path.exists())  # it is made on first use
    return f"{folder} ({shutil.disk_usage(there).free / GIB:.0f} GiB free)"


def _advice() -> str:
    try:
        backend.get_backend("cupy")
    except UserError as error:
        return f"NumPy only. {error}"
    return "CuPy works: --backend cupy"


QUESTIONS = (
    ("minialex", lambda: __version__),
    ("Python", _python),
    ("platform", platform.platform),
    ("cores", _cores),
    ("memory", _memory),
    ("NumPy", lambda: np.__version__),
    ("BLAS", _blas),
    ("Pillow", lambda: _version_of("pillow") or "not installed"),
    ("CuPy", _cupy),
    ("NVIDIA driver", _driver),
    ("GPU", _devices),
    ("cache", _cache),
    ("backend", _advice),
)
