"""The embedded default data set: ten classes of things on a table, drawn by code as photo-like images.

Colour, place, size, rotation and brightness are drawn alike for every class, so only shape and texture tell
the classes apart: a linear classifier on the pixels fails here and a convolutional network does not.
A scene is made in three steps: a ground, the things that lie on it (each with a colour and a height), and the
light, which reads shading and shadows off the heights. In a mirror every thing is still what it was.

An image is a function of (label, index, split) alone. To keep it the same from one platform to the next,
arrays meet only arithmetic that IEEE 754 fixes to the bit, and every corner is rounded before it is drawn.
"""

import colorsys
import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from minialex.data.sources import SPLITS, Source

SIZE = 256  # pixels a side
FINE = 2  # things are drawn this many times larger and then averaged, for smooth edges
REVISION = "2"  # raise it when images change, or sets that were prepared earlier keep the old ones
Colour = tuple[int, int, int]
Palette = tuple[Colour, Colour, Colour]


# ---- points and colours ------------------------------------------------------------------------------------


def polar(radius, turns) -> np.ndarray:
    """Points (n, 2) at a radius (a number or n of them) and at n fractions of a full turn."""
    angle = 2 * math.pi * np.asarray(turns, dtype=float)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.reshape(radius, (-1, 1))


_ROUND = polar(1.0, np.arange(60) / 60)


def circle(radius: float, centre=(0.0, 0.0), squash: float = 1.0) -> np.ndarray:
    """An ellipse as a polygon: `radius` high and `squash` times that wide."""
    return _ROUND * (radius * squash, radius) + centre


def rod(start, end, width: float) -> np.ndarray:
    """The four corners of a straight bar between two points."""
    start, end = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    along = (end - start) / math.dist(start, end)
    across = np.array([-along[1], along[0]]) * width / 2
    return np.stack([start + across, end + across, end - across, start - across])


