"""Exchanges between GPUs on the strict stand-in, and what a run's steps ask of device and host."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from minialex import train
from minialex.backend import to_numpy
from minialex.data.packed import Packed
from minialex.parallel import TEAMS, Nccl
from minialex.parallel.comm import largest, ring
from minialex.recipes import RECIPES
from tests.parallel.conftest import ROOT
from tests.parallel.threads import FakeNccl, on_threads
from tests.test_standin import Noise, costs, normal


def test_the_three_exchanges(monkeypatch):
    def work(ranks, xp):
        comm = Nccl(ranks, xp)
        array = xp.asarray(np.array([1.0, 2.0]) * (1 + ranks.rank))
        gathered = to_numpy(comm.gather(array))
        own = to_numpy(comm.scatter_sum(xp.asarray(np.arange(6.0).reshape(3, 2) * (1 + ranks.rank))))
        comm.sum(array)
        return gathered.tolist(), own.tolist(), to_numpy(array).tolist(), dict(comm.sent)

    for rank, (gathered, own, summed, sent) in enumerate(on_threads(3, work, monkeypatch)):
        assert gathered == [[1, 2], [2, 4], [3, 6]]
        assert own == [6 * 2 * rank, 6 * (2 * rank + 1)]
        assert summed == [6, 12]
        assert sent == {"gather": 2 * 16, "scatter_sum": 2 * 16, "sum": 2 * 2 * 16 // 3}


def test_a_sum_over_a_ring():
    assert [ring(ranks, 1200) for ranks in (1, 2, 3, 4)] == [0, 1200, 1600, 1800]


def test_a_sum_that_is_begun_has_a_stream_of_its_own_behind_what_was_computed(monkeypatch):
    streams = []

    class Watched(FakeNccl):
        def check(self, name, in_array, out_array, op, stream):
            streams.append((stream, len(stream.queue)))
            super().check(name, in_array, out_array, op, stream)

    monkeypatch.setattr("tests.parallel.threads.FakeNccl", Watched)

    def work(ranks, xp):
        comm = Nccl(ranks, xp)
        array = xp.ones(3)
        wait = comm.start_sum(array)
        waited = len(xp.cuda.get_current_stream().queue)
        wait()
        assert len(xp.cuda.get_current_stream().queue) == waited + 1, "the computing stream waits, and not the host"
        return xp.cuda.get_current_stream(), to_numpy(array).tolist()

    ((current, summed),) = on_threads(1, work, monkeypatch)
    ((stream, before),) = streams
    assert stream is not current and before == 1 and summed == [1, 1, 1]


def test_the_largest_of_what_ranks_say(monkeypatch):
    def work(ranks, xp):
        return largest(ranks, (15 * ranks.rank, 2 - ranks.rank))

    assert on_threads(2, work, monkeypatch) == [(15, 2), (15, 2)]


@pytest.mark.parametrize("kind", TEAMS)
@pytest.mark.parametrize("dtype", ["float32", "mixed"])
@pytest.mark.filterwarnings("ignore:overflow|invalid value:RuntimeWarning")
def test_a_step_of_a_run_waits_for_each_device_once(monkeypatch, tmp_path, kind, dtype):
    packed = Packed(tmp_path, ("a", "b", "c", "d"), np.full((256, 256, 3), 127, "float32"), Noise(10), Noise(5), {})
    config = train.Config("noise", "paper", 1 / 16, packed.classes, replace(RECIPES["small"], batch=4), dtype=dtype)
    x, t = normal(4, 224, 224, 3).astype(config.precision().activations), np.array([2, 0, 3, 1])

    def work(ranks, xp):
        team = TEAMS[kind](ranks, Nccl(ranks, xp), xp)
        snapshot, layers = team.part(train.start(config, packed, xp=xp)), team.layers(config.network().layers)
        trainer = train.Trainer(config, packed, snapshot, layers, tmp_path, xp, team=team)
        rows = team.share(4).rows
        mine = xp.asarray(x[rows]), xp.asarray(t[rows])
        before = len(costs(xp))
        loss, right = trainer._step(*mine)
        return loss, right, costs(xp)[before:], snapshot.step

    first, second = on_threads(2, work, monkeypatch)
    assert first == second and np.isfinite(first[0]) and first[3] == 1
    assert first[2] == [(3,)] if dtype == "mixed" else [(2,)], "loss and hits, of all ranks, together"


def test_memory_is_told_for_a_ranks_share(monkeypatch, tmp_path):
    packed = Packed(tmp_path, ("a", "b"), np.full((256, 256, 3), 127, "float32"), Noise(10), Noise(5), {})
    config = train.Config("noise", "paper", 1 / 16, packed.classes, replace(RECIPES["small"], batch=4096))

    def work(ranks, xp):
        xp.cuda.runtime = SimpleNamespace(memGetInfo=lambda: (2**31, 2**31))
        team = TEAMS["data"](ranks, Nccl(ranks, xp), xp)
        snapshot = team.part(train.start(config, packed, xp=xp))
        with pytest.raises(train.UserError, match=r"--batch (\d+) fits") as caught:
            train.Trainer(config, packed, snapshot, (), tmp_path, xp, team=team)._check_memory()
        return int(str(caught.value).split("--batch ")[1].split()[0])

    (alone,), (first, second) = on_threads(1, work, monkeypatch), on_threads(2, work, monkeypatch)
    assert first == second and 2 * alone <= first <= 2 * alone + 1


def test_nobody_needs_mpi_who_does_not_ask_for_it():
    code = "import sys, minialex.parallel, minialex.train; sys.exit('mpi4py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_mixed_precision_on_two_ranks_of_mpi(mpi, data, tmp_path):
    """Whose float16 not every MPI can add up."""
    how = "--backend numpy --variant paper --width 0.0625 --batch 12 --classes 2 --epochs 1 --threads 1 --workers 1"
    run = ["train_imagenet", "--data", data, "--out", tmp_path, *how.split(), "--dtype", "mixed"]
    done = mpi(2, *run, "--parallel", "towers")
    assert done.returncode == 0 and "done: top-1" in done.stdout, done.stderr


def test_each_rank_validates_its_own_images(monkeypatch, tmp_path):
    packed = Packed(tmp_path, ("a", "b", "c"), np.full((256, 256, 3), 127, "float32"), Noise(10), Noise(5), {})
    config = train.Config("noise", "paper", 1 / 16, packed.classes, replace(RECIPES["small"], batch=4))
    plain, seen = train.evaluate, []

    def watched(layers, params, state, batches, **how):
        batches = list(batches)
        seen.extend(len(t) for _, t in batches)
        return plain(layers, params, state, batches, **how)

    monkeypatch.setattr(train, "evaluate", watched)
    for writing in ("_write", "_show"):
        monkeypatch.setattr(train.Trainer, writing, lambda self, now: None)

    def work(ranks, xp):
        team = TEAMS["data"](ranks, Nccl(ranks, xp), xp)
        snapshot = train.start(config, packed, xp=xp)
        snapshot.sums = {"images": 10, "seconds": 1.0, "loss": 20.0, "top1": 2, "waited": 0.0}
        train.Trainer(config, packed, snapshot, config.network().layers, tmp_path, xp, team=team)._finish_epoch()
        return snapshot.history[0]["val_loss"]

    first, second = on_threads(2, work, monkeypatch)
    assert first == second and sum(seen) == 5, "of both together"
