"""Batches are a function of position; the thread that makes them hides no error and ends with its use."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from minialex.data.augment import center_crop, random_crop_mirror, subtract_mean
from minialex.data.batches import epoch_order, prefetch, train_batches, val_batches
from minialex.rng import AUGMENT, generator


class FakeSplit:
    """23 images of 8x8; image k has label 10 k, so that labels tell which images came."""

    labels = 10 * np.arange(23)
    pixels = np.random.default_rng(0).integers(0, 256, (23, 8, 8, 3), dtype=np.uint8)

    def __len__(self):
        return 23

    def images(self, indices):
        return self.pixels[indices]


MEAN = np.random.default_rng(1).uniform(0, 255, (8, 8, 3)).astype(np.float32)
ARGUMENTS = {"size": 5, "batch": 5, "seed": 3, "epoch": 2}


def train(**changes):
    return list(train_batches(FakeSplit(), MEAN, **(ARGUMENTS | changes)))


def assert_same(batches, others):
    for (x, t), (y, u) in zip(batches, others, strict=True):
        np.testing.assert_array_equal(x, y)
        np.testing.assert_array_equal(t, u)


def prefetchers():
    return [thread for thread in threading.enumerate() if thread.name == "minialex-prefetch"]


def test_an_epoch_is_a_permutation_of_its_own():
    order = epoch_order(1000, 3, 2)
    assert sorted(order) == list(range(1000))
    np.testing.assert_array_equal(order, epoch_order(1000, 3, 2))
    for other in (epoch_order(1000, 3, 3), epoch_order(1000, 4, 2), np.arange(1000)):
        assert (order != other).sum() > 900


def test_every_image_comes_once_and_the_last_batch_is_smaller():
    batches = train()
    assert [x.shape for x, _ in batches] == [(5, 5, 5, 3)] * 4 + [(3, 5, 5, 3)]
    assert all(x.dtype == np.float32 and t.dtype == np.int64 for x, t in batches)
    labels = np.concatenate([t for _, t in batches])
    np.testing.assert_array_equal(labels, 10 * epoch_order(23, 3, 2))


def test_a_batch_is_what_its_step_says():
    for step, (x, t) in enumerate(train(dtype="float64")):
        chosen = epoch_order(23, 3, 2)[5 * step : 5 * step + 5]
        crops = random_crop_mirror(FakeSplit.pixels[chosen], 5, generator(3, AUGMENT, 2, step))
        np.testing.assert_array_equal(x, subtract_mean(crops[0], MEAN, *crops[1:], "float64"))
        np.testing.assert_array_equal(t, 10 * chosen)


@pytest.mark.parametrize("ahead", [1, 3, 50])
def test_batches_do_not_depend_on_how_far_ahead_they_are_made(ahead):
    assert_same(train(), train(ahead=ahead))


@pytest.mark.parametrize("start", [0, 1, 4, 5, 6])
def test_an_epoch_goes_on_in_its_middle(start):
    assert_same(train(start_step=start), train()[start:])


@pytest.mark.parametrize("change", [{"seed": 4}, {"epoch": 3}])
def test_seed_and_epoch_change_order_and_crops(change):
    (x, t), (y, u) = train(batch=23)[0], train(batch=23, **change)[0]
    assert (t != u).any()
    assert (x[np.argsort(t)] != y[np.argsort(u)]).mean() > 0.5


def test_validation_takes_central_patches_in_order():
    batches = list(val_batches(FakeSplit(), MEAN, size=5, batch=10))
    assert [len(t) for _, t in batches] == [10, 10, 3]
    crops = center_crop(FakeSplit.pixels, 5)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), subtract_mean(crops[0], MEAN, *crops[1:]))
    np.testing.assert_array_equal(np.concatenate([t for _, t in batches]), FakeSplit.labels)


def test_arrays_go_to_the_device_on_the_consumers_thread():
    threads = []

    def asarray(array):
        threads.append(threading.current_thread())
        return "device", array

    xp = SimpleNamespace(asarray=asarray)
    for batches in (
        train_batches(FakeSplit(), MEAN, **ARGUMENTS, xp=xp),
        val_batches(FakeSplit(), MEAN, size=5, batch=5, xp=xp),
    ):
        for x, t in batches:
            assert x[0] == t[0] == "device"
    assert set(threads) == {threading.current_thread()}


def test_an_error_in_the_making_reaches_the_consumer():
    class Broken(FakeSplit):
        def images(self, indices):
            if 0 in indices:
                raise RuntimeError("shard 7 is gone")
            return super().images(indices)

    before = int(np.flatnonzero(epoch_order(23, 3, 2) == 0)[0]) // 5
    batches = train_batches(Broken(), MEAN, **ARGUMENTS)
    assert_same([next(batches) for _ in range(before)], train()[:before])
    with pytest.raises(RuntimeError, match="shard 7 is gone"):
        next(batches)
    assert not prefetchers()


def test_the_thread_ends_with_the_epoch():
    train()
    assert not prefetchers()


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_the_thread_ends_when_the_consumer_stops_early(taken):
    batches = train_batches(FakeSplit(), MEAN, **ARGUMENTS, ahead=1)
    for _ in range(taken):
        next(batches)
    assert len(prefetchers()) == min(taken, 1)
    batches.close()
    assert not prefetchers()


def test_the_thread_ends_when_the_consumer_fails():
    with pytest.raises(ZeroDivisionError):
        for _ in train_batches(FakeSplit(), MEAN, **ARGUMENTS):
            1 / 0  # noqa: B018
    assert not prefetchers()


def test_no_more_is_made_ahead_than_was_asked_for():
    made = []
    seen = threading.Semaphore(0)

    def items():
        for k in range(10):
            made.append(k)
            seen.release()
            yield k

    stream = prefetch(items(), ahead=2)
    assert next(stream) == 0
    for _ in range(3):  # one taken, two ahead
        assert seen.acquire(timeout=5)
    assert not seen.acquire(timeout=0.1)
    assert made == [0, 1, 2]
    assert list(stream) == list(range(1, 10))


def test_stop_iteration_and_items_of_any_value_pass_through():
    assert list(prefetch([None, (None, None), StopIteration], ahead=1)) == [None, (None, None), StopIteration]


@pytest.mark.parametrize("change", [{"batch": 0}, {"ahead": 0}])
def test_nonsense_is_refused(change):
    with pytest.raises(ValueError, match="expected at least 1"):
        train(**change)
