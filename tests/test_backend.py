"""Each way in which CuPy can be missing, played by a fake: few machines have it, and fewer a broken one."""

import ctypes
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minialex import backend
from minialex.backend import available_memory, driver_version, get_backend, to_numpy, xp_of
from minialex.errors import UserError

ROOT = Path(__file__).parent.parent


class FakeRuntimeError(RuntimeError):
    """Stands for cupy.cuda.runtime.CUDARuntimeError."""


def fake_cupy(*, built_for=13020, devices=1, factor=2, capability="90"):
    """A cupy; `devices` and `factor` (what its kernel really multiplies by) may be errors to raise."""
    products = {"float32": "TBD"}
    kinds = SimpleNamespace(COMPUTE_TYPE_FP32="FP32", COMPUTE_TYPE_TF32="TF32")

    def device_count():
        if isinstance(devices, Exception):
            raise devices
        return devices

    def kernel(inputs, outputs, body, name):
        if isinstance(factor, Exception):
            raise factor
        return lambda x: factor * x

    runtime = SimpleNamespace(
        runtimeGetVersion=lambda: built_for, getDeviceCount=device_count, CUDARuntimeError=FakeRuntimeError
    )
    return SimpleNamespace(
        cuda=SimpleNamespace(runtime=runtime, Device=lambda: SimpleNamespace(compute_capability=capability)),
        ElementwiseKernel=kernel,
        arange=np.arange,
        asnumpy=np.asarray,
        products=products,
        _core=SimpleNamespace(set_compute_type=products.__setitem__, _routines_linalg=kinds),
    )


@pytest.fixture
def machine(monkeypatch):
    """Call it to become a machine with this driver and this cupy (None: not installed)."""

    def become(driver=(13, 0), cupy=None, platform="linux"):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setattr(backend, "driver_version", lambda: driver)
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        return cupy

    return become


BROKEN_MACHINES = {
    "macOS": (dict(platform="darwin", driver=None), "macOS"),
    "not installed, driver 13": (dict(driver=(13, 1)), 'installed: pip install "minialex[cuda13]"'),
    "not installed, driver 12": (dict(driver=(12, 4)), 'installed: pip install "minialex[cuda12]"'),
    "not installed, driver too old": (dict(driver=(11, 8)), "stops at 11.8: update the driver"),
    "not installed, no driver": (dict(driver=None), "not installed: install NVIDIA's driver first"),
    "no driver": (dict(driver=None, cupy=fake_cupy()), "no NVIDIA driver"),
    "driver older than cupy": (
        dict(driver=(12, 4), cupy=fake_cupy()),
        "built for CUDA 13 and the driver stops at CUDA 12.4: update the driver, or "
        'pip uninstall cupy-cuda13x and pip install "minialex[cuda12]"',
    ),
    "no device": (dict(cupy=fake_cupy(devices=0)), "no CUDA device (it counts 0)"),
    "device hidden": (
        dict(cupy=fake_cupy(devices=FakeRuntimeError("cudaErrorNoDevice:\nno device"))),
        "no CUDA device (cudaErrorNoDevice: no device)",
    ),
    "cannot compile": (
        dict(cupy=fake_cupy(factor=RuntimeError("nvrtc:\n  error: no headers\n" + "listing\n" * 100))),
        "cannot compile or run a kernel (nvrtc: error: no headers",
    ),
    "computes wrongly": (dict(cupy=fake_cupy(factor=3)), "computes wrongly"),
}


@pytest.mark.parametrize("case", BROKEN_MACHINES)
def test_each_way_in_which_cupy_is_missing_is_told_in_one_line(machine, case):
    what, expected = BROKEN_MACHINES[case]
    machine(**what)
    with pytest.raises(UserError) as caught:
        get_backend("cupy")
    message = str(caught.value)
    assert expected in message
    assert len(message.splitlines()) == 1 and len(message) < 300
    assert get_backend("auto") is np


def test_no_two_of_these_lines_are_alike(machine):
    messages = set()
    for what, _ in BROKEN_MACHINES.values():
        machine(**what)
        with pytest.raises(UserError) as caught:
            get_backend("cupy")
        messages.add(str(caught.value))
    assert len(messages) == len(BROKEN_MACHINES)


def test_a_driver_newer_than_every_extra_takes_the_newest(machine):
    machine(driver=(14, 0))
    with pytest.raises(UserError, match=r"minialex\[cuda13\]"):
        get_backend("cupy")


