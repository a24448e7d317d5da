"""The page for teachers names every exercise, with what it checks, and every lesson."""

import re
from pathlib import Path

from minialex.check import NAMES
from minialex.check.exercises import exercise

PAGE = (Path(__file__).parents[2] / "lessons" / "TEACHING.md").read_text(encoding="utf-8")
CLASSES = re.findall(r"^\| \d .*$", PAGE, re.MULTILINE)


def test_six_classes_have_all_lessons_and_exercises_once():
    assert len(CLASSES) == 6
    lessons = [lesson for row in CLASSES for lesson in re.findall(r"\b(\d\d) [A-Z]", row)]
    assert lessons == [f"{number:02}" for number in range(13)]
    assert sorted(name for row in CLASSES for name in re.findall(r"`(\w+)`", row)) == sorted(NAMES)


def test_every_exercise_has_a_row_that_tells_its_edge_cases():
    rows = dict(re.findall(r"^\| \[`(\w+)`\]\(exercises/\1\.py\) \|[^|]+\| ([^|]+) \|$", PAGE, re.MULTILINE))
    assert sorted(rows) == sorted(NAMES)


def test_negative_values_ties_and_the_like_are_edge_cases():
    """A few of the table's words, held to the cases themselves."""
    for name, words in (
        ("max_pool", "negative values alone"),
        ("max_pool", "ties"),
        ("softmax_cross_entropy", "logits of 1000"),
        ("lrn", "a window wider than a group"),
        ("conv", "a group a channel"),
        ("update", "frozen"),
        ("retrieval", "blocks smaller than k"),
    ):
        assert words in PAGE
        assert any(words in case.about for case in exercise(name).cases() if case.stage == "edge cases")
