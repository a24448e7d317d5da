"""The pictures of a run come out, and show what they say."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

from minialex import figures
from minialex.errors import RunError

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


@pytest.mark.parametrize("epochs", [1, 3, 12])
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
        assert all(tick == int(tick) for tick in axes.get_xticks()), "there is no half of an epoch"
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


def test_the_largest_kernel_may_be_a_negative_one(tmp_path):
    W = np.zeros((5, 5, 3, 2))
    W[..., 0], W[..., 1] = -2.0, 1.0
    figures.kernels(W, tmp_path / "conv1.png", columns=2)
    expected = [(0, 0, 0), (127.5 * 1.5,) * 3]
    np.testing.assert_allclose(cells(tmp_path / "conv1.png", 2, 2, 5), expected, atol=2)


def test_96_kernels_stand_in_six_rows_of_16(tmp_path):
    figures.kernels(np.full((11, 11, 3, 96), 0.5), tmp_path / "conv1.png")
    np.testing.assert_allclose(cells(tmp_path / "conv1.png", 96, 16, 11), 255, atol=2)


def test_a_figure_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    def full(self, path, **kwargs):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    (tmp_path / "curves.png").write_bytes(b"old")
    monkeypatch.setattr(figures.Figure, "savefig", full)
    with pytest.raises(RunError, match="No space left on device"):
        figures.curves(history(2), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_figures_need_no_display():
    """pyplot would look for a window system; a figure made without it is drawn into a file alone."""
    code = "import sys, minialex.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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


# Figure 4

WORDS = ["tench, Tinca tinca", "red-breasted merganser, Mergus serrator", "$\\frac$", "\u732b", "\udc80", "", "W" * 200]


@pytest.fixture(scope="module")
def parts():
    """Eight plain images with probabilities, and five rows of images nearest to one."""
    rng = np.random.default_rng(0)
    images = np.full((13, 64, 64, 3), 40, np.uint8) + 15 * np.arange(13, dtype=np.uint8)[:, None, None, None]
    guesses = [(images[n], n % 7, rng.permutation([0.5, 0.2, 0.1, 0.08, 0.06, 0.04, 0.02])) for n in range(8)]
    return guesses, [(images[8 + n], n, images[n : n + 6]) for n in range(5)]


@pytest.fixture(scope="module")
def figure4(parts, tmp_path_factory):
    """The figure, and its file."""
    path, kept = tmp_path_factory.mktemp("figure4") / "figure4.png", []
    with pytest.MonkeyPatch.context() as patch:
        save = figures._save
        patch.setattr(figures, "_save", lambda figure, path: (kept.append(figure), save(figure, path)))
        figures.figure4(*parts, WORDS, path)
    return kept[0], path


def test_figure4_shows_each_image_with_its_likeliest_labels(figure4, parts):
    (guesses, alike), figure = parts, figure4[0]
    pictures = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    expected = [image for image, _, _ in guesses] + [each for image, _, found in alike for each in (image, *found)]
    assert [picture[0, 0, 0] for picture in pictures] == [image[0, 0, 0] for image in expected]
    bars = [axes.patches for axes in figure.axes if axes.patches]
    for (_, label, p), five in zip(guesses, bars, strict=True):
        best = sorted(range(7), key=lambda each, p=p: -p[each])[:5]
        assert [bar.get_width() for bar in five] == [p[each] for each in best]
        right = [to_rgba(figures.RIGHT) == bar.get_facecolor() for bar in five]
        assert right == [each == label for each in best]
    heights = [bar.get_y() for bar in bars[0]]
    assert heights == sorted(heights) and bars[0][0].axes.yaxis_inverted(), "the likeliest stands above"
    assert bars[0][0].axes.get_xlim() == (0, 1)


def test_figure4_calls_a_class_by_its_first_name_as_far_as_it_fits(figure4):
    texts = {text.get_text() for text in figure4[0].texts}
    assert {"tench", "$\\frac$", "\u732b", "?", ""} <= texts
    assert any(text.startswith("red-breasted") and text.endswith("\u2026") for text in texts)


@pytest.mark.filterwarnings("ignore:Glyph")
def test_nothing_in_figure4_lies_over_another(figure4):
    figure = figure4[0]
    pictures = [axes.get_window_extent() for axes in figure.axes if axes.images]
    texts = [text.get_window_extent() for text in figure.texts if text.get_text()]
    for place, box in enumerate([*pictures, *texts]):
        page = figure.bbox.padded(1)
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
        for other in [*pictures, *texts][:place]:
            assert not box.padded(-1).overlaps(other)


def test_in_figure4_an_image_stands_apart_from_its_neighbours(figure4):
    row = [axes.get_window_extent() for axes in figure4[0].axes if axes.images][8:15]
    first, *others = [right.x0 - left.x1 for left, right in pairwise(row)]
    assert first > 2 * max(others) and max(others) - min(others) < 0.01


def test_figure4_has_the_width_of_a_page(figure4):
    with Image.open(figure4[1]) as picture:
        assert picture.format == "PNG" and 1200 < picture.width < 1600 and 1.8 < picture.width / picture.height < 2.6


def test_figure4_of_little(tmp_path, drawn):
    image = np.zeros((8, 8, 3), np.uint8)
    figures.figure4([(image, 1, np.array([0.7, 0.3]))], [(image, 0, image[None])], ["a", "b"], tmp_path / "f.jpg")
    assert len(drawn[0].axes) == 4
    with Image.open(tmp_path / "f.jpg") as picture:
        assert picture.format == "JPEG" and picture.width > picture.height
