"""Faults that no launch reports: AddressSanitizer finds none in our kernels, and finds those that are planted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minialex.kernels import launch
from tests.emulation.raw_module import LaunchError, missing
from tests.kernels.cases import CASES, check

ROOT = Path(__file__).parent.parent.parent
FILES = {"lrn": "lrn", "max_pool": "pool"}  # the source of a pair
SYNC = "__syncthreads();"


def planted(folder, file, old, new, which=0):
    """A folder with `file`.cu, in which one occurrence of `old` has become `new`."""
    parts = (launch.FOLDER / f"{file}.cu").read_text(encoding="utf-8").split(old)
    text = old.join(parts[: which + 1]) + new + old.join(parts[which + 1 :])
    (folder / f"{file}.cu").write_text(text, encoding="utf-8")
    return folder


BARRIERS = [
    (pair, which)
    for pair, file in FILES.items()
    for which in range((launch.FOLDER / f"{file}.cu").read_text(encoding="utf-8").count(SYNC))
]


@pytest.mark.parametrize("pair, which", BARRIERS)
def test_a_missing_barrier_is_noticed(xp, tmp_path, monkeypatch, pair, which):
    monkeypatch.setattr(launch, "FOLDER", planted(tmp_path, FILES[pair], SYNC, ";", which))
    case = next(case for case in CASES.values() if case.pair == pair)
    with pytest.raises((LaunchError, AssertionError), match="depends on the order of threads|errors of y"):
        check(case, "float32", xp)


def sanitized(*arguments):
    if missing():
        pytest.skip(missing())
    library = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    if not Path(library).is_absolute():
        pytest.skip("g++ has no AddressSanitizer")
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MINIALEX_SANITIZE": "1",
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
        "PYTHONMALLOC": "malloc",
    }
    command = [sys.executable, "-m", "tests.kernels.sanitized", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)


def test_our_kernels_keep_inside_their_arrays():
    done = sanitized()
    assert done.returncode == 0 and done.stdout == f"{len(CASES)} cases, clean\n", done.stderr


OUTSIDE = {
    "past the array": (
        "lrn",
        "i < length; i += THREADS)\n        dx",
        "i <= length; i += THREADS)\n        dx",
        "heap",
    ),
    "past shared memory": ("lrn", "#define TILE 1024", "#define TILE 512", "global"),
    "a window that is not there": ("max_pool", "min(h / SH, OH - 1)", "h / SH", "heap"),
}


@pytest.mark.parametrize("pair, old, new, where", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_an_index_out_of_bounds_is_found(tmp_path, pair, old, new, where):
    done = sanitized(planted(tmp_path, FILES[pair], old, new), pair)
    assert done.returncode != 0 and f"AddressSanitizer: {where}-buffer-overflow" in done.stderr, done.stderr
