"""Whole runs on ranks of MPI: begun together, ended together, gone on with on any number of them."""

import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from minialex import checkpoint
from minialex.errors import UserError
from minialex.parallel import TEAMS, Nccl, cores, team_of, together
from minialex.parallel.witness import has_last_word
from tests.content import TIMES
from tests.parallel.threads import on_threads

SMALL = "--backend numpy --variant paper --width 0.0625 --batch 5 --classes 2 --workers 1 --threads 1 --lr 0.01".split()
FLOAT64 = [*SMALL, "--dtype", "float64"]
FAIL_IN_STEP = """
from mpi4py import MPI
from minialex import network
plain = network.backward
def backward(*args, **kwargs):
    if MPI.COMM_WORLD.rank == 1:
        raise {error}
    return plain(*args, **kwargs)
network.backward = backward
"""
STOP_IN_STEP = """
import os, signal
from mpi4py import MPI
from minialex import network
plain, calls = network.backward, iter(range(1000))
def backward(*args, **kwargs):
    if MPI.COMM_WORLD.rank == 1 and next(calls) == 2:
        signal.raise_signal(signal.SIGTERM)
    return plain(*args, **kwargs)
network.backward = backward
"""


def newest(folder):
    return checkpoint.load(checkpoint.latest(folder / "checkpoints"), xp=np)


def assert_close(one, other, tolerance=1e-12):
    for group in checkpoint.GROUPS:
        a, b = getattr(one, group), getattr(other, group)
        assert list(a) == list(b)
        for name, value in a.items():
            assert b[name].shape == value.shape and b[name].dtype == value.dtype
            assert np.abs(b[name] - value).max() <= tolerance * np.abs(value).max(), name
    assert (one.epoch, one.step, one.config, len(one.history)) == (
        other.epoch,
        other.step,
        other.config,
        len(other.history),
    )
    for record, its in zip(one.history, other.history, strict=True):
        for key in record.keys() - TIMES:
            assert its[key] == pytest.approx(record[key], rel=1e-9), key


