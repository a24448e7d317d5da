"""Batches are a function of position; the threads that make them hide no error and end with their use."""

import threading
import time

import numpy as np
import pytest

from minialex.backend import to_numpy
from minialex.data import batches
from minialex.data.augment import Augmentation, color_noise, random_patches
from minialex.data.batches import epoch_order, prefetch, train_batches
from minialex.data.preprocess import Preprocessing
from minialex.rng import AUGMENT, generator
from tests.strict_cupy import StandIn


class FakeSplit:
    """23 images; image k has label 10 k, so that labels tell which images came."""

    labels = 10 * np.arange(23)
    pixels = np.random.default_rng(0).integers(0, 256, (23, 256, 256, 3), dtype=np.uint8)

    def __len__(self):
        return 23

    def images(self, indices, *, out=None):
        return np.take(self.pixels, indices, axis=0, out=out)


MEAN = np.random.default_rng(1).uniform(0, 255, (256, 256, 3)).astype(np.float32)
COVARIANCE = np.array([[5000.0, 4000, 3000], [4000, 5500, 3500], [3000, 3500, 6000]])
ARGUMENTS = {"size": 9, "batch": 5, "seed": 3, "epoch": 2}
CODE2012 = Augmentation(crops_per_draw=2, color="stdev", divisor=1.1)


def train(split=None, **changes):
    return list(train_batches(split or FakeSplit(), Preprocessing(MEAN), **(ARGUMENTS | changes)))


def validate(**changes):
    return list(batches.test_batches(FakeSplit(), Preprocessing(MEAN), **({"size": 9, "batch": 10} | changes)))


def assert_same(some, others):
    for (x, t), (y, u) in zip(some, others, strict=True):
        np.testing.assert_array_equal(to_numpy(x), to_numpy(y), strict=True)
        np.testing.assert_array_equal(to_numpy(t), to_numpy(u), strict=True)


def prefetchers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("minialex-prefetch")]


# What is in a batch


def test_an_epoch_is_a_permutation_of_its_own():
    order = epoch_order(1000, 3, 2)
    assert sorted(order) == list(range(1000))
    np.testing.assert_array_equal(order, epoch_order(1000, 3, 2))
    for other in (epoch_order(1000, 3, 3), epoch_order(1000, 4, 2), np.arange(1000)):
        assert (order != other).sum() > 900


def test_a_seed_means_this_order_for_good():
    assert epoch_order(23, 3, 2)[:6].tolist() == [7, 15, 10, 9, 13, 20]


def test_every_image_comes_once_and_the_last_batch_is_smaller():
    made = train()
    assert [x.shape for x, _ in made] == [(5, 9, 9, 3)] * 4 + [(3, 9, 9, 3)]
    assert all(x.dtype == np.float32 and t.dtype == np.int64 for x, t in made)
    labels = np.concatenate([t for _, t in made])
    np.testing.assert_array_equal(labels, 10 * epoch_order(23, 3, 2))


def test_a_batch_is_what_its_step_says():
    """Written from the definition: first all offsets are drawn, then who is mirrored; pixel by pixel."""
    for step, (x, t) in enumerate(train()):
        chosen = epoch_order(23, 3, 2)[5 * step : 5 * step + 5]
        np.testing.assert_array_equal(t, 10 * chosen)
        rng = generator(3, AUGMENT, 2, step)
        offsets = rng.integers(0, 256 - 9 + 1, size=(len(chosen), 2))
        mirrored = rng.random(len(chosen)) < 0.5
        for n, image in enumerate(chosen):
            for i in range(9):
                for j in range(9):
                    row, column = offsets[n, 0] + i, offsets[n, 1] + (8 - j if mirrored[n] else j)
                    pixel = FakeSplit.pixels[image, row, column].astype(np.float32) - MEAN[row, column]
                    assert x[n, i, j].tolist() == pixel.tolist()


def test_colour_noise_is_drawn_after_the_patches_by_the_same_generator():
    plain = train(augmentation=Augmentation(crops_per_draw=2), dtype="float64")
    noisy = train(augmentation=CODE2012, covariance=COVARIANCE, dtype="float64")
    for step, ((x, _), (y, _)) in enumerate(zip(plain, noisy, strict=True)):
        rng = generator(3, AUGMENT, 2, step)
        random_patches(len(x), 9, rng, per_draw=2)
        noise = color_noise(len(x), COVARIANCE, CODE2012, rng)
        np.testing.assert_allclose(1.1 * y - x, np.broadcast_to(noise[:, None, None], x.shape), atol=1e-10)
        assert len(np.unique(noise)) == noise.size > 3