@pytest.mark.parametrize(
    "fault, told",
    [
        (r"raise ImportError('\n===\nFailed\n===') from ImportError('libcudart: none')", "libcudart: none"),
        ("import a_library_of_cupys", "No module named 'a_library_of_cupys'"),
    ],
)
def test_a_broken_installation_is_told_from_a_missing_one(machine, monkeypatch, tmp_path, fault, told):
    (tmp_path / "cupy.py").write_text(fault, encoding="utf-8")
    machine()
    monkeypatch.delitem(sys.modules, "cupy")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError) as caught:
        get_backend("cupy")
    assert str(caught.value).startswith(f"CuPy cannot be imported ({told}): pip install")


@pytest.mark.parametrize("built_for", [12090, 13000, 13020])  # a newer minor number fits too
@pytest.mark.parametrize("name", ["cupy", "auto"])
def test_a_working_cupy_is_returned(machine, name, built_for):
    cupy = machine(driver=(13, 0), cupy=fake_cupy(built_for=built_for))
    assert get_backend(name) is cupy


@pytest.mark.parametrize("name", ["cupy", "auto"])
def test_products_are_of_float32_unless_tf32_is_asked_for(machine, name):
    cupy = machine(cupy=fake_cupy())
    for tf32 in (False, True, False):
        assert get_backend(name, tf32=tf32) is cupy
        assert cupy.products == {"float32": "TF32" if tf32 else "FP32"}


@pytest.mark.parametrize(
    "name, cupy, told",
    [
        ("cupy", fake_cupy(capability="75"), "here is compute capability 7.5: leave --tf32 out"),
        ("auto", None, "here is none: leave --tf32 out"),
        ("numpy", fake_cupy(), "here is none: leave --tf32 out"),
    ],
)
def test_tf32_where_there_is_none_is_a_user_error(machine, name, cupy, told):
    machine(cupy=cupy)
    with pytest.raises(UserError, match=told):
        get_backend(name, tf32=True)
    get_backend(name)
    assert cupy is None or cupy.products["float32"] != "TF32"


@pytest.mark.parametrize("limit, expected", [(0, 70), (65, 65), (99, 70)])
def test_the_memory_that_a_program_can_have(limit, expected):
    """What is free on the device, and what CuPy's pool holds for the program already, up to the pool's limit."""
    pool = SimpleNamespace(total_bytes=lambda: 20, get_limit=lambda: limit)
    runtime = SimpleNamespace(memGetInfo=lambda: (50, 80))
    cupy = SimpleNamespace(get_default_memory_pool=lambda: pool, cuda=SimpleNamespace(runtime=runtime))
    assert available_memory(cupy) == expected
    assert available_memory(np) is None


def test_numpy_never_asks_for_cupy(machine):
    machine(cupy=fake_cupy(devices=AssertionError("asked")))
    assert get_backend("numpy") is np


@pytest.mark.parametrize("available", [True, False])
def test_nccl_is_cupys_own_or_a_line_says_what_to_install(monkeypatch, available):
    made = []
    nccl = SimpleNamespace(available=available)
    distributed = SimpleNamespace(NCCLBackend=lambda *given, **named: made.append((given, named)))
    modules = {"cupy": SimpleNamespace(), "cupy.cuda": SimpleNamespace(nccl=nccl), "cupyx": SimpleNamespace()}
    for name, module in (modules | {"cupyx.distributed": distributed}).items():
        monkeypatch.setitem(sys.modules, name, module)
    xp, ranks = fake_cupy(), SimpleNamespace(size=8, rank=3)
    if available:
        backend.nccl_backend(xp, ranks)
        assert made == [((8, 3), {"use_mpi": True})]
    else:
        with pytest.raises(UserError, match="several GPUs need NCCL.*pip install nvidia-nccl-cu13"):
            backend.nccl_backend(xp, ranks)


def test_an_unknown_backend_is_a_user_error():
    with pytest.raises(UserError, match='no backend "torch": choose numpy, cupy or auto'):
        get_backend("torch")


class FakeDriver:
    """libcuda as ctypes shows it: results go through pointers."""

    def __init__(self, version, status=0):
        self.version, self.status = version, status

    def cuDriverGetVersion(self, pointer):
        pointer._obj.value = self.version
        return self.status


@pytest.mark.parametrize("number, version", [(13000, (13, 0)), (12040, (12, 4)), (11080, (11, 8))])
def test_the_driver_tells_its_version(monkeypatch, number, version):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: FakeDriver(number))
    assert driver_version() == version


def test_no_driver_and_a_stub_of_one_have_no_version(monkeypatch):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert driver_version() is None
    monkeypatch.setattr(ctypes, "CDLL", lambda name: FakeDriver(0, status=34))  # CUDA_ERROR_STUB_LIBRARY
    assert driver_version() is None


class StandardArray:
    """An array that names its library as the array API standard has it."""

    def __init__(self, library):
        self.library = library

    def __array_namespace__(self):
        return self.library


