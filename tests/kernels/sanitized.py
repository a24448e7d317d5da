"""All cases of the kernels, under AddressSanitizer: python -m tests.kernels.sanitized [FOLDER PAIR]

FOLDER has .cu files to take in place of ours, PAIR is the pair whose cases to run.
"""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from minialex.kernels import launch
from tests.emulation import raw_module
from tests.kernels.cases import CASES, LIMITS, check
from tests.kernels.others import OTHERS
from tests.strict_cupy import StandIn

ROOT = Path(__file__).parent.parent.parent


def missing() -> str | None:
    """Why there is no AddressSanitizer here; None where there is."""
    return raw_module.missing() or (None if library().is_absolute() else "g++ has no AddressSanitizer")


def library() -> Path:
    found = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True)
    return Path(found.stdout.strip())


def run(*arguments) -> subprocess.CompletedProcess:
    """This program in a process that has the sanitizer preloaded."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MINIALEX_SANITIZE": "1",
        "LD_PRELOAD": str(library()),
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
        "PYTHONMALLOC": "malloc",
    }
    command = [sys.executable, "-m", "tests.kernels.sanitized", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)


if __name__ == "__main__":
    pair = None
    if len(sys.argv) > 1:
        launch.FOLDER, pair = Path(sys.argv[1]), sys.argv[2]
    checks = [(case.pair, partial(check, case)) for case in CASES.values()]
    checks += [(other.pair, other.check) for other in OTHERS.values()]
    checks, xp = [check_it for name, check_it in checks if pair in (None, name)], StandIn()
    for check_it in checks:
        for dtype in LIMITS:
            check_it(dtype, xp)
    print(f"{len(checks)} cases, clean")