def test_the_divisor_belongs_to_the_noise():
    assert_same(train(), train(augmentation=Augmentation(divisor=1.1)))


def test_neighbours_share_a_draw():
    x, t = train(batch=23, augmentation=Augmentation(crops_per_draw=4))[0]
    rng = generator(3, AUGMENT, 2, 0)
    patches = random_patches(23, 9, rng, per_draw=4)
    assert len(np.unique(patches.offsets, axis=0)) == 6
    np.testing.assert_array_equal(x, Preprocessing(MEAN).apply(FakeSplit.pixels[t // 10], patches))


@pytest.mark.parametrize("start", [0, 1, 4, 5, 6])
def test_an_epoch_goes_on_in_its_middle(start):
    assert_same(train(start_step=start), train()[start:])


@pytest.mark.parametrize("change", [{"seed": 4}, {"epoch": 3}])
def test_seed_and_epoch_change_order_and_crops(change):
    (x, t), (y, u) = train(batch=23)[0], train(batch=23, **change)[0]
    assert (t != u).any()
    assert (x[np.argsort(t)] != y[np.argsort(u)]).mean() > 0.5


def test_without_reshuffling_every_epoch_has_the_order_of_the_first_and_crops_of_its_own():
    first, third = (train(epoch=epoch, reshuffle=False) for epoch in (0, 2))
    assert_same(first, train(epoch=0))
    for (x, t), (y, u) in zip(first, third, strict=True):
        np.testing.assert_array_equal(t, u)
        assert (x != y).any()


def test_validation_takes_central_patches_in_order():
    made = validate()
    assert [len(t) for _, t in made] == [10, 10, 3]
    middle = slice(123, 132)
    expected = (FakeSplit.pixels - MEAN)[:, middle, middle]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in made]), expected)
    np.testing.assert_array_equal(np.concatenate([t for _, t in made]), FakeSplit.labels)


