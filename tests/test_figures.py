"""The pictures of a run come out, and show what they say."""

import numpy as np
import pytest
from PIL import Image

from minialex import figures

KEYS = ("loss", "val_loss", "top1", "val_top1")


def history(epochs):
    return [
        {"epoch": epoch + 1} | {key: (0.5 + i) / (epoch + 1) for i, key in enumerate(KEYS)} for epoch in range(epochs)
    ]


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, beside their files."""
    kept, save = [], figures._save
    monkeypatch.setattr(figures, "_save", lambda figure, path: (kept.append(figure), save(figure, path)))
    return kept


@pytest.mark.parametrize("epochs", [1, 12])
def test_curves(tmp_path, drawn, epochs):
    figures.curves(history(epochs), tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.format == "PNG" and image.width > 2 * image.height > 600
    loss, top1 = drawn[0].axes
    for axes, title, keys in ((loss, "loss", KEYS[:2]), (top1, "top-1", KEYS[2:])):
        assert axes.get_title(loc="left") == title
        assert [line.get_label() for line in axes.lines] == ["training (with dropout)", "validation"]
        for line, key in zip(axes.lines, keys, strict=True):
            assert line.get_xdata().tolist() == list(range(1, epochs + 1))
            assert line.get_ydata().tolist() == [record[key] for record in history(epochs)]
    assert top1.get_ylim() == (0, 1)


def cells(path, count, columns, size):
    """The mean colour of each kernel's cell in the picture, (count,3), and the picture."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(float)
    rows, scale = -(-count // columns), pixels.shape[1] / (columns * (size + 1) + 1)
    assert pixels.shape[0] == pytest.approx(scale * (rows * (size + 1) + 1), abs=2)
    colours = []
    for place in range(rows * columns):
        top, left = (int(scale * (2 + index * (size + 1))) for index in divmod(place, columns))
        side = int(scale * (size - 2))
        colours.append(pixels[top : top + side, left : left + side].mean(axis=(0, 1)))
    return np.array(colours)


def test_kernels_share_one_scale_with_grey_for_zero(tmp_path):
    W = np.zeros((11, 11, 3, 6))
    W[:, :, 0, 0], W[:, :, 1, 1], W[..., 3], W[..., 4] = 2.0, -2.0, 0.2, -1.0
    figures.kernels(W, tmp_path / "conv1.png", columns=4)
    grey = 127.5
    expected = [
        (255, grey, grey), (grey, 0, grey), (grey, grey, grey), (grey * 1.1,) * 3,
        (grey / 2,) * 3, (grey, grey, grey), (255, 255, 255), (255, 255, 255),  # two places are empty
    ]  # fmt: skip
    np.testing.assert_allclose(cells(tmp_path / "conv1.png", 6, 4, 11), expected, atol=2)


def test_kernels_that_are_all_zero_are_grey(tmp_path):
    figures.kernels(np.zeros((5, 5, 3, 2), "float32"), tmp_path / "conv1.png", columns=2)
    np.testing.assert_allclose(cells(tmp_path / "conv1.png", 2, 2, 5), 127.5, atol=2)


def test_images_stand_the_right_way_up_in_rows():
    images = np.arange(5)[:, None, None, None] / 10 + np.zeros((5, 2, 3, 3))
    images[1, 0, 2] = 0.9
    canvas = figures.image_grid(images, columns=3).axes[0].images[0].get_array()
    assert canvas.shape == (2 * 3 + 1, 3 * 4 + 1, 3)
    assert canvas[1:3, 5:8, 0].tolist() == [[0.1, 0.1, 0.9], [0.1, 0.1, 0.1]]
    assert (canvas[4:6, 1:4] == 0.3).all() and (canvas[4:6, 5:8] == 0.4).all() and (canvas[4:6, 8:] == 1).all()
    assert (canvas[0] == 1).all() and (canvas[3] == 1).all() and (canvas[:, 4] == 1).all()