def shade(colour: Colour, factor: float) -> Colour:
    """The same colour, darker (factor < 1) or lighter (factor > 1)."""
    return tuple(min(255, round(c * factor)) for c in colour)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A colour 0..255 from hue, saturation and value in 0..1; the hue wraps around."""
    return tuple(round(255 * c) for c in colorsys.hsv_to_rgb(hue % 1, saturation, value))


def palette(rng: np.random.Generator) -> Palette:
    """A light, a strong and a dark colour, in random order: no class owns a colour or a brightness."""
    hue = rng.random()
    colours = [
        hsv(hue + rng.uniform(-0.1, 0.1), rng.uniform(0.05, 0.4), rng.uniform(0.85, 1.0)),
        hsv(hue + rng.uniform(0.25, 0.5), rng.uniform(0.65, 1.0), rng.uniform(0.7, 0.95)),
        hsv(hue + rng.uniform(0.6, 0.8), rng.uniform(0.4, 0.9), rng.uniform(0.25, 0.5)),
    ]
    return tuple(colours[i] for i in rng.permutation(3))


class Canvas:
    """What lies on the ground: its colour (RGBA, transparent where there is nothing) and its height (pixels).

    Things are drawn in the current frame: a turned, slightly foreshortened disc of radius 1 in the picture.
    """

    def __init__(self):
        side = (SIZE * FINE, SIZE * FINE)
        self.paint, self.relief = Image.new("RGBA", side), Image.new("F", side)
        self._brush, self._chisel = ImageDraw.Draw(self.paint), ImageDraw.Draw(self.relief)

    def place(self, centre, radius: float, turn: float, squash: float = 1.0, tilt: float = 0.0):
        """Set the frame: centre and radius (pixels), rotation (turns), a squash along direction `tilt`."""
        (c, s), (ct, st) = polar(1.0, [turn, tilt])
        spin, lean = np.array([[c, s], [-s, c]]), np.array([[ct, st], [-st, ct]])
        self._matrix = FINE * radius * spin @ lean.T @ np.diag([1.0, squash]) @ lean
        self._centre, self._radius = FINE * np.asarray(centre), radius

    def fill(self, points: np.ndarray, colour: Colour | None, height: float):
        """Fill a polygon with a colour at a height; colour None cuts a hole down to the ground."""
        corners = self._corners(points)
        self._brush.polygon(corners, fill=(0, 0, 0, 0) if colour is None else (*colour, 255))
        self._chisel.polygon(corners, fill=height)

    def dome(self, radius: float, centre=(0.0, 0.0), low: float = 6.0, high: float = 0.6):
        """Bulge what is painted in a circle: from `low` pixels at its edge, up by `high` times its radius."""
        for r, up in polar(1.0, np.arange(40) / 160).tolist():
            height = low + high * radius * self._radius * up
            self._chisel.polygon(self._corners(circle(radius * r, centre)), fill=height)

    def _corners(self, points: np.ndarray) -> list[float]:
        return np.round(points @ self._matrix + self._centre, 1).ravel().tolist()


# ---- the ten classes: each fills the unit disc of the canvas's frame ---------------------------------------


def ball(canvas: Canvas, colours: Palette, rng: np.random.Generator):
    """A beach ball: panels that meet in two poles."""
    for i, squash in enumerate((1.0, 0.88, 0.62, 0.22) if rng.random() < 0.5 else (1.0, 0.72, 0.3)):
        canvas.fill(circle(1.0, squash=squash), colours[i % 3], 6)
    canvas.dome(1.0)


def chessboard(canvas: Canvas, colours: Palette, rng: np.random.Generator):
    """A square board of light and dark fields in a frame."""
    n = int(rng.integers(4, 7))
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    canvas.fill(square * 0.76, colours[2], 11)
    for i in range(n * n):
        corner = (np.array(divmod(i, n)) * 2 - n + 1) / n
        canvas.fill((square / n + corner) * 0.67, colours[sum(divmod(i, n)) % 2], 9)


def die(canvas: Canvas, colours: Palette, rng: np.random.Generator):
    """A cube seen from a corner, with one to six round pips on each of its three faces."""
    pips = {1: [4], 2: [0, 8], 3: [0, 4, 8], 4: [0, 2, 6, 8], 5: [0, 2, 4, 6, 8], 6: [0, 2, 3, 5, 6, 8]}
    for face, count in enumerate(rng.permutation(6)[:3] + 1):
        edges = polar(0.98, [face / 3, face / 3 + 1 / 3])
        dim = 1 - 0.22 * face
        canvas.fill(np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) @ edges, shade(colours[0], dim), 14)
        for pip in pips[int(count)]:
            spot = circle(0.115, (np.array(divmod(pip, 3)) - 1) * 0.29 + 0.5)
            canvas.fill(spot @ edges, shade(colours[1], dim), 12)


def doughnut(canvas: Canvas, colours: Palette, rng: np.random.Generator):
    """A ring with wavy icing and sprinkles."""
    canvas.fill(circle(1.0), colours[0], 11)
    turns = np.arange(72) / 72
    waves = polar(0.05, turns * rng.integers(6, 10))[:, 0] + polar(0.03, turns * 4 + rng.random())[:, 1]
    canvas.fill(polar(0.87 + waves, turns), colours[1], 15)
    for turn in (np.arange(22) + rng.uniform(-0.3, 0.3, 22)) / 22:
        centre = polar(rng.uniform(0.5, 0.76), [turn])[0]
        half = polar(0.07, [rng.random()])[0]
        canvas.fill(rod(centre - half, centre + half, 0.055), hsv(rng.random(), 0.8, 0.95), 17)
    canvas.fill(circle(0.36), colours[0], 11)
    canvas.fill(circle(0.3), None, 0)


def flower(canvas: Canvas, colours: Palette, rng: np.random.Generator):
    """Petals around a round centre."""
    n = int(rng.integers(6, 10))
    for i in [*range(0, n, 2), *range(1, n, 2)]:
        cos, sin = polar(1.0, [i / n])[0]
        petal = circle(0.38, (0.0, 0.62), squash=4.2 / n) @ np.array([[cos, sin], [-sin, cos]])
        canvas.fill(petal, shade(colours[0], 0.8 + 0.2 * (i % 2)), 10 + 4 * (i % 2))
    canvas.fill(circle(0.3), colours[1], 12)
    for turn in range(8):
        canvas.fill(circle(0.05, polar(0.17, [turn / 8])[0]), colours[2], 14)
    canvas.fill(circle(0.06), colours[2], 14)


def gear(canvas: Canvas, colours: Palette, rng: np.random.Generator):
    """A cogwheel: square teeth, a raised rim and a hole for the axle."""
    n = int(rng.integers(9, 13))
    turns = (np.arange(n)[:, None] + np.array([0.0, 0.1, 0.4, 0.5])).ravel() / n
    canvas.fill(polar(np.tile([0.76, 1.0, 1.0, 0.76], n), turns), colours[0], 13)
    canvas.fill(circle(0.56), shade(colours[0], 0.75), 9)
    canvas.fill(circle(0.36), colours[0], 14)
    canvas.fill(circle(0.18), None, 0)


def leaf(canvas: Canvas, colours: Palette, rng: np.random.Generator):
    """A pointed leaf with a toothed edge, a stalk, a midrib and side veins."""
    t = np.arange(33) / 32  # from the tip to the stalk
    width = rng.uniform(1.7, 2.2) * t * (1 - t) * (1 + t) * (1 - 0.14 * (np.arange(33) % 2))
    side = np.stack([width, 1.7 * t - 1], axis=1)
    canvas.fill(np.concatenate([side, side[::-1] * (-1, 1)]), colours[0], 10)
    canvas.fill(rod((0, 1.0), (0, -0.8), 0.07), colours[1], 13)
    for i in range(5):
        reach = width[26 - 4 * i] * 0.75
        for mirror in (-1, 1):
            canvas.fill(rod((0, 0.55 - 0.23 * i), (mirror * reach, 0.3 - 0.23 * i), 0.045), colours[1], 12)


def lollipop(canvas: Canvas, colours: Palette, rng: np.random.Generator):
    """A disc with a spiral on a stick."""
    centre = (0.0, -0.34)
    canvas.fill(rod((0, 0), (0, 1), 0.1), colours[2], 9)
    canvas.fill(circle(0.66, centre), colours[0], 12)
    hand, start, windings = rng.choice([-1, 1]), rng.random(), rng.uniform(2.3, 3.2)
    t = np.arange(81) / 80
    longer = t * (windings + 0.5)  # the last half winding follows the rim
    outer = polar(0.66 * np.minimum(longer / windings, 1), hand * longer + start)
    inner = polar(0.66 * t, hand * (t * windings + 0.5) + start)
    canvas.fill(np.concatenate([outer, inner[::-1]]) + centre, colours[1], 12)
    canvas.dome(0.66, centre, high=0.3)


def star(canvas: Canvas, colours: Palette, rng: np.random.Generator):
    """A five-pointed star, each point folded along its middle."""
    rim = polar(np.tile([1.0, rng.uniform(0.4, 0.48)], 5), np.arange(10) / 10)
    for i in range(10):
        facet = np.stack([rim[i], rim[(i + 1) % 10], (0, 0)])
        canvas.fill(facet, shade(colours[0], 0.7 + 0.3 * (i % 2)), 12)


def wheel(canvas: Canvas, colours: Palette, rng: np.random.Generator):
    """A cart wheel: tyre, rim, thin spokes with gaps between them, and a hub."""
    canvas.fill(circle(1.0), colours[0], 14)
    canvas.fill(circle(0.84), colours[1], 12)
    canvas.fill(circle(0.73), None, 0)
    n = int(rng.integers(6, 10))
    for i in range(n):
        canvas.fill(rod((0, 0), polar(0.77, [i / n])[0], 0.09), colours[1], 11)
    canvas.fill(circle(0.2), colours[0], 14)
    canvas.fill(circle(0.09), colours[2], 15)


_DRAWN: tuple[Callable, ...] = (ball, chessboard, die, doughnut, flower, gear, leaf, lollipop, star, wheel)
CLASSES = tuple(function.__name__ for function in _DRAWN)


# ---- ground, clutter, light -------------------------------------------------------------------------------


def noise(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A smooth random field (256, 256) in about -1..1 with so many bumps down and across."""
    coarse = rng.random((rows, columns), dtype=np.float32) * 2 - 1
    return np.asarray(Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def ground(rng: np.random.Generator) -> Image.Image:
    """The surface that things lie on, in two colours: wood, cloth, stone, tiles or a meadow out of focus."""
    hue, saturation, value = rng.random(), rng.uniform(0.05, 0.35), rng.uniform(0.45, 1.0)
    main, other = hsv(hue, saturation, value), hsv(hue + rng.uniform(-0.15, 0.15), saturation, value * 0.68)
    kind = rng.integers(5)
    if kind == 0:  # wood: long fibres, and joints between the planks
        pattern = 0.5 * noise(rng, 40, 3) + 0.5 * noise(rng, 128, 4)
        pattern[:: int(rng.integers(40, 64))] = 2.0
    elif kind == 1:  # cloth: two sets of threads
        pattern = 0.4 * noise(rng, 128, 5) + 0.4 * noise(rng, 5, 128) + 0.4 * noise(rng, 5, 5)
    elif kind == 2:  # stone: bumps of every size
        pattern = sum(noise(rng, n, n) / k for k, n in ((1.5, 6), (2, 20), (3, 60), (3, 160)))
    elif kind == 3:  # tiles: a plain colour a tile, and grooves
        step = int(rng.integers(44, 76))
        tone = rng.random((6, 6), dtype=np.float32) - 0.7
        pattern = tone.repeat(step, 0).repeat(step, 1)[:SIZE, :SIZE] + 0.2 * noise(rng, 60, 60)
        pattern[::step] = pattern[1::step] = pattern[:, ::step] = pattern[:, 1::step] = 1.0
    else:  # meadow, out of focus
        pattern = 0.9 * noise(rng, 9, 9) + 0.5 * noise(rng, 24, 24)
    if rng.random() < 0.5:
        pattern = pattern.T
    mix = Image.fromarray(np.clip(102 + 128 * pattern, 0, 255).astype(np.uint8))
    return Image.composite(Image.new("RGB", mix.size, other), Image.new("RGB", mix.size, main), mix)


def clutter(canvas: Canvas, rng: np.random.Generator, count: int, radii: tuple, height: float):
    """Plain discs, blocks, shards and sticks, anywhere: they occur with every class and tell nothing."""
    disc, block, shard = circle(1.0), rod((-1, 0), (1, 0), 1.0), polar(1.0, np.arange(3) / 3)
    shapes = (disc, block, shard, rod((-2.2, 0), (2.2, 0), 0.25))
    for _ in range(count):
        canvas.place(rng.uniform(0, SIZE, 2), rng.uniform(*radii), rng.random(), rng.uniform(0.6, 1.0))
        colour = hsv(rng.random(), rng.uniform(0.0, 0.35), rng.uniform(0.3, 0.9))
        canvas.fill(shapes[rng.integers(len(shapes))], colour, height)


def soften(field: Image.Image, cell: int) -> np.ndarray:
    """A field blurred over about so many pixels, at the picture's size."""
    small = field.resize((SIZE // cell, SIZE // cell), Image.Resampling.BILINEAR)
    return np.asarray(small.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def light(relief: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """The brightness (256, 256) of every pixel: slopes, cast shadows, and a lamp that stands to one side."""
    x, y = polar(1.0, [rng.random()])[0].tolist()  # towards the lamp
    near, wide = soften(relief, 2), soften(relief, 4)
    across, down = (np.roll(near, -1, axis) - np.roll(near, 1, axis) for axis in (1, 0))
    shading = 1 - np.clip((x * across + y * down) * 0.2, -0.5, 0.55)
    reach = rng.uniform(5, 13)
    cast = np.roll(np.minimum(wide, 16), (-round(reach * y), -round(reach * x)), (0, 1)) - near
    shadow = 1 - np.clip(cast / 12, 0, 1) * rng.uniform(0.35, 0.65)
    ramp = (np.arange(SIZE, dtype=np.float32) - SIZE / 2) / SIZE
    lamp = rng.uniform(0.85, 1.15) + rng.uniform(0.1, 0.5) * (x * ramp + y * ramp[:, None])
    return shading * shadow * lamp


def draw(label: int, index: int, split: str) -> np.ndarray:
    """Draw image number `index` of class `label` of a split ("train" or "val"): (256, 256, 3) uint8.

    Raises ValueError for a label, index or split that does not exist.
    """
    if not 0 <= label < len(CLASSES) or index < 0 or split not in SPLITS:
        raise ValueError(
            f"draw(label={label}, index={index}, split={split!r}): need 0 <= label < {len(CLASSES)}, "
            f"index >= 0 and a split of {SPLITS}"
        )
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([label, index, SPLITS.index(split)])))
    scene, canvas = ground(rng), Canvas()
    clutter(canvas, rng, int(rng.integers(2, 6)), (8, 22), 5)
    radius = rng.uniform(76, 98)
    centre = rng.uniform(radius + 10, SIZE - radius - 10, 2)
    canvas.place(centre, radius, rng.uniform(-1 / 16, 1 / 16), rng.uniform(0.85, 1.0), rng.random())
    _DRAWN[label](canvas, palette(rng), rng)
    clutter(canvas, rng, int(rng.integers(0, 3)), (6, 14), 20)

    things = canvas.paint.reduce(FINE)
    scene.paste(things, mask=things)
    blur = max(0.0, rng.uniform(-0.8, 0.8))  # half of the pictures are in focus
    scene = np.asarray(scene.filter(ImageFilter.BoxBlur(blur)))
    uneven = 1 + 0.07 * noise(rng, 80, 80)
    brightness = light(canvas.relief.reduce(FINE), rng) * uneven
    grain = rng.integers(-128, 128, scene.shape, dtype=np.int8) * np.float32(rng.uniform(0.02, 0.08))
    return np.clip(scene * brightness[..., None] + grain, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class ToyItem:
    """One image, drawn and encoded when it is read: from there on it goes the way of a photo."""

    split: str
    label: int
    index: int

    @property
    def name(self) -> str:
        """Where it would lie in a folder of classes."""
        return f"{self.split}/{CLASSES[self.label]}/{self.index:05d}.png"

    @property
    def size(self) -> int:
        return len(self.read())

    def read(self) -> bytes:
        """The bytes of a PNG file."""
        file = io.BytesIO()
        Image.fromarray(draw(self.label, self.index, self.split)).save(file, format="PNG", compress_level=0)
        return file.getvalue()


def source(train_per_class: int = 200, val_per_class: int = 50) -> Source:
    """The toy set as a source: so many training and validation images of each of the ten classes."""
    counts = dict(zip(SPLITS, (train_per_class, val_per_class), strict=True))
    items = {
        split: tuple(ToyItem(split, label, i) for label in range(len(CLASSES)) for i in range(n))
        for split, n in counts.items()
    }
    return Source(name="toy", classes=CLASSES, splits=items, revision=REVISION)
