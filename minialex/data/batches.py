"""Epoch order, batches, and the threads that make them ahead of their use.

What chance decides and the reading of images are the host's, on threads of their own. So are the pixels, where the
network runs on NumPy; else they are the device's, to which images go as bytes while it computes.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from minialex.backend import Uploader
from minialex.data.augment import Augmentation, Patches, center_patches, color_noise, random_patches, ten_patches
from minialex.data.packed import IMAGE, Split
from minialex.data.preprocess import Preprocessing
from minialex.rng import AUGMENT, ORDER, generator

AHEAD = 2  # batches made before they are wanted
BYTES_AHEAD = (AHEAD + 1) * prod(IMAGE)  # what _on_device has on the device for each image of a batch
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
    ahead: int = AHEAD,
    apply: Callable = Preprocessing.apply,
    rows: Callable[[int], slice] = slice,
) -> "Batches":
    """The training batches of one epoch: random patches, mirrored or not, with colour noise (section 4.1).

    Step s is decided by (seed, epoch, s) alone, so `start_step` goes on in the middle of an epoch with the
    very batches that would have come. The last batch may be smaller; it is trained on too.

    size: side of a patch in pixels.  batch: images in a batch.  covariance: (3,3) of the training pixels, for colour
    noise alone.  reshuffle: an order of its own for each epoch, else that of epoch 0 for all.
    ahead: batches made before they are wanted.  apply: Preprocessing.apply, or what does the same faster on `xp`.
    rows: those of a batch of n images that are wanted, by n; all of them, or the part of one among several processes.
    Yields (x, t): x (n,size,size,3) of `dtype` and t (n,) int64, arrays of `xp`.
    """
    order = epoch_order(len(split), seed, epoch if reshuffle else 0)

    def decide(step: int) -> _Decision:
        chosen = order[step * batch : (step + 1) * batch]
        rng, n = generator(seed, AUGMENT, epoch, step), len(chosen)
        patches = random_patches(n, size, rng, per_draw=augmentation.crops_per_draw)
        mine = rows(n)
        if augmentation.color == "none":
            return _Decision(chosen[mine], patches.of(mine))
        noise = color_noise(n, covariance, augmentation, rng)
        return _Decision(chosen[mine], patches.of(mine), noise[mine], augmentation.divisor)

    steps, most = range(start_step, _count(len(split), batch)), len(range(batch)[rows(batch)])
    return _batches(split, preprocessing, decide, steps, batch=most, xp=xp, dtype=dtype, ahead=ahead, apply=apply)


def test_batches(
    split: Split,
    preprocessing: Preprocessing,
    *,
    size: int,
    batch: int,
    crops: int = 1,
    xp=np,
    dtype="float32",
    ahead: int = AHEAD,
    apply: Callable = Preprocessing.apply,
) -> "Batches":
    """The batches of validation and test, in the order of the split: central patches, or ten an image (section 4.1).

    batch: patches in a batch, at most, but those of one image at least.  crops: 1 or 10 of an image, which come next to
    each other.  Other arguments: as `train_batches`.
    Yields (x, t): x (n crops,size,size,3) of `dtype` and t (n,) int64, arrays of `xp`.
    """
    if crops not in CROPS:
        raise ValueError(f"{crops} crops of an image: expected 1 or 10")
    images = max(batch // crops, 1) if batch > 0 else batch

    def decide(step: int) -> _Decision:
        chosen = np.arange(step * images, min((step + 1) * images, len(split)))
        return _Decision(chosen, CROPS[crops](len(chosen), size))

    steps = range(_count(len(split), images))
    return _batches(split, preprocessing, decide, steps, batch=images, xp=xp, dtype=dtype, ahead=ahead, apply=apply)


class Batches:
    """An iterator over batches, which also tells for how many seconds its consumer has `waited` for them."""

    def __init__(self, batches: Generator):
        self.waited = 0.0
        self._batches = batches

    def __iter__(self):
        return self

    def __next__(self):
        began = time.perf_counter()
        try:
            return next(self._batches)
        finally:
            self.waited += time.perf_counter() - began

    def close(self) -> None:
        """End early: the threads that make batches end before this returns."""
        self._batches.close()


@dataclass(frozen=True, eq=False)
class _Decision:
    """What a batch shall be: all that chance has a part in."""

    chosen: np.ndarray  # (n,) which images of the split
    patches: Patches
    noise: np.ndarray | None = None  # (n,3)
    divisor: float = 1.0


def _batches(
    split, preprocessing: Preprocessing, decide: Callable, steps, *, batch, xp, dtype, ahead, apply
) -> Batches:
    """The batches that `decide(step)` asks for; at most `batch` images are in one."""
    preprocessing = replace(preprocessing, mean=xp.asarray(preprocessing.mean))  # once: it is as large as four images

    def finish(images, decision: _Decision) -> tuple:
        how = {"noise": decision.noise, "divisor": decision.divisor, "dtype": dtype}
        x = apply(preprocessing, images, decision.patches, **how)
        return x, xp.asarray(split.labels[decision.chosen])

    def make(step: int) -> tuple:
        decision = decide(step)
        return finish(split.images(decision.chosen), decision)

    if xp is np:
        return Batches(prefetch(make, steps, ahead))
    return Batches(_on_device(split, decide, finish, steps, batch=batch, xp=xp, ahead=ahead))


def _on_device(split, decide: Callable, finish: Callable, steps, *, batch: int, xp, ahead: int) -> Generator:
    """Read and send images ahead, on threads; finish them on the consumer's thread, where the device computes."""
    lanes = [Uploader(xp, (batch, *IMAGE)) for _ in range(ahead + 1)]  # so many batches are under way at most

    def send(step: int) -> tuple:
        decision, lane = decide(step), lanes[step % len(lanes)]
        split.images(decision.chosen, out=lane.host(len(decision.chosen)))
        lane.send()
        return decision, lane

    sent = prefetch(send, steps, ahead)
    try:
        for decision, lane in sent:
            yield lane.received(lambda images, decision=decision: finish(images, decision))
    finally:
        sent.close()
        for lane in lanes:
            lane.close()


def prefetch(make: Callable, steps: Iterable, ahead: int) -> Generator:
    """Yield make(step) for each of `steps`, in their order, made on `ahead` threads that are as many steps ahead.

    An exception in the making is raised where its step is due. When the consumer stops early (break, an exception,
    close), the threads end before the generator does.
    """
    if ahead < 1:
        raise ValueError(f"{ahead} batches ahead: expected at least 1")
    under_way: deque[Future] = deque()
    pool = ThreadPoolExecutor(ahead, thread_name_prefix="minialex-prefetch")
    try:
        for step in steps:
            under_way.append(pool.submit(make, step))
            if len(under_way) > ahead:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _count(n: int, batch: int) -> int:
    if batch < 1:
        raise ValueError(f"a batch of {batch} images: expected at least 1")
    return -(-n // batch)
