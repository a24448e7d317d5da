"""Data parallelism: every rank ends with the numbers of one process, whatever the ranks and the batch."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from minialex import alexnet, network, train
from minialex.backend import to_numpy
from minialex.data.augment import Augmentation
from minialex.data.batches import train_batches
from minialex.data.preprocess import Preprocessing
from minialex.evaluate import evaluate
from minialex.ops import reference
from minialex.optim import Rates, init_velocity
from minialex.parallel import ALONE, DataParallel, Nccl
from minialex.parallel.data import LARGE, Sums, rows_of
from minialex.rng import DROPOUT, INIT, generator
from tests.parallel.test_towers import steps
from tests.parallel.threads import on_threads
from tests.test_standin import Noise


@pytest.mark.parametrize("images, size", [(128, 3), (7, 4), (3, 4), (1, 5), (8, 1)])
def test_the_rows_of_all_ranks_are_the_batch(images, size):
    rows = [rows_of(images, rank, size) for rank in range(size)]
    assert [row for part in rows for row in range(images)[part]] == list(range(images))
    lengths = [part.stop - part.start for part in rows]
    assert max(lengths) - min(lengths) <= 1


def test_a_rank_has_never_more_rows_of_a_smaller_batch():
    """A device's buffers are made for those of a full one."""
    for size in range(1, 9):
        for rank in range(size):
            lengths = [len(range(images)[rows_of(images, rank, size)]) for images in range(40)]
            assert lengths == sorted(lengths)


class Recorder:
    """A communicator of two ranks that have the same."""

    def __init__(self):
        self.begun, self.ended = [], 0

    def start_sum(self, array):
        assert array.ndim == 1 and array.flags.c_contiguous
        array *= 2
        self.begun.append(array.size)
        return self.end

    def end(self):
        self.ended += 1


