"""The pictures of the README and the lessons: `python lessons/figures.py [NAME]` draws them into lessons/figures/."""

import argparse
import json
import sys
from pathlib import Path

from matplotlib.figure import Figure

from minialex.data import toy
from minialex.errors import main_status
from minialex.figures import curves

FOLDER = Path(__file__).parent / "figures"
RESULTS = Path(__file__).parent / "results"


def toy_set() -> Path:
    """Two validation images of each class of the toy set, with the class's name."""
    columns = len(toy.CLASSES)
    figure = Figure(figsize=(columns, 2.25), layout="constrained")
    for row, panels in enumerate(figure.subplots(2, columns)):
        for label, axes in enumerate(panels):
            axes.imshow(toy.draw(label, row, "val"))
            axes.axis("off")
            if row == 0:
                axes.set_title(toy.CLASSES[label], fontsize=9)
    path = FOLDER / "toy_set.jpg"
    figure.savefig(path, dpi=120, pil_kwargs={"quality": 85})
    return path


def imagenette_curves() -> Path:
    """The learning curves of a run on photographs, from its record."""
    result = json.loads((RESULTS / "imagenette224.json").read_text(encoding="utf-8"))
    path = FOLDER / "imagenette_curves.png"
    curves(result["history"], path)
    return path


FIGURES = {"toy_set": toy_set, "imagenette_curves": imagenette_curves}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", choices=[*FIGURES, []], metavar="NAME", help=f"of {', '.join(FIGURES)}")
    for name in parser.parse_args(argv).name or FIGURES:
        print(FIGURES[name]())


if __name__ == "__main__":
    sys.exit(main_status(main))
