"""Ten patches of an image, and one answer from them (section 4.1)."""

from functools import partial

import numpy as np

from minialex.check.cases import SEED, Exercise, function_case
from minialex.ops import softmax

HINTS = (
    "Five places: top left, top right, bottom left, bottom right, centre. The last place along an axis is its length "
    "less the size of a patch; the centre begins at half of that, rounded down.",
    "A mirror image exchanges left and right: it reverses the axis of the columns, the second of an image's three. "
    "First come all five patches, then the mirror images of the same five, then the next image's ten.",
    "The ten softmax OUTPUTS are averaged: softmax first, then the mean over the ten; (N*10,M) reshaped to "
    "(N,10,M) has an image's ten side by side.",
)
ORDER = ("top left", "top right", "bottom left", "bottom right", "centre")


def five_places(H, W, size):
    """(top, left) of the five patches."""
    down, across = H - size, W - size
    return [(0, 0), (0, across), (down, 0), (down, across), (down // 2, across // 2)]


def crops(images, size, *, places=None, mirror=2, interleave=False, by_crop=False):
    """(N*10,size,size,C); the keywords are what people get wrong. mirror: the axis that is reversed."""
    _, H, W, _ = images.shape
    places = places or five_places(H, W, size)
    patches = np.stack([images[:, top : top + size, left : left + size] for top, left in places], axis=1)
    turned = np.flip(patches, axis=() if mirror is None else np.atleast_1d(mirror) + 1)  # (N,5,size,size,C)
    ten = np.stack([patches, turned], axis=2) if interleave else np.concatenate([patches, turned], axis=1)
    ten = ten.reshape(len(images), 10, size, size, -1)
    return (ten.swapaxes(0, 1) if by_crop else ten).reshape(-1, *ten.shape[2:])


def crop_mistakes(images, size):
    """Known mistakes: (words, function that gives the wrong result)."""
    _, H, W, _ = images.shape
    down, across = H - size, W - size
    right = five_places(H, W, size)
    swapped = [right[0], right[2], right[1], right[3], right[4]]
    for words, change in (
        ("the mirror images are upside down: left and right are exchanged, axis 2 of (N,H,W,C)", dict(mirror=1)),
        ("the mirror images are reversed both ways: only left and right are exchanged", dict(mirror=(1, 2))),
        ("the colours are reversed: a mirror image reverses axis 2 of (N,H,W,C)", dict(mirror=3)),
        ("the last five are not mirrored", dict(mirror=None)),
        (
            "order: each patch is followed by its mirror image; all five come first, then their mirror images",
            dict(interleave=True),
        ),
        ("order: the first patch of all images comes first; the ten of an image follow each other", dict(by_crop=True)),
        ("order: bottom left and top right are exchanged", dict(places=swapped)),
        ("order: the centre comes first; it should be the fifth", dict(places=[right[4], *right[:4]])),
        (
            "order: clockwise; it should be top left, top right, bottom left, bottom right",
            dict(places=[right[0], right[1], right[3], right[2], right[4]]),
        ),
        (
            "wrong offsets: the centre is rounded up (as H//2 - size//2 may be); it should be rounded down",
            dict(places=[*right[:4], (-(-down // 2), -(-across // 2))]),
        ),
        (
            "wrong offsets: the centre begins in the middle of the image",
            dict(places=[*right[:4], (min(H // 2, down), min(W // 2, across))]),
        ),
        (
            "wrong offsets: the last place is one too early",
            dict(places=[(0, 0), (0, across - 1), (down - 1, 0), (down - 1, across - 1), right[4]]),
        ),
        (
            "wrong offsets: the last place is one too early, and the centre with it",
            dict(places=five_places(H - 1, W - 1, size)),
        ),
        (
            "wrong offsets: height and width are exchanged",
            dict(places=[(min(t, down), min(s, across)) for t, s in five_places(W, H, size)]),
        ),
        ("the four corners are all the centre", dict(places=[right[4]] * 5)),
    ):
        yield words, partial(crops, images, size, **change)


def _over_ten(values):
    return values.reshape(-1, 10, values.shape[1])


def probability_mistakes(logits):
    """Known mistakes: (words, function that gives the wrong result)."""
    N, M = len(logits) // 10, logits.shape[1]
    p = softmax(logits)
    yield from (
        (
            "the logits are averaged, and softmax is taken of the mean: average the softmax outputs",
            lambda: softmax(_over_ten(logits).mean(axis=1)),
        ),
        ("the logits are averaged: softmax is missing", lambda: _over_ten(logits).mean(axis=1)),
        ("the sum of the ten: it should be the mean", lambda: _over_ten(p).sum(axis=1)),
        (
            "the mean of the logarithms, the geometric mean: it should be the mean of the probabilities",
            lambda: np.exp(_over_ten(np.log(p)).mean(axis=1)),
        ),
        ("the largest of the ten: it should be the mean", lambda: _over_ten(p).max(axis=1)),
        ("the first crop alone", lambda: _over_ten(p)[:, 0]),
        ("the centre crop alone", lambda: _over_ten(p)[:, 4]),
        ("the first five alone: their mirror images count too", lambda: _over_ten(p)[:, :5].mean(axis=1)),
        (
            "rows n, N + n, 2 N + n, ... are averaged: an image's ten follow each other",
            lambda: p.reshape(10, N, M).mean(axis=0),
        ),
        ("softmax is taken again of the mean", lambda: softmax(_over_ten(p).mean(axis=1))),
        ("the mean is taken over all images", lambda: np.broadcast_to(p.mean(axis=0), (N, M))),
        ("the mean over the classes: it should be over the ten", lambda: _over_ten(p).mean(axis=2)),
        ("softmax runs over the rows: it runs over the classes", lambda: _over_ten(softmax(logits.T).T).mean(axis=1)),
    )


def _cases():
    rng = np.random.default_rng(SEED)
    images = rng.integers(0, 256, (3, 12, 9, 3)).astype(float)
    for about, given, size, edge in (
        ("ten_crops", images, 5, False),
        ("ten_crops, patches as large as the image", images[:, :9], 9, True),
        ("ten_crops, one image", images[:1], 6, True),
    ):
        yield function_case(
            "ten_crops",
            about,
            dict(images=given, size=size),
            crops(given, size),
            edge=edge,
            known=lambda name, given=given, size=size: crop_mistakes(given, size),
        )
    logits = 2 * rng.standard_normal((30, 4))
    for about, given, edge in (
        ("ten_crop_probabilities", logits, False),
        ("ten_crop_probabilities, large logits", 1000 * logits, True),
    ):
        yield function_case(
            "ten_crop_probabilities",
            about,
            dict(logits=given),
            _over_ten(softmax(given)).mean(axis=1),
            edge=edge,
            output="p",
            known=lambda name, given=given: probability_mistakes(given),
        )


EXERCISE = Exercise("ten_crops", ("ten_crops", "ten_crop_probabilities"), HINTS, lambda: list(_cases()))
