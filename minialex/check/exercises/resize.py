"""The shorter side to 256, then the central 256x256 (section 2)."""

import numpy as np
from PIL import Image

from minialex.check.cases import RESULT, SEED, Case, Exercise, function_case
from minialex.data.decode import resize_crop

HINTS = (
    "Which side is the shorter one? It becomes 256. The longer one is multiplied by the same number, rounded down: "
    "256 * longer // shorter.",
    "Pillow's resize takes (width, height), NumPy's shape is (height, width). Image.fromarray and np.asarray lead from "
    "one to the other; the filter is Image.Resampling.BILINEAR, which averages where an image gets smaller.",
    "After the resize cut out 256 rows and 256 columns, as many left out before them as after.",
)
SIDE = 256
LEVELS = 3 / 255  # two bilinear resizers may differ by two grey levels


def resized(image, height, width, filter=Image.Resampling.BILINEAR):
    """uint8 (height,width,3)."""
    return np.asarray(Image.fromarray(image).resize((width, height), filter))


def cut(image, top, left):
    """256x256 of it."""
    return image[top : top + SIDE, left : left + SIDE]


def centre(image):
    """The central 256x256."""
    return cut(image, (image.shape[0] - SIDE) // 2, (image.shape[1] - SIDE) // 2)


def new_size(height, width):
    """What the sides become."""
    shorter = min(height, width)
    return SIDE * height // shorter, SIDE * width // shorter


def size_mistakes(sizes):
    """Known mistakes: (words, function that gives the wrong result)."""
    for words, wrong in (
        (
            "the longer side becomes 256: it should be the shorter one",
            lambda h, w: (SIDE * h // max(h, w), SIDE * w // max(h, w)),
        ),
        ("both sides become 256: the picture is squashed", lambda h, w: (SIDE, SIDE)),
        ("height and width are exchanged", lambda h, w: new_size(h, w)[::-1]),
        ("the height becomes 256 always: it should be the shorter side", lambda h, w: (SIDE, SIDE * w // h)),
        ("the width becomes 256 always: it should be the shorter side", lambda h, w: (SIDE * h // w, SIDE)),
        (
            "the longer side is rounded up: it should be rounded down",
            lambda h, w: (-(-SIDE * h // min(h, w)), -(-SIDE * w // min(h, w))),
        ),
        (
            "the longer side is rounded to the nearest: it should be rounded down",
            lambda h, w: (round(SIDE * h / min(h, w)), round(SIDE * w / min(h, w))),
        ),
        (
            "the longer side stays as it is: both are scaled by one number",
            lambda h, w: (SIDE, w) if h < w else (h, SIDE),
        ),
        ("224 in place of 256", lambda h, w: (224 * h // min(h, w), 224 * w // min(h, w))),
        (
            "small images stay as they are: they should be made larger",
            lambda h, w: (h, w) if min(h, w) < SIDE else new_size(h, w),
        ),
    ):
        yield words, lambda wrong=wrong: np.array([wrong(h, w) for h, w in sizes])


def crop_mistakes(image):
    """Known mistakes: (words, function that gives the wrong result)."""
    H, W, _ = image.shape
    height, width = new_size(H, W)
    whole = resized(image, height, width)
    F = Image.Resampling
    yield from (
        (
            "squashed: both sides are resized to 256; keep the aspect ratio, then cut",
            lambda: resized(image, SIDE, SIDE),
        ),
        ("the top left corner is cut out: it should be the centre", lambda: cut(whole, 0, 0)),
        (
            "the bottom right corner is cut out: it should be the centre",
            lambda: cut(whole, height - SIDE, width - SIDE),
        ),
        (
            "the cut begins in the middle: it begins half of what is left over from the edge",
            lambda: cut(whole, min(height // 2, height - SIDE), min(width // 2, width - SIDE)),
        ),
        ("cut first, then resized: the whole shorter side is kept", lambda: centre(image)),
        (
            "a square of the shorter side is cut at the top left before resizing",
            lambda: resized(np.ascontiguousarray(image[: min(H, W), : min(H, W)]), SIDE, SIDE),
        ),
        (
            "the nearest pixel is taken: use BILINEAR, which averages",
            lambda: centre(resized(image, height, width, F.NEAREST)),
        ),
        ("bicubic: use BILINEAR", lambda: centre(resized(image, height, width, F.BICUBIC))),
        ("Lanczos: use BILINEAR", lambda: centre(resized(image, height, width, F.LANCZOS))),
        ("the box filter: use BILINEAR", lambda: centre(resized(image, height, width, F.BOX))),
        ("rows and columns are exchanged", lambda: centre(whole).swapaxes(0, 1)),
        ("the colours are in the order BGR", lambda: centre(whole)[..., ::-1]),
        ("upside down", lambda: centre(whole)[::-1]),
        ("mirrored", lambda: centre(whole)[:, ::-1]),
        ("not cut: the longer side is still there", lambda: whole),
        ("height and width are exchanged in the resize", lambda: centre(resized(image, width, height))),
    )


def picture(height, width):
    """Waves, so that a shift by one pixel shows, with fine noise, so that the filter does. uint8 (height,width,3)."""
    row, column, colour = np.ogrid[:height, :width, :3]
    waves = 128 + 50 * np.sin(row / 7 + colour) + 40 * np.cos(column / 9 - 2 * colour)
    noise = np.random.default_rng(SEED).integers(-30, 31, (height, width, 3))
    return np.clip(waves + noise, 0, 255).astype(np.uint8)


def _cases():
    sizes = [(300, 500), (500, 300), (500, 333), (256, 400), (401, 401), (100, 77)]

    def sizes_of(learner, sizes):
        return {"sizes": np.array([[int(side) for side in learner.call("resized_size", h, w)] for h, w in sizes])}

    yield Case(
        stage=RESULT,
        about="resized_size",
        inputs=dict(sizes=sizes),
        call=sizes_of,
        want={"sizes": np.array([new_size(*size) for size in sizes])},
        known=lambda name: size_mistakes(sizes),
    )
    for about, height, width, edge in (
        ("wide", 300, 720, False),
        ("tall", 480, 320, False),
        ("as large as it shall be", 256, 256, True),
        ("small", 128, 160, True),
    ):
        image = picture(height, width)
        yield function_case(
            "resize_crop",
            f"resize_crop, {about}",
            dict(image=image),
            resize_crop(image),
            edge=edge,
            output="image",
            tolerance=LEVELS,
            known=lambda name, i=image: crop_mistakes(i),
        )


EXERCISE = Exercise("resize", ("resized_size", "resize_crop"), HINTS, lambda: list(_cases()))
