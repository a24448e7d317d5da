"""The pictures of the README and the lessons: `python lessons/figures.py [NAME]` draws them into lessons/figures/.

A picture carries, in its metadata, a digest of what is plotted. It lets a test tell a stale picture from one that
another version of matplotlib has set in other fonts.
"""

import argparse
import html
import json
import re
import sys
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))  # for `drawings`, from wherever this file is run or imported

from drawings import (  # noqa: E402
    architecture,
    augmentation,
    data,
    dataset,
    discussion,
    dropout,
    intro,
    learning,
    lrn,
    pool,
    relu,
    results,
    start,
    towers,
)
from drawings.style import STYLE  # noqa: E402

from minialex.errors import main_status  # noqa: E402

FOLDER = Path(__file__).parent / "figures"
# By file: SVG for lines and text, PNG and JPEG where images fill the picture.
FIGURES = {
    "toy_set.jpg": data.toy_set,
    "imagenette_curves.svg": data.imagenette_curves,
    "start_map.svg": start.code_map,
    "start_image.jpg": start.one_image,
    "start_steps.svg": start.difference_steps,
    "intro_shares.svg": intro.two_shares,
    "intro_sharing.svg": intro.sharing,
    "dataset_resize.jpg": dataset.resizing,
    "dataset_mean.jpg": dataset.mean_image,
    "dataset_gradient.svg": dataset.loss_and_gradient,
    "relu_slopes.svg": relu.relu_slopes,
    "relu_depth.svg": relu.relu_depth,
    "relu_figure1.svg": relu.relu_figure1,
    "towers_wiring.svg": towers.towers_wiring,
    "towers_blocks.svg": towers.towers_blocks,
    "lrn_windows.svg": lrn.lrn_windows,
    "lrn_response.svg": lrn.lrn_response,
    "pool_by_hand.svg": pool.pool_by_hand,
    "pool_coverage.svg": pool.pool_coverage,
    "architecture_network.svg": architecture.architecture_network,
    "architecture_im2col.svg": architecture.architecture_im2col,
    "architecture_fields.jpg": architecture.architecture_fields,
    "augmentation_ten_crops.jpg": augmentation.augmentation_ten_crops,
    "augmentation_noise.jpg": augmentation.augmentation_noise,
    "dropout_masks.svg": dropout.dropout_masks,
    "dropout_gap.svg": dropout.dropout_gap,
    "learning_drop.svg": learning.learning_drop,
    "learning_bias.svg": learning.learning_bias,
    "results_kernels.png": results.results_kernels,
    "results_guesses.jpg": results.results_guesses,
    "results_alike.jpg": results.results_alike,
    "discussion_stacked.svg": discussion.discussion_stacked,
    "discussion_ablation.svg": discussion.discussion_ablation,
}


def draw(name: str) -> Figure:
    """The figure that is kept as `name`, in the lessons' style."""
    with matplotlib.rc_context(STYLE):
        return FIGURES[name]()


def save(figure: Figure, path: Path) -> None:
    """Write the figure with its digest. The same version of matplotlib writes the same bytes every time."""
    text = json.dumps(digest(figure))
    options = {
        ".svg": {"metadata": {"Description": text, "Date": None}},
        ".png": {"metadata": {"Description": text}, "dpi": 120},
        ".jpg": {"pil_kwargs": {"comment": text, "quality": 88}, "dpi": 120},
    }
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, **options[path.suffix])


def digest(figure: Figure) -> dict:
    """What is plotted, whatever it looks like: the words, and for every array of numbers three numbers."""
    words, arrays = [], []
    for axes in figure.axes:
        words += [axes.get_title(where) for where in ("left", "center", "right")]
        words += [axes.get_xlabel(), axes.get_ylabel(), *(text.get_text() for text in axes.texts)]
        arrays += [line.get_xydata() for line in axes.lines]
        arrays += [image.get_array() for image in axes.images]
        arrays += [patch.get_patch_transform().transform(patch.get_path().vertices) for patch in axes.patches]
        arrays += [collection.get_offsets() for collection in axes.collections]
    return {"words": [word for word in words if word], "arrays": [summary(array) for array in arrays]}


def summary(array) -> list[float]:
    """How many numbers, their mean, and their mean with weights that tell the first from the last."""
    numbers = np.ma.filled(np.ma.asarray(array, np.float64), 0.0).ravel()
    if not numbers.size:
        return [0, 0.0, 0.0]
    means = numbers.mean(), numbers @ np.linspace(0, 1, numbers.size) / numbers.size
    return [numbers.size, *(float(f"{mean:.6g}") for mean in means)]


def kept_digest(path: Path) -> dict:
    """The digest that a picture carries."""
    if path.suffix == ".svg":
        found = re.search(r"<dc:description>(.*?)</dc:description>", path.read_text(encoding="utf-8"), re.DOTALL)
        return json.loads(html.unescape(found[1]))
    with Image.open(path) as image:
        return json.loads(image.info["Description" if path.suffix == ".png" else "comment"])


def main(argv=None):
    names = {Path(name).stem: name for name in FIGURES}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="*", choices=[*names, []], metavar="NAME", help=f"of {', '.join(names)}")
    for stem in parser.parse_args(argv).name or names:
        path = FOLDER / names[stem]
        save(draw(names[stem]), path)
        print(path)


if __name__ == "__main__":
    sys.exit(main_status(main))
