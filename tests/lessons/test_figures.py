"""The lessons' pictures are there, are shown, and are what the code draws now."""

import re
from pathlib import Path

import numpy as np
import pytest

from lessons import figures

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "lessons").glob("*.md"))]


@pytest.mark.parametrize("name", figures.FIGURES)
def test_a_picture_is_what_the_code_draws(name):
    kept, drawn = figures.kept_digest(figures.FOLDER / name), figures.digest(figures.draw(name))
    stale = f"{name} is stale: python lessons/figures.py {Path(name).stem} draws it anew"
    assert kept["words"] == drawn["words"], stale
    assert len(kept["arrays"]) == len(drawn["arrays"]), stale
    assert np.allclose(kept["arrays"], drawn["arrays"], rtol=1e-3, atol=1e-6), stale


@pytest.mark.parametrize("name", ["lrn_response.svg", "results_kernels.png", "start_image.jpg"])
def test_a_picture_is_drawn_to_the_same_bytes(name, tmp_path):
    """On one machine: another processor may round a coordinate otherwise."""
    for folder in (tmp_path / "once", tmp_path / "again"):
        folder.mkdir()
        figures.save(figures.draw(name), folder / name)
    assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_every_picture_has_a_function_and_a_page_that_shows_it():
    shown = {name for page in PAGES for name in re.findall(r"figures/([\w.]+)\)", page.read_text(encoding="utf-8"))}
    assert {path.name for path in figures.FOLDER.iterdir()} == set(figures.FIGURES) == shown


def test_a_moved_point_and_a_changed_word_are_noticed():
    before = figures.digest(figures.draw("imagenette_curves.svg"))
    figure = figures.draw("imagenette_curves.svg")
    line = figure.axes[0].lines[0]
    line.set_ydata(line.get_ydata() + 1e-2 * (np.arange(len(line.get_ydata())) == 3))
    figure.axes[1].set_title("top-5", loc="left")
    after = figures.digest(figure)
    assert before["words"] != after["words"]
    assert not np.allclose(before["arrays"], after["arrays"], rtol=1e-6)
