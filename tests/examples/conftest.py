"""The programs, as a person runs them: in a process of their own, or called for their exit status."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from minialex.errors import main_status
from tests import photos

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("prepare_imagenet", "train_imagenet", "predict", "evaluate")
SMALL = ["--backend", "numpy", "--variant", "bn", "--width", "0.0625", "--batch", "8", "--epochs", "2"]
SMALL += ["--workers", "1", "--threads", "1"]


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder of images, and a cache of its own for what is prepared."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIALEX_CACHE", str(folder / "cache"))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PYTHONPATH", str(ROOT))
        yield photos.draw(folder / "photos")


@pytest.fixture(scope="session")
def call():
    """call(program, *arguments) runs it in this process and returns its exit status."""
    mains = {name: runpy.run_path(str(ROOT / "examples" / f"{name}.py"))["main"] for name in PROGRAMS}

    def call(program, *arguments):
        try:
            return main_status(mains[program], [str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            return end.code

    call.mains = mains
    return call


@pytest.fixture(scope="session")
def finished(data, call, tmp_path_factory):
    """The folder of a small run of two epochs."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert call("train_imagenet", "--data", data, "--out", folder, *SMALL) == 0
    return folder


@pytest.fixture
def start(data):
    """start(program, *arguments) starts a process; `first` is Python that it does before; killed when the test ends."""
    processes = []

    def start(program, *arguments, first="", **kwargs):
        script = str(ROOT / "examples" / f"{program}.py")
        code = f"{first}\nimport runpy, sys\nsys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
        command = [sys.executable, "-c", code, script, *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, env=os.environ | kwargs.pop("env", {}), **pipes, **kwargs)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()
