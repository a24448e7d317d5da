"""Epoch order, batches, and the thread that makes them ahead of their use."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from minialex.data.augment import (
    Augmentation,
    center_patches,
    color_noise,
    random_patches,
    ten_patches,
)
from minialex.data.packed import Split
from minialex.data.preprocess import Preprocessing
from minialex.rng import AUGMENT, ORDER, generator

CROPS = {1: center_patches, 10: ten_patches}  # of an image at test time


def epoch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which an epoch visits the n training images: a permutation, int64 (n,)."""
    return generator(seed, ORDER, epoch).permutation(n)


def train_batches(
    split: Split,
    preprocessing: Preprocessing,
    *,
    size: int,
    batch: int,
    seed: int,
    epoch: int,
    augmentation: Augmentation = Augmentation(),  # noqa: B008  frozen
    covariance: np.ndarray | None = None,
    reshuffle: bool = True,
    start_step: int = 0,
    xp=np,
    dtype="float32",
    ahead: int = 2,
) -> "Batches":
    """The training batches of one epoch: random patches, mirrored or not, with colour noise (section 4.1).

    Step s is decided by (seed, epoch, s) alone, so `start_step` goes on in the middle of an epoch with the
    very batches that would have come. The last batch may be smaller; it is trained on too.

    size: side of a patch in pixels.  batch: images in a batch.  covariance: (3,3) of the training pixels, for colour
    noise alone.  reshuffle: an order of its own for each epoch, else that of epoch 0 for all.
    ahead: batches made before they are wanted.
    Yields (x, t): x (n,size,size,3) of `dtype` and t (n,) int64, arrays of `xp`.
    """
    order = epoch_order(len(split), seed, epoch if reshuffle else 0)

    def make(step: int):
        chosen = order[step * batch : (step + 1) * batch]
        rng, n = generator(seed, AUGMENT, epoch, step), len(chosen)
        patches = random_patches(n, size, rng, per_draw=augmentation.crops_per_draw)
        noise, divisor = None, 1.0
        if augmentation.color != "none":
            noise, divisor = color_noise(n, covariance, augmentation, rng), augmentation.divisor
        x = preprocessing.apply(split.images(chosen), patches, noise=noise, divisor=divisor, dtype=dtype)
        return x, split.labels[chosen]

    return Batches(make, range(start_step, _count(len(split), batch)), ahead, xp)


def test_batches(
    split: Split,
    preprocessing: Preprocessing,
    *,
    size: int,
    batch: int,
    crops: int = 1,
    xp=np,
    dtype="float32",
    ahead: int = 2,
) -> "Batches":
    """The batches of validation and test, in the order of the split: central patches, or ten an image (section 4.1).

    batch: patches in a batch, at most, but those of one image at least.  crops: 1 or 10 of an image, which come next to
    each other.  Other arguments: as `train_batches`.
    Yields (x, t): x (n crops,size,size,3) of `dtype` and t (n,) int64, arrays of `xp`.
    """
    if crops not in CROPS:
        raise ValueError(f"{crops} crops of an image: expected 1 or 10")
    images = max(batch // crops, 1) if batch > 0 else batch

    def make(step: int):
        chosen = np.arange(step * images, min((step + 1) * images, len(split)))
        patches = CROPS[crops](len(chosen), size)
        return preprocessing.apply(split.images(chosen), patches, dtype=dtype), split.labels[chosen]

    return Batches(make, range(_count(len(split), images)), ahead, xp)


class Batches:
    """An iterator over make(step) for each of `steps`, made ahead; `waited` is the seconds that its consumer waited."""

    def __init__(self, make: Callable, steps: Iterable[int], ahead: int, xp):
        self.waited = 0.0
        self._batches = _to_device(prefetch(map(make, steps), ahead), xp)

    def __iter__(self):
        return self

    def __next__(self):
        began = time.perf_counter()
        try:
            return next(self._batches)
        finally:
            self.waited += time.perf_counter() - began

    def close(self) -> None:
        """End early: the thread that makes batches ends before this returns."""
        self._batches.close()


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
