"""Real ranks, where MPI is installed."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import photos

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 120  # seconds


def mpiexec():
    """The launcher, beside this Python or on the path; skips the test where there is none, or no mpi4py."""
    found = shutil.which("mpiexec", path=Path(sys.executable).parent) or shutil.which("mpiexec")
    if importlib.util.find_spec("mpi4py") is None or found is None:
        pytest.skip("no MPI here: pip install -e '.[mpi]'")
    return found


@pytest.fixture(scope="session")
def mpi():
    """mpi(ranks, program, *arguments) runs a program of examples/ on so many ranks; its CompletedProcess."""
    launcher = mpiexec()

    def run(ranks, program, *arguments, first="", **environment):
        script = str(ROOT / "examples" / f"{program}.py")
        code = f"{first}\nimport runpy, sys\nsys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
        command = [launcher, "-n", str(ranks), sys.executable, "-c", code, script, *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=environment)

    return run


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder of images, and a cache of its own for what is prepared."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIALEX_CACHE", str(folder / "cache"))
        yield photos.draw(folder / "photos")
