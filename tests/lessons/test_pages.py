"""The pages for looking at: formulas become formulas, code stays code."""

import pytest

pytest.importorskip("latex2mathml", reason='pages need pip install -e ".[lessons]"')

from lessons import pages  # noqa: E402


def test_formulas_are_drawn_and_code_is_left_alone():
    shown = pages.render("`$HOME` and $a_i$\n\n```math\n\\frac{a}{b}\n```\n\n```python\nprice = '$5 $6'\n```\n")
    assert shown.count("<math") == 2 and "<mfrac>" in shown and 'display="block"' in shown
    assert "<code>$HOME</code>" in shown and "price = '$5 $6'" in shown.replace("&#39;", "'")
    assert "formula0x" not in shown


def test_lines_are_aligned():
    shown = pages.render("```math\n\\begin{aligned}\na &= b \\\\\nc &= d\n\\end{aligned}\n```\n")
    assert shown.count("<mtr>") == 2 and "&<" not in shown


def test_every_page_is_written_in_both_themes(tmp_path, capsys):
    for theme, paper in (("light", "#fff"), ("dark", "#0d1117")):
        folder = tmp_path / theme
        pages.main([str(folder), *(["--dark"] if theme == "dark" else [])])
        names = {path.stem for path in pages.LESSONS.glob("*.md")}
        assert {path.stem for path in folder.glob("*.html")} == names
        text = (folder / "05_lrn.html").read_text(encoding="utf-8")
        assert f"background: {paper}" in text and 'href="04_two_gpus.html"' in text
        assert (folder / "figures" / "lrn_windows.svg").exists()
