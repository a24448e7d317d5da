"""Killed at any moment, the same command ends in the same bytes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the harness forks")
@pytest.mark.parametrize("how", [["--kills", "5"], ["--touches", "53"]], ids=["random moments", "touches of a file"])
def test_killed_and_run_again_to_the_same_bytes(how):
    command = [sys.executable, str(ROOT / "tests" / "kills.py"), *how]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["preparation by 1", "preparation by 2", "training"]
    for line in lines:
        kills, left, differing = (
            int(re.search(pattern, line)[1].replace(",", ""))
            for pattern in (r"(\d+) kills", r"(\d+) left a process", r"([\d,]+) of [\d,]+ bytes differ")
        )
        assert (kills == 5 if "5" in how else kills >= 1) and (left, differing) == (0, 0), line
