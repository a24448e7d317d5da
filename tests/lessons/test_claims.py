"""The table of claims is the lessons' own, complete, and every claim in it points at what checks it."""

import ast
import re

import pytest

from lessons import claims
from tests.claimed import missing, places

LESSONS = claims.all_lessons()
ROWS = [(lesson, claim) for lesson in LESSONS for claim in claims.claims(lesson)]


def test_the_page_is_what_the_lessons_say():
    stale = "python lessons/claims.py writes it anew"
    assert claims.PATH.read_text(encoding="utf-8") == claims.table(LESSONS), stale


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_each_claim_points_at_what_checks_it(lesson):
    for claim in claims.claims(lesson):
        assert claim.verdict in claims.VERDICTS, claim
        assert "](" in claim.where, f"no link: {claim}"
        for name, file in re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", claim.where):
            tree = ast.parse((lesson.parent / file).read_text(encoding="utf-8"))
            names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            assert name in names, f"there is no {name} in {file}: {claim}"


@pytest.mark.parametrize(
    ("lesson", "claim"),
    ROWS,
    ids=lambda part: part.name[:2] if hasattr(part, "name") else part.claim,
)
def test_each_number_stands_in_what_the_claim_points_at(lesson, claim):
    """So a number that is altered in the claim is noticed; `tests/altered_claims.py` alters it in the test."""
    looked = ", ".join(place.name for place in places(claim, lesson)) or "nothing that holds numbers"
    lost = missing(claim, lesson)
    assert not lost, f"{lesson.name}, {claim.claim!r}: {lost} not in {looked}"


def test_an_altered_number_is_missed():
    where = "[`test_parameters_and_multiply_adds`](../tests/test_alexnet.py), [above](#the-code)"
    claim = claims.Claim("parameters", "60 million", "60,965,224, conv3 1.45%", "checked", where)
    lesson = claims.LESSONS / "01_introduction.md"
    assert missing(claim, lesson) == []
    assert missing(claim._replace(here="60,965,225, conv3 1.46%"), lesson) == ["60,965,225", "1.46%"]


def test_there_are_sixty_of_which_few_need_imagenet():
    found = [claim.verdict for lesson in LESSONS for claim in claims.claims(lesson)]
    assert len(found) >= 60
    assert found.count("needs ImageNet") <= 15


def test_no_claim_stands_twice():
    found = [claim.claim for lesson in LESSONS for claim in claims.claims(lesson)]
    assert len(set(found)) == len(found)
