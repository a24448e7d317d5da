"""The lessons are pages that a repository's site shows: links lead somewhere, formulas are formulas."""

import html
import re
from functools import cache
from pathlib import Path

import cmarkgfm
import pytest
from matplotlib.mathtext import MathTextParser

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted((ROOT / "lessons").glob("*.md"))
FENCE = re.compile(r"^```(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"(?<![\w$\\])\$(?!\s)([^$\n]+?)(?<!\s)\$(?![\w$])")
LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@cache
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """The page without its fences, which keep their lines."""
    return FENCE.sub(lambda match: "\n" * match[0].count("\n"), text(page))


def line(page: Path, place: int) -> str:
    return f"{page.relative_to(ROOT)}:{text(page)[:place].count(chr(10)) + 1}"


def prose_line(page: Path, place: int) -> str:
    return f"{page.relative_to(ROOT)}:{prose(page)[:place].count(chr(10)) + 1}"


def anchors(page: Path) -> set[str]:
    """What a page's headings are called in links, by GitHub's rule."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def faulty_links(page: Path) -> list[str]:
    """Links and pictures of a page that lead nowhere, and pictures without a description."""
    faults = []
    for match in LINK.finditer(prose(page)):
        words, target = match.groups()
        where = prose_line(page, match.start())
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if "://" in target:
            continue
        if file and not (there.exists() and there.is_relative_to(ROOT)):
            faults.append(f"{where}: there is no {file}")
        elif anchor and anchor not in anchors(there):
            faults.append(f"{where}: {there.name} has no heading #{anchor}")
        if match[0].startswith("!") and len(words) < 40:
            faults.append(f"{where}: the picture's description is short: {words!r}")
    return faults


def formulas(page: Path):
    """(place, formula) of each formula: the fences' line by line, and those inside sentences."""
    for match in FENCE.finditer(text(page)):
        info, _, body = match[1].partition("\n")
        if info.strip() == "math":
            yield from ((match.start(), part) for part in re.split(r"\\\\\s*\n?", body) if part.strip())
    for match in INLINE.finditer(re.sub(r"`[^`\n]*`", lambda code: " " * len(code[0]), blanked(page))):
        yield match.start(), match[1]


def blanked(page: Path) -> str:
    """The page with spaces in place of its fences, so that places stay."""
    return FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text(page))


def faulty_formulas(page: Path) -> list[str]:
    """Formulas that do not parse, or that markdown would change before they are read as such."""
    faults = []
    rendered = html.unescape(cmarkgfm.github_flavored_markdown_to_html(text(page)))
    for place, formula in formulas(page):
        plain = re.sub(r"\\(begin|end)\{aligned\}|(?<!\\)&", " ", formula).replace("\n", " ").strip()
        try:
            MathTextParser("agg").parse(f"${plain}$")
        except ValueError as error:
            faults.append(f"{line(page, place)}: {str(error).strip().splitlines()[-1]} in {plain!r}")
        if formula not in rendered:
            faults.append(f"{line(page, place)}: markdown changes {formula!r}")
    return faults


@every_page
def test_links_and_pictures_lead_somewhere(page):
    assert faulty_links(page) == []


@every_page
def test_formulas_are_whole(page):
    assert faulty_formulas(page) == []


@every_page
def test_no_dollar_is_left_over(page):
    rest = re.sub(r"`[^`\n]*`", "", INLINE.sub("", blanked(page)))
    assert "$" not in rest, f"{page.name}: a $ that opens or closes no formula"


@pytest.fixture
def written(monkeypatch):
    """A function that makes a page of the lessons from a text, without a file."""

    def write(markdown):
        monkeypatch.setattr(f"{__name__}.text", lambda page: markdown)
        return ROOT / "lessons" / "planted.md"

    return write


@pytest.mark.parametrize(
    ("markdown", "complaint"),
    [
        ("\n[x](../minialex/ops/lnr.py)", "lessons/planted.md:2: there is no ../minialex/ops/lnr.py"),
        ("# A b\n\n[x](#a-c)", "lessons/planted.md:3: planted.md has no heading #a-c"),
        ("![short](../README.md)", "lessons/planted.md:1: the picture's description is short: 'short'"),
    ],
)
def test_a_broken_link_is_noticed(written, markdown, complaint):
    assert faulty_links(written(markdown)) == [complaint]


@pytest.mark.parametrize(
    ("markdown", "complaint"),
    [
        ("\n```math\n\\frac{1}{2\n```", "lessons/planted.md:2:"),
        ("\n\na $\\sqroot{x}$ b", "lessons/planted.md:3:"),
        ("$x_{i}_{j}$ and $y_{i}_{j}$", "lessons/planted.md:1:"),
        ("$\\sum_j a_j\\,b_j$", "markdown changes"),
    ],
)
def test_a_broken_formula_is_noticed(written, markdown, complaint):
    assert complaint in str(faulty_formulas(written(markdown)))


def test_good_formulas_are_none_of_these(written):
    good = "$x_i$, $\\frac{a}{b}$ and\n\n```math\n\\begin{aligned}\na &= b \\\\\nc &= \\sqrt{d}\n\\end{aligned}\n```\n"
    assert faulty_formulas(written(good)) == []
