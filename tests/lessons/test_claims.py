"""The table of claims is the lessons' own, complete, and every claim in it points at what checks it."""

import ast
import re

import pytest

from lessons import claims

LESSONS = claims.all_lessons()


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


def test_there_are_sixty_of_which_few_need_imagenet():
    found = [claim.verdict for lesson in LESSONS for claim in claims.claims(lesson)]
    assert len(found) >= 60
    assert found.count("needs ImageNet") <= 15


def test_no_claim_stands_twice():
    found = [claim.claim for lesson in LESSONS for claim in claims.claims(lesson)]
    assert len(set(found)) == len(found)