class CupyLikeArray:
    """CuPy 14's arrays lack that method; all they show is the module of their type."""

    __module__ = "cupy"


def test_xp_follows_its_arrays(monkeypatch):
    library, cupy = SimpleNamespace(__name__="library"), SimpleNamespace(__name__="cupy")
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert xp_of(np.zeros(2)) is np
    assert xp_of(np.zeros(2), np.ones(3, "float32")) is np
    assert xp_of(StandardArray(library), StandardArray(library)) is library
    assert xp_of(CupyLikeArray()) is cupy


@pytest.mark.parametrize("order", [1, -1])
def test_mixed_arrays_are_an_error(monkeypatch, order):
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(__name__="cupy"))
    with pytest.raises(TypeError, match="(numpy and cupy|cupy and numpy) are mixed"):
        xp_of(*[np.zeros(2), np.ones(1), CupyLikeArray()][::order])


@pytest.mark.parametrize("what", [[1.0], 1.0, None, "x"])
def test_what_is_no_array_is_named(what):
    with pytest.raises(TypeError, match=f"got {type(what).__name__}"):
        xp_of(what)


def test_no_array_at_all_is_an_error():
    with pytest.raises(TypeError, match="at least one"):
        xp_of()


def test_xp_of_does_not_import_cupy():
    code = "import sys, numpy, minialex.backend as b; b.xp_of(numpy.ones(1)); sys.exit('cupy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_to_numpy_copies_from_the_device_and_leaves_host_arrays_alone():
    host = np.arange(3.0)
    assert to_numpy(host) is host
    array = StandardArray(SimpleNamespace(__name__="library", asnumpy=lambda array: ("copied", array)))
    assert to_numpy(array) == ("copied", array)


class LoggedCuda:
    """A cupy.cuda that writes down, in order, who waits for what."""

    def __init__(self):
        self.log, self.events = [], 0
        self.compute = LoggedStream(self, "compute")

    def Device(self):
        return nullcontext()

    def Stream(self, *, non_blocking):
        assert non_blocking, "it would wait for everything that the null stream does"
        return LoggedStream(self, "copy")

    def get_current_stream(self):
        return self.compute

    def alloc_pinned_memory(self, size):
        return bytearray(2 * size)


class LoggedStream:
    def __init__(self, cuda, name):
        self.cuda, self.name = cuda, name

    def record(self):
        self.cuda.events += 1
        return LoggedEvent(self.cuda, self.name, self.cuda.events)

    def wait_event(self, event):
        self.cuda.log.append(f"{self.name} waits for {event.name}")

    def synchronize(self):
        self.cuda.log.append(f"the host waits for {self.name}")


class LoggedEvent:
    def __init__(self, cuda, stream, number):
        self.cuda, self.name = cuda, f"event {number} of {stream}"

    def synchronize(self):
        self.cuda.log.append(f"the host waits for {self.name}")


class LoggedArray:
    """Memory of the device: only its length counts."""

    def __init__(self, cuda, length):
        self.cuda, self.length = cuda, length

    def __getitem__(self, part):
        return LoggedArray(self.cuda, part.stop)

    def set(self, host, stream):
        assert host.flags.c_contiguous
        self.cuda.log.append(f"{stream.name} takes {host.tolist()} to {self.length}")


def test_no_buffer_of_an_upload_is_used_before_its_last_use_has_ended():
    cuda = LoggedCuda()
    xp = SimpleNamespace(cuda=cuda, empty=lambda shape, dtype: LoggedArray(cuda, shape[0]))
    uploader, log = backend.Uploader(xp, (3, 2)), cuda.log
    assert log == []
    uploader.host(3)[:] = 7
    uploader.send()
    assert uploader.received(lambda array: log.append(f"compute reads {array.length}") or "result") == "result"
    assert log == [
        "the host waits for event 1 of copy",
        "copy waits for event 2 of compute",
        "copy takes [[7, 7], [7, 7], [7, 7]] to 3",
        "compute waits for event 3 of copy",
        "compute reads 3",
    ]
    log.clear()
    uploader.host(1)[:] = 8
    uploader.send()
    with pytest.raises(ZeroDivisionError):
        uploader.received(lambda array: 1 / 0)
    uploader.host(2)[:] = 9
    uploader.send()
    uploader.close()
    assert log == [
        "the host waits for event 3 of copy",
        "copy waits for event 4 of compute",
        "copy takes [[8, 8]] to 1",
        "compute waits for event 5 of copy",
        "the host waits for event 5 of copy",
        "copy waits for event 6 of compute",
        "copy takes [[9, 9], [9, 9]] to 2",
        "the host waits for copy",
    ]
