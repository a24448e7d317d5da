"""Epoch order, batches, and the thread that makes them ahead of their use."""

import queue
import threading
from collections.abc import Iterable, Iterator

import numpy as np

from minialex.data.augment import center_crop, random_crop_mirror, subtract_mean
from minialex.data.packed import Split
from minialex.rng import AUGMENT, ORDER, generator


def epoch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which an epoch visits the n training images: a permutation, int64 (n,)."""
    return generator(seed, ORDER, epoch).permutation(n)


def train_batches(
    split: Split,
    mean: np.ndarray,
    *,
    size: int,
    batch: int,
    seed: int,
    epoch: int,
    start_step: int = 0,
    xp=np,
    dtype="float32",
    ahead: int = 2,
) -> Iterator:
    """The training batches of one epoch: random patches, mirrored or not, minus the mean image (section 4.1).

    Step s is decided by (seed, epoch, s) alone, so `start_step` goes on in the middle of an epoch with the
    very batches that would have come. The last batch may be smaller; it is trained on too.

    size: side of the patch in pixels.  batch: images in a batch.  ahead: batches made before they are wanted.
    Yields (x, t): x (n,size,size,3) of `dtype` and t (n,) int64, arrays of `xp`.
    """
    order = epoch_order(len(split), seed, epoch)

    def make(step: int):
        chosen = order[step * batch : (step + 1) * batch]
        rng = generator(seed, AUGMENT, epoch, step)
        crops = random_crop_mirror(split.images(chosen), size, rng)
        return subtract_mean(crops[0], mean, *crops[1:], dtype), split.labels[chosen]

    steps = range(start_step, _count(len(split), batch))
    return _to_device(prefetch(map(make, steps), ahead), xp)


def val_batches(
    split: Split, mean: np.ndarray, *, size: int, batch: int, xp=np, dtype="float32", ahead: int = 2
) -> Iterator:
    """The batches of validation: central patches minus the mean image, in the order of the split.

    Arguments and what is yielded: as `train_batches`.
    """

    def make(step: int):
        chosen = np.arange(step * batch, min((step + 1) * batch, len(split)))
        crops = center_crop(split.images(chosen), size)
        return subtract_mean(crops[0], mean, *crops[1:], dtype), split.labels[chosen]

    return _to_device(prefetch(map(make, range(_count(len(split), batch))), ahead), xp)


_END = StopIteration()  # in the queue: nothing follows


def prefetch(items: Iterable, ahead: int) -> Iterator:
    """Yield `items`, made on a thread of their own that keeps at most `ahead` of them waiting.

    An exception in the making is raised where the item was asked for. When the consumer stops early
    (break, an exception, close), the thread ends before the generator does.
    """
    if ahead < 1:
        raise ValueError(f"{ahead} batches ahead: expected at least 1")
    made = queue.SimpleQueue()
    slots = threading.Semaphore(ahead)  # free places; the maker waits here, so one release can end it
    stop = threading.Event()

    def work():
        try:
            for item in _while_free(items, slots, stop):
                made.put((item, None))
            made.put((None, _END))
        except BaseException as error:  # whatever it is, it belongs to the consumer
            made.put((None, error))

    thread = threading.Thread(target=work, name="minialex-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is _END:
                return
            if error is not None:
                raise error
            slots.release()
            yield item
    finally:
        stop.set()
        slots.release()
        thread.join()


def _while_free(items: Iterable, slots: threading.Semaphore, stop: threading.Event) -> Iterator:
    """Take the next item only when there is a place for it, and none once `stop` is set."""
    items = iter(items)
    while True:
        slots.acquire()
        if stop.is_set():
            return
        try:
            yield next(items)
        except StopIteration:
            return


def _to_device(batches: Iterable, xp) -> Iterator:
    """Arrays of `xp`, made on the consumer's thread: a device belongs to a thread."""
    for x, t in batches:
        yield xp.asarray(x), xp.asarray(t)


def _count(n: int, batch: int) -> int:
    if batch < 1:
        raise ValueError(f"a batch of {batch} images: expected at least 1")
    return -(-n // batch)
