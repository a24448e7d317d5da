"""A rank killed in the midst of training ends all ranks, is named, and the run goes on to the same bytes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parallel.conftest import mpiexec

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("how", [["--parallel", "data", "--ranks", "3"], ["--parallel", "towers", "--ranks", "2"]])
def test_a_killed_rank_ends_all_and_the_run_goes_on(how):
    launcher = Path(mpiexec()).parent
    command = [sys.executable, str(ROOT / "tests" / "kills_ranks.py"), "--kills", "2", *how]
    path = os.pathsep.join([str(launcher), os.environ["PATH"]])
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    kills, slowest = re.search(r"(\d+) kills of a rank .* all ended within (\d+) ms", done.stdout).groups()
    assert int(kills) == 2 and int(slowest) < 10_000
    assert "0 outlived it, 0 without one line that names the rank; 0 checkpoints broken, 0 bytes differ" in done.stdout
