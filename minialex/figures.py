"""Figures of a run: its learning curves, and of the paper Figure 3, the kernels of conv1, and Figure 4."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from minialex.files import write_atomically

DPI = 120
GREY, VAL = "#8a8a8a", "#1f6f8b"
RIGHT, WRONG = "#f2a65e", "#c3d9e0"  # light: a label is written across its bar

# Figure 4, in inches.
COLUMNS = 4  # of images on its left side
PICTURE, THUMBNAIL, LINE, GAP = 1.36, 0.75, 0.19, 0.12


def curves(history: list[dict], path: Path) -> None:
    """The picture of `learning_curves`, in a file."""
    _save(learning_curves(history), path)


def learning_curves(history: list[dict]) -> Figure:
    """Loss and top-1 of training and validation against the epoch, from the records of a run's log."""
    epochs = [record["epoch"] for record in history]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, keys, title in zip(panels, [("loss", "val_loss"), ("top1", "val_top1")], ["loss", "top-1"], strict=True):
        for key, label, color in zip(keys, ["training (with dropout)", "validation"], [GREY, VAL], strict=True):
            axes.plot(epochs, [record[key] for record in history], marker="o", markersize=3, color=color, label=label)
        axes.set_title(title, loc="left")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    panels[1].yaxis.set_major_formatter(PercentFormatter(1.0))
    panels[1].set_ylim(0, 1)
    panels[0].legend(frameon=False)
    return figure


def kernels(W: np.ndarray, path: Path, columns: int = 16) -> None:
    """The kernels of the first layer as images, W (KH,KW,3,OC): Figure 3 of the paper.

    One scale for all of them, grey for a weight of 0: scaled one by one, a dead kernel would look like a busy one.
    """
    largest = np.abs(W).max() or 1.0
    _save(image_grid(np.moveaxis(0.5 + W / (2 * largest), 3, 0), columns), path)


def figure4(guesses: Sequence[tuple], alike: Sequence[tuple], words: Sequence[str], path: Path) -> None:
    """Figure 4 of the paper: left, what a network takes images for; right, which training images look alike to it.

    guesses: (image uint8 (H,W,3), label, probabilities (M,)) of each image on the left.
    alike: (image, label, the images (k,H,W,3) nearest to it) of each row on the right.
    words: label k is called words[k].
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # a box stands for it
        _save(_figure4(guesses, alike, words), path)


def _figure4(guesses, alike, words) -> Figure:
    deep, low = PICTURE + 6 * LINE + GAP, LINE + THUMBNAIL + GAP / 2  # a row of either side
    head, middle = LINE + GAP, COLUMNS * (PICTURE + GAP) + GAP
    across = 1 + max(len(neighbours) for *_, neighbours in alike)
    height = head + max(-(-len(guesses) // COLUMNS) * deep, len(alike) * low)
    figure = Figure(figsize=(middle + across * (THUMBNAIL + GAP / 2) + GAP, height), dpi=DPI)
    _write(figure, 0, 0, "what the network takes images for", middle, color=GREY)
    _write(figure, middle, 0, "images and the training images nearest to them", middle, color=GREY)
    for place, (image, label, p) in enumerate(guesses):
        row, column = divmod(place, COLUMNS)
        _guess(figure, column * (PICTURE + GAP), head + row * deep, image, label, p, words)
    for row, (image, label, neighbours) in enumerate(alike):
        _row(figure, middle, head + row * low, [image, *neighbours], words[label])
    return figure


def _guess(figure: Figure, left: float, top: float, image, label: int, p, words: Sequence[str]) -> None:
    """An image, what it is, and a bar for each of the five likeliest labels; a bar as wide as the image is 100%."""
    _axes(figure, left, top, PICTURE, PICTURE).imshow(image)
    _write(figure, left, top + PICTURE, words[label], PICTURE, weight="bold")
    best = np.argsort(-p, kind="stable")[:5]
    bars = top + PICTURE + LINE
    axes = _axes(figure, left, bars, PICTURE, 5 * LINE)
    axes.set(xlim=(0, 1), ylim=(4.5, -0.5))
    axes.barh(range(len(best)), p[best], height=0.85, color=[RIGHT if each == label else WRONG for each in best])
    for place, each in enumerate(best):
        _write(figure, left + 0.04, bars + place * LINE, words[each], PICTURE + GAP - 0.08)


def _row(figure: Figure, left: float, top: float, images: Sequence, word: str) -> None:
    """Small images side by side, the first a little apart, under what the first is."""
    _write(figure, left, top, word, len(images) * THUMBNAIL, weight="bold")
    for place, image in enumerate(images):
        apart = place * (THUMBNAIL + GAP / 2) + (GAP if place else 0)
        _axes(figure, left + apart, top + LINE, THUMBNAIL, THUMBNAIL).imshow(image)


def _axes(figure: Figure, left: float, top: float, width: float, height: float):
    """Axes without a frame, placed in inches from the upper left corner."""
    wide, high = figure.get_size_inches()
    axes = figure.add_axes((left / wide, 1 - (top + height) / high, width / wide, height / high))
    axes.axis("off")
    return axes


def _write(figure: Figure, left: float, top: float, text: str, width: float, **style) -> None:
    """A line of text, placed likewise: of a class's names ("tench, Tinca tinca") the first, as far as it fits."""
    wide, high = figure.get_size_inches()
    name = text.partition(",")[0][:80].encode("utf-8", "replace").decode()  # what is no text cannot be drawn
    place = left / wide, 1 - (top + LINE / 2) / high
    line = figure.text(*place, name, size=8.5, va="center_baseline", parse_math=False, **style)  # a $ is no formula
    while line.get_window_extent().width > width * figure.dpi:
        name = name[:-1].rstrip()
        line.set_text(f"{name}…")


def image_grid(images: np.ndarray, columns: int) -> Figure:
    """Images (n,H,W,3) with values 0..1, side by side in rows."""
    n, H, W, _ = images.shape
    rows = -(-n // columns)
    canvas = np.ones((rows * (H + 1) + 1, columns * (W + 1) + 1, 3))
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        top, left = row * (H + 1) + 1, column * (W + 1) + 1
        canvas[top : top + H, left : left + W] = image
    figure = Figure(figsize=(8, 8 * canvas.shape[0] / canvas.shape[1]))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(canvas, interpolation="nearest")
    axes.axis("off")
    return figure


def _save(figure: Figure, path: Path) -> None:
    format = "jpg" if path.suffix.lower() == ".jpg" else "png"
    write_atomically(path, lambda temporary: figure.savefig(temporary, format=format, dpi=DPI))
