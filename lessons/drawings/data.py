"""Pictures of the built-in data set, and the curves of a run on photographs."""

import json
from pathlib import Path

from drawings.style import canvas
from minialex.data import toy
from minialex.figures import learning_curves

RESULTS = Path(__file__).parent.parent / "results"


def toy_set():
    """Two validation images of each class of the toy set, with the class's name."""
    columns = len(toy.CLASSES)
    figure, panels = canvas(9, 2.05, 2, columns)
    for row, line in enumerate(panels):
        for label, axes in enumerate(line):
            axes.imshow(toy.draw(label, row, "val"))
            axes.axis("off")
            if row == 0:
                axes.set_title(toy.CLASSES[label], fontsize=9, loc="center")
    return figure


def imagenette_curves():
    """The learning curves of a run on photographs, from its record."""
    result = json.loads((RESULTS / "imagenette224.json").read_text(encoding="utf-8"))
    return learning_curves(result["history"])