@pytest.mark.parametrize(("batch", "images"), [(40, 4), (49, 4), (9, 1), (1, 1)])
def test_ten_crops_of_an_image_are_next_to_each_other(batch, images):
    made = validate(batch=batch, crops=10)
    assert [len(t) for _, t in made[:-1]] == [images] * (22 // images)
    x, t = (np.concatenate(arrays) for arrays in zip(*made, strict=True))
    assert x.shape == (230, 9, 9, 3) and t.tolist() == FakeSplit.labels.tolist()
    differences = FakeSplit.pixels - MEAN
    for image in (0, 7, 22):
        corner = differences[image, :9, -9:]
        np.testing.assert_array_equal(x[10 * image + 1], corner)
        np.testing.assert_array_equal(x[10 * image + 6], corner[:, ::-1])


@pytest.mark.parametrize(
    ("change", "told"),
    [({"batch": 0}, "a batch of 0"), ({"ahead": 0}, "0 batches ahead")],
)
def test_nonsense_is_refused(change, told):
    for make in (train, validate):
        with pytest.raises(ValueError, match=f"{told}.*: expected at least 1"):
            make(**change)


def test_one_crop_or_ten():
    with pytest.raises(ValueError, match="5 crops of an image: expected 1 or 10"):
        validate(crops=5)


# On a device


def test_a_device_gets_bytes_and_makes_the_same_bits():
    """Copies to the stand-in's device come as late as they may: a buffer that is filled too early is noticed."""
    xp = StandIn()
    arguments = {"augmentation": CODE2012, "covariance": COVARIANCE, "ahead": 1}
    preprocessing = Preprocessing(MEAN, central=True, scale=(1.0, 0.5, 2.0), order="BGR")
    made = list(train_batches(FakeSplit(), preprocessing, **ARGUMENTS, **arguments, xp=xp))
    assert xp.downloads == []
    assert all(type(x) is type(t) is xp.ndarray for x, t in made)
    assert_same(made, train_batches(FakeSplit(), preprocessing, **ARGUMENTS, **arguments))
    images = [shape for shape in xp.uploads if len(shape) == 4]
    assert images == [(5, 256, 256, 3)] * 4 + [(3, 256, 256, 3)]
    assert xp.uploads[0] == (256, 256, 3), "the mean, once"
    assert max(np.prod(shape) for shape in xp.uploads[1:] if shape not in images) < 100
    for crops in (1, 10):
        assert_same(validate(crops=crops, xp=xp), validate(crops=crops))


def test_pixels_are_the_consumers_threads_on_a_device_and_the_prefetchers_on_numpy():
    threads = set()

    def noted(*args, **kwargs):
        threads.add(threading.current_thread())
        return Preprocessing.apply(*args, **kwargs)

    train(xp=StandIn(), apply=noted)
    assert threads == {threading.current_thread()}
    threads.clear()
    train(apply=noted)
    assert threads and threading.current_thread() not in threads


def test_copies_under_way_are_waited_for_when_the_consumer_stops_early():
    xp, streams = StandIn(), []
    plain = xp.cuda.Stream
    xp.cuda.Stream = lambda **kwargs: streams.append(plain(**kwargs)) or streams[-1]
    stream = train_batches(FakeSplit(), Preprocessing(MEAN), **ARGUMENTS, xp=xp)
    next(stream)
    deadline = time.monotonic() + 5
    while [len(one.queue) for one in streams] != [2, 2, 2] and time.monotonic() < deadline:
        time.sleep(0.001)  # until the two batches that are made ahead are on their way
    assert [one.done for one in streams] == [2, 0, 0]
    stream.close()
    assert [one.done for one in streams] == [2, 2, 2]


def test_a_copy_that_begins_while_the_consumer_stops_is_waited_for_too():
    reading, xp, streams = threading.Event(), StandIn(), []

    class Slow(FakeSplit):
        def images(self, indices, *, out=None):
            if epoch_order(23, 3, 2)[5] in indices:  # the second batch
                reading.set()
                time.sleep(0.05)
            return super().images(indices, out=out)

    plain = xp.cuda.Stream
    xp.cuda.Stream = lambda **kwargs: streams.append(plain(**kwargs)) or streams[-1]
    stream = train_batches(Slow(), Preprocessing(MEAN), **ARGUMENTS, xp=xp)
    next(stream)
    assert reading.wait(timeout=5)
    stream.close()
    assert len(streams[1].queue) == streams[1].done == 2


# How they are made


@pytest.mark.parametrize("ahead", [1, 3, 50])
def test_batches_do_not_depend_on_how_far_ahead_they_are_made(ahead):
    assert_same(train(), train(ahead=ahead))


def test_an_error_in_the_making_reaches_the_consumer():
    class Broken(FakeSplit):
        def images(self, indices, *, out=None):
            if 0 in indices:
                raise RuntimeError("shard 7 is gone")
            return super().images(indices, out=out)

    before = int(np.flatnonzero(epoch_order(23, 3, 2) == 0)[0]) // 5
    for xp in (np, StandIn()):
        stream = train_batches(Broken(), Preprocessing(MEAN), **ARGUMENTS, xp=xp)
        assert_same([next(stream) for _ in range(before)], train()[:before])
        with pytest.raises(RuntimeError, match="shard 7 is gone"):
            next(stream)
        assert not prefetchers()


def test_the_threads_end_with_the_epoch():
    train()
    assert not prefetchers()


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_the_threads_end_when_the_consumer_stops_early(taken):
    stream = train_batches(FakeSplit(), Preprocessing(MEAN), **ARGUMENTS, ahead=2)
    for _ in range(taken):
        next(stream)
    assert bool(prefetchers()) == (taken > 0)
    stream.close()
    assert not prefetchers()


def test_the_threads_end_when_the_consumer_fails():
    with pytest.raises(ZeroDivisionError):
        for _ in train_batches(FakeSplit(), Preprocessing(MEAN), **ARGUMENTS):
            1 / 0  # noqa: B018
    assert not prefetchers()


def test_no_more_is_made_ahead_than_was_asked_for():
    made = []
    seen = threading.Semaphore(0)

    def make(step):
        made.append(step)
        seen.release()
        return step

    stream = prefetch(make, range(10), ahead=2)
    assert next(stream) == 0
    for _ in range(3):  # one taken, two ahead
        assert seen.acquire(timeout=5)
    assert not seen.acquire(timeout=0.1)
    assert sorted(made) == [0, 1, 2]
    assert list(stream) == list(range(1, 10))


def test_what_is_made_out_of_order_comes_in_order():
    done = [threading.Event() for _ in range(6)]

    def make(step):
        if step % 2 == 0:
            assert done[step + 1].wait(timeout=5)  # an even step ends after the odd one that follows it
        done[step].set()
        return step

    assert list(prefetch(make, range(6), ahead=2)) == list(range(6))


def test_stop_iteration_and_items_of_any_value_pass_through():
    items = [None, (None, None), StopIteration]
    assert list(prefetch(lambda step: items[step], range(3), ahead=1)) == items


def test_the_wait_is_told():
    class Slow(FakeSplit):
        def images(self, indices, *, out=None):
            time.sleep(0.02)
            return super().images(indices, out=out)

    stream = train_batches(Slow(), Preprocessing(MEAN), **ARGUMENTS)
    assert stream.waited == 0
    next(stream)
    first = stream.waited
    assert first >= 0.02
    assert len(list(stream)) == 4
    assert stream.waited >= first
