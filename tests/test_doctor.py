import importlib.metadata
import shutil
import sys

import numpy as np
import pytest

from minialex import __version__, backend, doctor
from minialex.errors import UserError


def table():
    """The report as {title: [answers]}; no title has two spaces in a row, so the first two end it."""
    rows = {}
    for line in doctor.report().splitlines():
        title, answer = line.split("  ", 1)
        rows.setdefault(title, []).append(answer.strip())
    return rows


def test_the_table_has_a_line_for_each_question_and_is_aligned():
    lines = doctor.report().splitlines()
    width = max(len(title) for title, _ in doctor.QUESTIONS)
    assert all(line[width : width + 2] == "  " and line[width + 2] != " " for line in lines)
    assert list(table()) == [title for title, _ in doctor.QUESTIONS]


def test_what_is_known_everywhere():
    rows = table()
    assert rows["minialex"] == [__version__]
    assert rows["NumPy"] == [np.__version__]
    assert rows["Pillow"] == [importlib.metadata.version("pillow")]
    assert "threads" in rows["BLAS"][0]


def test_a_question_that_breaks_costs_its_own_line_only(monkeypatch):
    def broken():
        raise RuntimeError("no\nsuch thing")

    monkeypatch.setattr(doctor, "QUESTIONS", (("bad", broken), ("good", lambda: "fine")))
    assert doctor.report().splitlines() == ["bad   unknown (RuntimeError: no such thing)", "good  fine"]


def test_the_report_outlives_whatever_is_broken(monkeypatch):
    def gone(*args, **kwargs):
        raise OSError("gone")

    for module, name in [
        (backend, "cuda_driver"),
        (backend, "driver_version"),
        (backend, "get_backend"),
        (importlib.metadata, "version"),
        (shutil, "disk_usage"),
    ]:
        monkeypatch.setattr(module, name, gone)
    rows = table()
    assert rows["Pillow"] == rows["CuPy"] == ["unknown (OSError: gone)"]
    assert rows["GPU"] == rows["NVIDIA driver"] == rows["backend"] == ["unknown (OSError: gone)"]
    assert rows["NumPy"] == [np.__version__]


class FakeDriver:
    """libcuda with two devices."""

    devices = ((b"NVIDIA H100 80GB HBM3", 80 * 2**30, (9, 0)), (b"Tesla T4", 15 * 2**30, (7, 5)))

    def cuInit(self, flags):
        return 0

    def cuDriverGetVersion(self, pointer):
        pointer._obj.value = 13000
        return 0

    def cuDeviceGetCount(self, pointer):
        pointer._obj.value = len(self.devices)
        return 0

    def cuDeviceGet(self, pointer, ordinal):
        pointer._obj.value = ordinal
        return 0

    def cuDeviceGetName(self, buffer, size, handle):
        buffer.value = self.devices[handle.value][0]
        return 0

    def cuDeviceTotalMem_v2(self, pointer, handle):
        pointer._obj.value = self.devices[handle.value][1]
        return 0

    def cuDeviceGetAttribute(self, pointer, attribute, handle):
        pointer._obj.value = self.devices[handle.value][2][{75: 0, 76: 1}[attribute]]
        return 0


def test_devices_and_the_extra_to_install_are_told_without_cupy(monkeypatch):
    monkeypatch.setattr(backend, "cuda_driver", lambda: FakeDriver())
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "cupy", None)
    rows = table()
    assert rows["NVIDIA driver"] == ["CUDA 13.0"]
    assert rows["GPU"] == [
        "0: NVIDIA H100 80GB HBM3, 80.0 GiB, compute capability 9.0, TF32 with --tf32",
        "1: Tesla T4, 15.0 GiB, compute capability 7.5, no TF32",
    ]
    assert rows["backend"] == ['NumPy only. CuPy is not installed: pip install "minialex[cuda13]"']


def test_a_machine_without_a_driver(monkeypatch):
    monkeypatch.setattr(backend, "cuda_driver", lambda: None)
    rows = table()
    assert rows["NVIDIA driver"] == ["none found"]
    assert rows["GPU"] == ["none"]


def test_a_driver_that_sees_no_device(monkeypatch):
    class Blind(FakeDriver):
        def cuInit(self, flags):
            return 100  # CUDA_ERROR_NO_DEVICE

    monkeypatch.setattr(backend, "cuda_driver", lambda: Blind())
    assert table()["GPU"] == ["none"]


@pytest.mark.parametrize(
    "installed, expected",
    [
        ({}, "not installed"),
        ({"cupy-cuda13x": "14.2.0"}, "cupy-cuda13x 14.2.0"),
        (
            {"cupy-cuda12x": "14.1.0", "cupy": "14.2.0"},
            "cupy-cuda12x 14.1.0, cupy 14.2.0 (only one may be installed: uninstall the others)",
        ),
    ],
)
def test_installed_cupy_packages(monkeypatch, installed, expected):
    def version(name):
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert table()["CuPy"] == [expected]


@pytest.mark.parametrize(
    "error, expected", [(None, "CuPy works: --backend cupy"), ("No driver.", "NumPy only. No driver.")]
)
def test_the_last_line_says_which_backend_to_use(monkeypatch, error, expected):
    def get_backend(name):
        assert name == "cupy"
        if error:
            raise UserError(error)

    monkeypatch.setattr(backend, "get_backend", get_backend)
    assert table()["backend"] == [expected]


def test_a_blas_that_does_not_let_itself_be_asked(monkeypatch):
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [])
    assert table()["BLAS"][0].endswith("(threads not known)")