@pytest.fixture(scope="module")
def alone(mpi, data, tmp_path_factory):
    """Two epochs of one process, which no MPI has started."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    done = mpi(1, "train_imagenet", "--data", data, "--out", folder, "--epochs", 2, *FLOAT64)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("kind, ranks", [("towers", 2), ("data", 3)])
def test_a_run_on_ranks_is_the_run_of_one_process(mpi, data, alone, tmp_path, kind, ranks):
    """The last batch of an epoch has 4 of its 24 images; 8 are tested on."""
    done = mpi(ranks, "train_imagenet", "--data", data, "--out", tmp_path, "--epochs", 2, "--parallel", kind, *FLOAT64)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("everything goes to") == done.stdout.count("done: top-1") == 1, "the first rank speaks"
    assert f"1 threads on each of {ranks} ranks ({kind})" in done.stdout
    assert_close(newest(alone), newest(tmp_path))
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(path.name for path in alone.rglob("*"))
    reports = [(folder / "health-0.txt").read_text() for folder in (alone, tmp_path)]
    assert reports[0] == reports[1], "of the whole network and the whole batch"
    assert json.loads((tmp_path / "config.json").read_text()) == json.loads((alone / "config.json").read_text())


@pytest.mark.parametrize("kind", TEAMS)
def test_one_rank_has_the_bits_of_a_process_alone(mpi, data, alone, tmp_path, kind):
    done = mpi(1, "train_imagenet", "--data", data, "--out", tmp_path, "--epochs", 2, "--parallel", kind, *FLOAT64)
    assert done.returncode == 0, done.stderr
    assert_close(newest(alone), newest(tmp_path), tolerance=0)


def test_a_signal_to_one_rank_stops_all_and_any_number_goes_on(mpi, data, alone, tmp_path):
    run = ["train_imagenet", "--data", data, "--out", tmp_path, "--epochs", 2, *FLOAT64]
    stopped = mpi(3, *run, "--parallel", "data", first=STOP_IN_STEP)
    assert stopped.returncode == 143
    assert len(re.findall("stopped and saved; the same command with --resume", stopped.stderr)) == 1
    assert (newest(tmp_path).epoch, newest(tmp_path).step) == (0, 3)
    stopped = mpi(2, *run, "--resume", "--parallel", "towers", first=STOP_IN_STEP)
    assert stopped.returncode == 143 and (newest(tmp_path).epoch, newest(tmp_path).step) == (1, 1)
    assert mpi(1, *run, "--resume").returncode == 0
    assert_close(newest(alone), newest(tmp_path))


@pytest.mark.parametrize(
    "error, said",
    [("MemoryError('no more')", "failed: out of memory at a batch of 5"), ("OSError('a crash')", "OSError: a crash")],
)
def test_a_rank_that_fails_ends_all_and_is_named(mpi, data, tmp_path, error, said):
    done = mpi(
        2,
        "train_imagenet",
        "--data",
        data,
        "--out",
        tmp_path,
        "--parallel",
        "data",
        *SMALL,
        first=FAIL_IN_STEP.format(error=error),
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.count(said) == 1 and done.stderr.count("[rank 1 of 2 (process ") == 1
    assert "is gone" not in done.stderr


@pytest.mark.parametrize("kind", TEAMS)
def test_a_loss_that_is_no_number_is_traced_once(mpi, data, tmp_path, kind):
    how = ["--data", data, "--out", tmp_path, "--parallel", kind, *SMALL, "--lr", "1e9"]
    done = mpi(2, "train_imagenet", *how)
    assert done.returncode == 1 and done.stderr.count("failed: ") == 1, done.stderr
    assert re.search(r"failed: the loss is (nan|inf) in step \d of epoch 1, first seen in \w+", done.stderr)
    assert "None" not in done.stderr and "Traceback" not in done.stderr


def test_what_all_ranks_find_is_said_once(mpi, data, tmp_path):
    done = mpi(3, "train_imagenet", "--data", data, "--out", tmp_path, "--parallel", "towers", *SMALL)
    assert (done.returncode, done.stderr.count("error: ")) == (2, 1) and "3 ranks cannot share as towers" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_first_rank_alone_finds_ends_all(mpi, data, alone):
    done = mpi(2, "train_imagenet", "--data", data, "--out", alone, "--parallel", "data", *SMALL)
    assert done.returncode == 2 and done.stderr.count("holds a run already") == 1


def test_ten_crops_are_shared(mpi, data, alone, tmp_path):
    found = []
    for ranks, how in ((1, []), (3, ["--parallel", "data"])):
        path = tmp_path / f"{ranks}.json"
        run = ["--run", alone, "--data", data, "--backend", "numpy", "--threads", 1, "--json", path, "--batch", 30]
        done = mpi(ranks, "evaluate", *run, *how)
        assert done.returncode == 0 and done.stdout.count("ten crops averaged") == 1, done.stderr
        found.append(json.loads(path.read_text()))
    assert found[0]["crops"] == 10 and found[1]["average"] == pytest.approx(found[0]["average"], rel=1e-12)
    done = mpi(9, "evaluate", "--run", alone, "--data", data, "--backend", "numpy", "--parallel", "data")
    assert done.returncode == 2 and done.stderr.count("error: there are 8 images for 9 ranks: start fewer") == 1


def test_the_last_word_is_one_ranks(tmp_path):
    assert [has_last_word(tmp_path / "word") for _ in range(3)] == [True, False, False]


def test_without_mpi4py_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(UserError, match=r'--parallel needs MPI: pip install "minialex\[mpi\]"'):
        together.on_ranks(lambda ranks: None)


def gpus_of(monkeypatch, gpus):
    """team_of on two threads of one machine, each of which sees so many GPUs; the numbers of those they use."""
    monkeypatch.setattr(together, "local", lambda ranks: ranks)

    def work(ranks, xp):
        used = []

        def device(number):
            return SimpleNamespace(use=lambda: used.append(number), pci_bus_id=f"{number:02}")

        xp.cuda.Device, xp.cuda.runtime.getDeviceCount = device, lambda: gpus
        team = team_of("data", ranks, xp)
        assert type(team.comm) is Nccl and (team.rank, team.size) == (ranks.rank, 2)
        return used

    return on_threads(2, work, monkeypatch)


def test_each_rank_has_a_gpu_of_its_own(monkeypatch):
    assert gpus_of(monkeypatch, 4) == [[0], [1]]
    with pytest.raises(UserError, match="has 2 ranks on 1 of its GPUs: start one rank a GPU"):
        gpus_of(monkeypatch, 1)


def test_ranks_of_two_libraries_are_refused(monkeypatch):
    def work(ranks, xp):
        return team_of("data", ranks, np if ranks.rank else xp)

    with pytest.raises(
        UserError, match="some ranks would run on numpy and some on strict_cupy: name one with --backend"
    ):
        on_threads(2, work, monkeypatch)


def test_cores_are_shared_by_the_ranks_of_a_machine(monkeypatch):
    monkeypatch.setattr(together.os, "cpu_count", lambda: 16)
    monkeypatch.setattr(together, "local", lambda ranks: SimpleNamespace(size=ranks))
    assert (cores(), cores(8), cores(20)) == (16, 2, 1)
