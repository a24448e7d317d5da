"""The lessons as notebooks: `python lessons/notebooks.py [FOLDER] [--backend cupy]` writes one .ipynb for each.

Jupytext does the conversion: what a lesson runs becomes cells, with what it prints below them, and all else text. They
run from top to bottom, in a copy of the project (FOLDER is lessons/notebooks by default); on a hosted machine with a
GPU, fetch the project there and set BACKEND in the first cell. It needs `pip install -e ".[lessons]"`.
"""

import argparse
import os
import re
import sys
from pathlib import Path

import jupytext
import nbformat

from minialex.errors import main_status

LESSONS = Path(__file__).resolve().parent
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SETUP = """# Where the lessons' files are, and what the network runs on: "cupy" on a machine with a GPU.
import os
import sys

if os.path.isdir({root!r}):
    os.chdir({root!r})
sys.path.insert(0, os.getcwd())
BACKEND = "{backend}"
"""


def cells(markdown: str, up: str) -> str:
    """A lesson's markdown, with code fences left only where a notebook has cells; `up` leads to the lessons' folder."""

    def fence(match):
        info, source = match[1].strip(), match[2]
        if info == "python":
            return "```python\n" + source.replace('get_backend("numpy")', "get_backend(BACKEND)") + "```"
        if info == "bash":
            return "```python\n" + "".join(f"!{line}\n" for line in source.splitlines()) + "```"
        if info == "text":
            return ""
        if info == "math":
            return f"$$\n{source}$$"
        # Four spaces make it code that is shown; jupytext would make a cell of a fence.
        return "\n".join("    " + line for line in source.splitlines())

    return re.sub(r"\]\((?!\w+:|#)([^)]+)\)", rf"]({up}/\1)", FENCE.sub(fence, markdown))


def printed(markdown: str) -> list[str]:
    """What each cell prints, as the lesson shows it."""
    fences = [(info.strip(), source) for info, source in FENCE.findall(markdown)]
    following = [*fences[1:], ("", "")]
    return [
        source if kind == "text" else ""
        for (info, _), (kind, source) in zip(fences, following, strict=True)
        if info in ("python", "bash")
    ]


def notebook(lesson: Path, folder: Path, backend: str):
    """A lesson as a notebook that lies in `folder`, with its outputs in place."""
    markdown = lesson.read_text(encoding="utf-8")
    up, root = (Path(os.path.relpath(path, folder)).as_posix() for path in (LESSONS, LESSONS.parent))
    made = jupytext.reads(cells(markdown, up), fmt="md")
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    for cell, text in zip(code, printed(markdown), strict=True):
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)] if text else []
    made.cells.insert(1, nbformat.v4.new_code_cell(SETUP.format(root=root, backend=backend)))
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"  # the same bytes every time
    return made


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=LESSONS / "notebooks", help="where to write them")
    parser.add_argument("--backend", choices=("numpy", "cupy"), default="numpy", help="what the networks run on")
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    for lesson in sorted(LESSONS.glob("[01][0-9]_*.md")):
        path = args.folder / f"{lesson.stem}.ipynb"
        nbformat.write(notebook(lesson, args.folder.resolve(), args.backend), path)
        print(path)


if __name__ == "__main__":
    sys.exit(main_status(main))
