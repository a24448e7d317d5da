"""The pictures of the README and the lessons: `python lessons/figures.py [NAME]` draws them into lessons/figures/."""

import argparse
import sys
from pathlib import Path

from matplotlib.figure import Figure

from minialex.data import toy
from minialex.errors import main_status

FOLDER = Path(__file__).parent / "figures"


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


FIGURES = {"toy_set": toy_set}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", choices=[*FIGURES, []], metavar="NAME", help=f"of {', '.join(FIGURES)}")
    for name in parser.parse_args(argv).name or FIGURES:
        print(FIGURES[name]())


if __name__ == "__main__":
    sys.exit(main_status(main))
