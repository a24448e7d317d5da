"""The lessons keep one form, so that a reader finds the same thing in the same place of each."""

import re
from pathlib import Path

import pytest

from lessons.claims import all_lessons, claims

ROOT = Path(__file__).parent.parent.parent
LESSONS = all_lessons()
SECTIONS = [
    "The claim",
    "The smallest example",
    "The derivation",
    "The code",
    "A check",
    "An experiment",
    "What people get wrong",
    "The paper's claims",
    "Exercises",
]
WIDTH = 96  # characters of code that a page shows without scrolling
FENCE = re.compile(r"^```(.*?)\n(.*?)^```", re.DOTALL | re.MULTILINE)
every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


def words(text: str) -> int:
    """Words of prose: fences, tables, formulas, pictures and tags do not count."""
    text = FENCE.sub("", text)
    text = re.sub(r"^\|.*$|^!\[.*$|<[^>]+>|\$[^$\n]+\$", "", text, flags=re.MULTILINE)
    return len(re.findall(r"[A-Za-z0-9][\w'.,-]*", re.sub(r"\]\([^)]*\)", "]", text)))


def fences(text: str) -> list[str]:
    return [info.strip() for info, _ in FENCE.findall(text)]


def sections(text: str) -> dict[str, str]:
    """{heading: what stands under it}, of the second level."""
    parts = re.split(r"^## (.+)$", FENCE.sub("", text), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def shape(lesson: Path) -> dict:
    """What the table of lessons tells of one."""
    text = lesson.read_text(encoding="utf-8")
    infos = fences(text)
    return {
        "words": words(text),
        "run": sum(info in ("python", "bash") for info in infos),
        "quoted": sum(info.startswith("python quote") for info in infos),
        "figures": len(re.findall(r"^!\[", text, re.MULTILINE)),
        "exercises": len(re.findall(r"^\d\. ", sections(text).get("Exercises", ""), re.MULTILINE)),
        "hints": sections(text).get("Exercises", "").count("<details>"),
        "claims": len(claims(lesson)),
    }


@every_lesson
def test_it_keeps_the_house_form(lesson):
    counted = shape(lesson)
    assert 800 <= counted["words"] <= 1500
    assert 5 <= counted["run"] <= 9
    assert 2 <= counted["figures"] <= 3
    assert counted["exercises"] == 3 <= counted["hints"]
    assert counted["claims"] >= 2


@every_lesson
def test_its_sections_come_in_the_order_of_all(lesson):
    text = lesson.read_text(encoding="utf-8")
    found = [heading for heading in sections(text) if heading in SECTIONS]
    assert found == (SECTIONS if lesson.name[:2] != "00" else ["The paper's claims", "Exercises"])
    assert re.search(r"^\|.*\bshape\b.*\|$", text, re.MULTILINE), "no table of shapes"


@every_lesson
def test_code_and_outputs_are_as_wide_as_a_page(lesson):
    fences = FENCE.findall(lesson.read_text(encoding="utf-8"))
    code = "".join(body for info, body in fences if "quote" not in info and info.strip() != "math")
    assert [line for line in code.splitlines() if len(line) > WIDTH] == []


def test_the_map_names_every_lesson():
    text = (ROOT / "lessons" / "README.md").read_text(encoding="utf-8")
    assert [f"({lesson.name})" in text for lesson in LESSONS] == [True] * len(LESSONS)


def test_the_map_tells_the_minutes_that_each_lesson_tells():
    text = (ROOT / "lessons" / "README.md").read_text(encoding="utf-8")
    mapped = dict(re.findall(r"^\|.*\]\((\d\d_\w+\.md)\).*\| (\d+) \|$", text, re.MULTILINE))
    told = {path.name: re.search(r"about (\d+) minutes", path.read_text(encoding="utf-8"))[1] for path in LESSONS}
    assert mapped == told


def main():
    """Print the table of lessons: `python -m tests.lessons.test_form`."""
    shapes = {lesson.stem: shape(lesson) for lesson in LESSONS}
    head = next(iter(shapes.values()))
    print("| lesson |", " | ".join(head), "|\n| --- |", " | ".join("---:" for _ in head), "|")
    for name, counted in shapes.items():
        print("|", name, "|", " | ".join(map(str, counted.values())), "|")


if __name__ == "__main__":
    main()
