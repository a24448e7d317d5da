"""Figures of a run: its learning curves, and Figure 3 of the paper, the kernels of conv1."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from minialex.files import write_atomically

TRAIN, VAL = "#8a8a8a", "#1f6f8b"


def curves(history: list[dict], path: Path) -> None:
    """Loss and top-1 of training and validation against the epoch, from the records of a run's log."""
    epochs = [record["epoch"] for record in history]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, keys, title in zip(panels, [("loss", "val_loss"), ("top1", "val_top1")], ["loss", "top-1"], strict=True):
        for key, label, color in zip(keys, ["training (with dropout)", "validation"], [TRAIN, VAL], strict=True):
            axes.plot(epochs, [record[key] for record in history], marker="o", markersize=3, color=color, label=label)
        axes.set_title(title, loc="left")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    panels[1].yaxis.set_major_formatter(PercentFormatter(1.0))
    panels[1].set_ylim(0, 1)
    panels[0].legend(frameon=False)
    _save(figure, path)


def kernels(W: np.ndarray, path: Path, columns: int = 16) -> None:
    """The kernels of the first layer as images, W (KH,KW,3,OC): Figure 3 of the paper.

    One scale for all of them, grey for a weight of 0: scaled one by one, a dead kernel would look like a busy one.
    """
    largest = np.abs(W).max() or 1.0
    _save(image_grid(np.moveaxis(0.5 + W / (2 * largest), 3, 0), columns), path)


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
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", dpi=120))
