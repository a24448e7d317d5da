"""How well a network does (section 6): its loss, top-1 and top-5, for one crop or ten; and what looks alike to it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np  # for what has left the network, and its device

from minialex import network
from minialex.backend import to_numpy, xp_of
from minialex.ops import Ops, reference, softmax


@dataclass(frozen=True)
class Score:
    """The mean loss, and the shares of images whose label is the likeliest class, or among the five likeliest."""

    loss: float
    top1: float
    top5: float


def evaluate(layers, params, state, batches: Iterable, *, ops: Ops = reference, total: Callable = lambda *own: own):
    """The Score of a network over batches of images x (N,H,W,C) and labels t (N,), in its testing form.

    A smaller batch counts for as many images as it has. A GPU is waited for once, at the end.
    total(sums, count): from the sums over the images of this process, and their count, those over the images of all.
    Raises ValueError where there is no batch.
    """
    sums, count = 0.0, 0
    for x, t in batches:
        logits, _ = network.forward(layers, params, x, state=state, train=False, ops=ops)
        loss, _ = ops.softmax_cross_entropy.forward(logits, t)
        sums += xp_of(loss).stack((loss * len(t), correct(logits, t, 1), correct(logits, t, 5))).astype("float64")
        count += len(t)
    sums, count = total(sums, count)
    if not count:
        raise ValueError("nothing to evaluate: there was no batch")
    return Score(*(to_numpy(sums) / count).tolist())


def probabilities(layers, params, state, batches: Iterable, *, ops: Ops = reference) -> tuple[np.ndarray, np.ndarray]:
    """What a network takes each image for, the softmax outputs of an image's crops averaged (section 4.1).

    batches: of crops x (N*crops,H,W,C), an image's next to each other, and labels t (N,).
    Returns p float64 (images,M) and t (images,), on the host: means of several networks' p are those of section 6.
    In float64 no small probability is rounded to 0 or to another's, so that p ranks the classes as the logits do.
    Raises ValueError where there is no batch.
    """
    outputs, labels = [], []
    for x, t in batches:
        logits, _ = network.forward(layers, params, x, state=state, train=False, ops=ops)
        p = softmax(logits.astype("float64"))
        p = p.reshape(len(t), -1, p.shape[1]).mean(axis=1)  # (N*crops,M) -> (N,crops,M) -> (N,M)
        outputs.append(to_numpy(p))
        labels.append(to_numpy(t))
    if not labels:
        raise ValueError("nothing to evaluate: there was no batch")
    return np.concatenate(outputs), np.concatenate(labels)


def score(p: np.ndarray, t: np.ndarray) -> Score:
    """The score of probabilities p (N,M) against labels t (N,): the loss is the mean of -log p[t]."""
    right = np.maximum(p[np.arange(len(t)), t], np.finfo(p.dtype).tiny)  # a loss of 708 at most, not of infinity
    return Score(-float(np.log(right).mean()), float(hits(p, t, 1).mean()), float(hits(p, t, 5).mean()))


def class_errors(p: np.ndarray, t: np.ndarray, k: int) -> np.ndarray:
    """Each class's top-k error, float64 (M,), of probabilities p (N,M) and labels t (N,); NaN of one without images."""
    images = np.bincount(t, minlength=p.shape[1])
    wrong = np.bincount(t, ~hits(p, t, k), minlength=p.shape[1])
    return np.divide(wrong, images, out=np.full(len(images), np.nan), where=images > 0)


def correct(logits, t, k: int):
    """How many rows of logits (N,M) have their label t (N,) among the k largest: top-k of section 2."""
    return hits(logits, t, k).sum()


def hits(logits, t, k: int):
    """Which rows of logits (N,M), or of probabilities, have their label t (N,) among the k largest: bool (N,).

    Of equal ones the earlier class comes first, and a NaN is never among them. It is counted how many classes do not
    come after the label's: sorting them would take longer, and make the host wait for a GPU.
    """
    classes = xp_of(logits).arange(logits.shape[1])
    label = logits[xp_of(logits).arange(len(t)), t][:, None]  # (N,1)
    after = (logits < label) | ((logits == label) & (classes >= t[:, None]))  # itself too
    return (~after).sum(axis=1) < k


def features(layers, params, state, batches: Iterable, *, ops: Ops = reference) -> Iterator:
    """Yield the last hidden layer's activations, (N,4096) in the paper's network, for each batch x, t (section 6.1).

    It is all but the last of `layers`, in the testing form: dropout's factor there leaves the neighbours what they are.
    """
    for x, _ in batches:
        y, _ = network.forward(layers[:-1], params, x, state=state, train=False, ops=ops)
        yield y


def nearest(queries, blocks: Iterable, k: int = 6) -> tuple:
    """The k rows nearest to each query by Euclidean distance, among rows that come in blocks (section 6.1).

    One block and k rows a query are in memory at a time: a training set's activations may not fit there.

    queries: (Q,D).  blocks: of (B,D) each, rows counted on from block to block.
    Returns the rows' numbers (Q,k) and distances (Q,k), the nearest first, of equal ones the earlier.
    """
    xp = xp_of(queries)
    rows, distances = xp.empty((len(queries), 0), "int64"), xp.empty((len(queries), 0), queries.dtype)
    seen = 0
    for block in blocks:
        new = ((queries[:, None] - block) ** 2).sum(axis=2)  # (Q,B,D) -> (Q,B)
        numbers = xp.broadcast_to(xp.arange(seen, seen + len(block)), new.shape)
        seen += len(block)
        distances, rows = xp.concatenate([distances, new], axis=1), xp.concatenate([rows, numbers], axis=1)
        best = distances.argsort(axis=1, kind="stable")[:, :k]
        distances, rows = xp.take_along_axis(distances, best, axis=1), xp.take_along_axis(rows, best, axis=1)
    return rows, xp.sqrt(distances)
