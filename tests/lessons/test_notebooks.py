"""Each lesson makes a notebook; two of them are run from top to bottom."""

import pytest

pytest.importorskip("jupytext", reason='notebooks need pip install -e ".[lessons]"')
nbclient = pytest.importorskip("nbclient", reason='notebooks need pip install -e ".[lessons]"')
nbformat = pytest.importorskip("nbformat")

from lessons import notebooks  # noqa: E402

LESSONS = sorted(notebooks.LESSONS.glob("[01][0-9]_*.md"))
# Jupyter's own warnings are no faults of ours.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_a_lesson_makes_a_notebook(lesson, tmp_path):
    made = notebooks.notebook(lesson, tmp_path, "cupy")
    nbformat.validate(made)
    code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    text = "".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
    assert 'BACKEND = "cupy"' in code[0]
    assert 'get_backend("numpy")' not in "".join(code[1:])
    assert "```" not in text


@pytest.mark.parametrize("stem", ["00_start", "05_lrn"])
def test_a_notebook_runs_and_prints_what_the_lesson_shows(stem, tmp_path):
    made = notebooks.notebook(notebooks.LESSONS / f"{stem}.md", tmp_path, "numpy")
    shown = [printed(cell) for cell in made.cells]
    assert any(shown)
    nbclient.NotebookClient(made, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert [printed(cell) for cell in made.cells] == shown


def printed(cell) -> str:
    outputs = cell.outputs if cell.cell_type == "code" else []
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