def test_gradients_are_summed_in_large_buffers_as_they_come():
    comm, large = Recorder(), LARGE // 8  # numbers
    sums = Sums(comm)
    late = {"fc.W": np.ones((large // 4, 4)), "fc.b": np.full(10, 3.0)}
    sums.add(late)
    assert comm.begun == [large]
    early = {"a.W": np.full((2, 3), 5.0), "b.W": np.ones((large, 2)).T}
    sums.add(early)
    assert comm.begun == [large, 2 * large] and comm.ended == 0, "begun before the end is waited for"
    summed = sums.finish({name: None for name in ("a.W", "b.W", "fc.W", "fc.b")})
    assert list(summed) == ["a.W", "b.W", "fc.W", "fc.b"] and comm.ended == 3
    assert comm.begun[2:] == [6 + 10], "small ones together"
    for name, value in (late | early).items():
        assert summed[name].shape == value.shape
    assert (summed["a.W"] == 10).all() and (summed["b.W"] == 2).all() and (summed["fc.b"] == 6).all()


@pytest.mark.parametrize("variant, size, batch", [("paper", 2, 3), ("paper", 3, 2), ("owt", 2, 4)])
def test_steps_on_several_gpus_are_those_of_one_process(monkeypatch, variant, size, batch):
    """On the strict stand-in, over a communicator of NCCL's interface; with fewer images than ranks, too."""
    net = alexnet.build(variant, classes=4, width=1 / 16)
    rng = np.random.default_rng(0)
    x, t = 50 * rng.standard_normal((batch, *net.input_shape)), rng.integers(4, size=batch)
    expected = steps(ALONE, net, x, t, np)

    def work(ranks, xp):
        team = DataParallel(ranks, Nccl(ranks, xp), xp)
        team.whole = lambda snapshot: snapshot  # of every rank, for all are to have the same
        return steps(team, net, x, t, xp)

    results = on_threads(size, work, monkeypatch)
    for ours in results:
        for group in ("params", "velocity"):
            for name, value in getattr(expected, group).items():
                found = to_numpy(getattr(ours, group)[name])
                assert found.tobytes() == to_numpy(getattr(results[0], group)[name]).tobytes(), "on every rank"
                np.testing.assert_allclose(found, value, rtol=0, atol=1e-12 * np.abs(value).max(), err_msg=name)


def test_one_rank_has_the_bits_of_a_process_alone(monkeypatch):
    net = alexnet.build("bn", classes=4, width=1 / 16)
    rng = np.random.default_rng(0)
    x, t = 50 * rng.standard_normal((2, *net.input_shape)), np.array([3, 0])
    expected = steps(ALONE, net, x, t, np, dtype="float32")

    def work(ranks, xp):
        return steps(DataParallel(ranks, Nccl(ranks, xp), xp), net, x, t, xp, dtype="float32")

    (ours,) = on_threads(1, work, monkeypatch)
    for group in ("params", "velocity", "state"):
        for name, value in getattr(expected, group).items():
            assert to_numpy(getattr(ours, group)[name]).tobytes() == value.tobytes(), name


def test_losses_hits_and_statistics_are_weighted_by_images(monkeypatch):
    def work(ranks, xp):
        share = DataParallel(ranks, Nccl(ranks, xp), xp).share(3)
        loss, right = xp.asarray(np.array(1.0 + ranks.rank)), xp.asarray(np.array(1 + ranks.rank))
        total = to_numpy(share.total(loss, right, loss * 100))
        state = {"bn.mean": xp.full((2,), 1.0 + ranks.rank), "bn.var": xp.full((1, 1), 3.0)}
        return total.tolist(), {name: to_numpy(value).tolist() for name, value in share.statistics(state).items()}

    for total, state in on_threads(2, work, monkeypatch):  # two images, and one
        assert total == pytest.approx([4 / 3, 3, 300])
        assert state["bn.mean"] == pytest.approx([4 / 3, 4 / 3]) and state["bn.var"] == [[3.0]]


def test_a_rank_without_images_takes_part_and_does_not_count(monkeypatch):
    def work(ranks, xp):
        share = DataParallel(ranks, Nccl(ranks, xp), xp).share(1)
        total = to_numpy(share.total(xp.asarray(np.array(7.0)), xp.asarray(np.array(1))))
        whole = share.whole(xp.asarray(np.array([[5.0]])))
        return share.weight, share.rows, total.tolist(), whole is not None and to_numpy(whole).tolist()

    first, second = on_threads(2, work, monkeypatch)
    assert first == (1.0, slice(0, 1), [7.0, 1.0], [[5.0]])
    assert second == (0.0, slice(0, 1), [7.0, 1.0], False)


def test_the_shares_of_a_batch_are_the_batch(monkeypatch):
    """Crops, mirroring and colour noise of the whole batch, whoever makes them; the last batch is smaller."""
    split, preprocessing = Noise(11), Preprocessing(np.full((256, 256, 3), 100, "float32"))
    how = {"size": 224, "batch": 4, "seed": 3, "epoch": 1, "covariance": np.diag([9.0, 4.0, 1.0]) * 100}
    how["augmentation"] = Augmentation(crops_per_draw=3, color="stdev", divisor=1.1)
    whole = list(train_batches(split, preprocessing, **how))
    parts = [list(train_batches(split, preprocessing, rows=lambda n, r=r: rows_of(n, r, 3), **how)) for r in range(3)]
    assert len(whole) == 3
    for step, (x, t) in enumerate(whole):
        np.testing.assert_array_equal(np.concatenate([part[step][0] for part in parts]), x)
        np.testing.assert_array_equal(np.concatenate([part[step][1] for part in parts]), t)


def test_a_test_is_shared_though_a_rank_may_have_no_image(monkeypatch):
    net = alexnet.build("paper", classes=4, width=1 / 16)
    params, state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=np, dtype="float64")
    split = Noise(2)
    x = 50 * np.random.default_rng(0).standard_normal((2, *net.input_shape))
    expected = evaluate(net.layers, params, state, [(x, split.labels)])

    def work(ranks, xp):
        team = DataParallel(ranks, Nccl(ranks, xp), xp)
        own = team.split(split)
        mine = {name: xp.asarray(value) for name, value in params.items()}
        batches = [(xp.asarray(x[own.indices]), xp.asarray(own.labels))] if len(own) else []
        return evaluate(net.layers, mine, {}, batches, total=team.total)

    for score in on_threads(3, work, monkeypatch):
        assert (score.loss, score.top1, score.top5) == pytest.approx((expected.loss, expected.top1, expected.top5))


def test_a_step_that_does_not_share_is_off(monkeypatch):
    """What the equalities above would notice: a mask of a rank's own, or a loss over its own images."""
    net = alexnet.build("paper", classes=4, width=1 / 16)
    x, t = 50 * np.random.default_rng(0).standard_normal((3, *net.input_shape)), np.array([3, 0, 2])
    params, state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=np, dtype="float64")

    def gradients(rows, **changed):
        share = SimpleNamespace(**{"weight": 1.0, "ops": lambda ops: ops, "ready": print, "summed": dict} | changed)
        seen = {}
        how = {"rates": Rates(0, 0), "rng": generator(0, DROPOUT), "ops": reference, "share": share}
        how["check"] = lambda loss, logits, grads: seen.update(grads)
        share.ready = lambda grads: None
        train.step(net.layers, params, init_velocity(params), state, x[rows], t[rows], **how)
        return seen["fc6.W"]

    whole = gradients(slice(3))
    own_masks = 2 / 3 * gradients(slice(2)) + 1 / 3 * gradients(slice(2, 3))
    assert np.abs(own_masks - whole).max() > 1e-3 * np.abs(whole).max()


@pytest.mark.parametrize("ranks, batch", [(1, 6), (2, 7), (3, 7), (4, 6), (4, 3)])
def test_ten_steps_on_mpi_are_those_of_one_process(mpi, ranks, batch):
    done = mpi(ranks, "same_numbers", "data", "--batch", batch, "--width", 0.0625)
    assert done.returncode == 0, done.stdout + done.stderr
    differences = re.search("largest of all(.*)", done.stdout)[1].split()
    assert len(differences) == ranks
    assert all(float(one) < 1e-12 for one in differences), done.stdout
    assert ranks > 1 or set(differences) == {"0.0e+00"}


def test_the_bytes_of_a_step_are_those_of_the_parameters(mpi):
    done = mpi(2, "same_numbers", "data", "--batch", 2, "--width", 0.0625, "--steps", 1)
    net = alexnet.build("paper", classes=10, width=0.0625)
    params, _ = network.init(net.layers, net.input_shape, generator(0, INIT), xp=np, dtype="float64")
    loss_and_hits = 16
    expected = sum(value.nbytes for value in params.values()) + loss_and_hits
    assert f"a rank sent, in bytes a step: sum {expected:,}\n" in done.stdout
