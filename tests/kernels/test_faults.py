"""Faults that no launch reports: AddressSanitizer finds none in our kernels, and finds those that are planted."""

import shutil

import pytest

from minialex.kernels import launch
from tests.emulation.raw_module import LaunchError
from tests.kernels.cases import CASES, check
from tests.kernels.others import OTHERS
from tests.kernels.sanitized import missing, run

FILES = {  # the sources of a pair
    **{"conv": ["conv.cu"], "conv_relu": ["bias.cu"], "lrn": ["lrn.cu", "lrn.cuh"]},
    **{"lrn_max_pool": ["lrn_pool.cu", "lrn.cuh"], "max_pool": ["pool.cu"], "softmax_cross_entropy": ["softmax.cu"]},
    **{"update": ["update.cu"], "preprocess": ["preprocess.cu"], "dropout_mask": ["dropout.cu"]},
}
SYNC = "__syncthreads();"


def planted(folder, file, old, new, which=0):
    """A folder with our sources, in one of which one occurrence of `old` has become `new`."""
    for path in launch.FOLDER.glob("*.cu*"):
        shutil.copy(path, folder)
    parts = (folder / file).read_text(encoding="utf-8").split(old)
    text = old.join(parts[: which + 1]) + new + old.join(parts[which + 1 :])
    (folder / file).write_text(text, encoding="utf-8")
    return folder


BARRIERS = [
    (pair, file, which)
    for pair, files in FILES.items()
    for file in files
    for which in range((launch.FOLDER / file).read_text(encoding="utf-8").count(SYNC))
]


@pytest.mark.parametrize("pair, file, which", BARRIERS)
def test_a_missing_barrier_is_noticed(xp, tmp_path, monkeypatch, pair, file, which):
    monkeypatch.setattr(launch, "FOLDER", planted(tmp_path, file, SYNC, ";", which))
    case = next(case for case in CASES.values() if case.pair == pair)
    with pytest.raises((LaunchError, AssertionError), match="depends on the order of threads|errors of y"):
        check(case, "float32", xp)


def test_every_source_has_its_pair():
    assert {file for files in FILES.values() for file in files} == {path.name for path in launch.FOLDER.glob("*.cu*")}


def sanitized(*arguments):
    if missing():
        pytest.skip(missing())
    return run(*arguments)


def test_our_kernels_keep_inside_their_arrays():
    done = sanitized()
    assert done.returncode == 0 and done.stdout == f"{len(CASES) + len(OTHERS)} cases, clean\n", done.stderr


OUTSIDE = {
    "past the array": (
        "lrn",
        "i < length; i += THREADS)\n        dx",
        "i <= length; i += THREADS)\n        dx",
        "heap",
    ),
    "past shared memory": ("lrn", "#define TILE 1024", "#define TILE 512", "global"),
    "a tile past the windows": ("lrn_max_pool", "windows = min(wide, OW - left)", "windows = wide", "heap"),
    "a tile past the row": ("lrn_max_pool", "length = min(tile, W * all - from)", "length = tile", "heap"),
    "a pixel past the last": ("conv_relu", "min(line + LINES * lanes, count)", "line + LINES * lanes", "heap"),
    "a weight too many": ("update", "if (i < count)", "if (i <= count)", "heap"),
    "a number past the patch": ("preprocess", "i < 3 * size", "i <= 3 * size", "heap"),
    "a bit too many": ("dropout_mask", "i >= count", "i > count", "heap"),
    "a row above the image": ("conv", "h >= 0 && h < H", "h < H", "heap"),
    "a class too many": (
        "softmax_cross_entropy",
        "m < M; m += THREADS)\n        total",
        "m <= M; m += THREADS)\n        total",
        "heap",
    ),
    "a window that is not there": ("max_pool", "min(h / SH, OH - 1)", "h / SH", "heap"),
}


@pytest.mark.parametrize("pair, old, new, where", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_an_index_out_of_bounds_is_found(tmp_path, pair, old, new, where):
    (file,) = (file for file in FILES[pair] if old in (launch.FOLDER / file).read_text(encoding="utf-8"))
    done = sanitized(planted(tmp_path, file, old, new), pair)
    assert done.returncode != 0 and f"AddressSanitizer: {where}-buffer-overflow" in done.stderr, done.stderr
