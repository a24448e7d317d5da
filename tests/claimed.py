"""The numbers of the lessons' claims, and the literals that hold them in what a claim points at.

A claim's numbers are those of its column `here`; where that has none ("the same"), a checked claim's are the paper's.
Figures count, words do not. What is written in one run, as 5x5x48 is, has to stand so, number after number.
`tests/lessons/test_claims.py` sees that each stands in a named test, in what a fence prints, or in a result;
`tests/altered_claims.py` alters it there, and sees that something fails.
"""

import ast
import re
from pathlib import Path
from typing import NamedTuple

from lessons.claims import Claim

TOKEN = re.compile(r"(?<![\w.])(?:\d{1,3}(?:[,_]\d{3})+|\d+)(?:\.\d+)?(?:e-?\d+)?(?!\w|\.\d)")
NAMES = re.compile(r"`[^`]*`|\(\d(?:\.\d)?\)|section \d\.\d|ILSVRC-\d+|Figure \d")  # their numbers count nothing
BETWEEN = re.compile(r"[ ,x=]*(?:[a-z]+=)?")  # two numbers of a run
UNIT = re.compile(r"(?: to [\d.]+)? ?(%|million\b|M\b|billion\b)?")
SCALES = {"": (1,), "%": (1, 100), "million": (1, 1e-6), "M": (1, 1e-6), "billion": (1, 1e-9)}  # of what stands there
TEST = re.compile(r"\[`(test_\w+)`\]\(([^)]+)\)")
FENCE = re.compile(r"^```(?:text|python quote [^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)  # those that are compared


class Number(NamedTuple):
    """A number of a claim as it is written, and in what it counts: %, million, M, billion or nothing."""

    text: str
    unit: str


class Literal(NamedTuple):
    """A number in a file, from character `start` to `end`."""

    path: Path
    start: int
    end: int
    value: float


class Place(NamedTuple):
    """What a claim points at, by the words of its link, and the literals there."""

    name: str
    literals: list[Literal]

    def holding(self, run: tuple[Number, ...]) -> list[list[Literal]]:
        """Where a run of numbers stands, every time that it does."""
        windows = (self.literals[first : first + len(run)] for first in range(len(self.literals) - len(run) + 1))
        return [window for window in windows if all(map(stands, run, window))]


def tokens(text: str, start: int = 0, end: int | None = None) -> list[re.Match]:
    """The numbers between two characters of a text; an x between two of them is a sign."""
    plain = re.sub(r"(?<=\d)x(?=\d)", " ", text)
    return list(TOKEN.finditer(plain, start, len(plain) if end is None else end))


def value(text: str) -> float:
    return float(text.replace(",", "").replace("_", ""))


def runs(cell: str) -> list[tuple[Number, ...]]:
    """The numbers of a cell of the table, those together that are one run."""
    cell = NAMES.sub("", cell)
    found, end = [], None
    for match in tokens(cell):
        number = Number(match[0], UNIT.match(cell, match.end())[1] or "")
        if end is not None and BETWEEN.fullmatch(cell, end, match.start()):
            found[-1] += (number,)
        else:
            found.append((number,))
        end = match.end()
    return found


def claimed(claim: Claim) -> list[tuple[Number, ...]]:
    """The numbers that a claim stands on, each run once."""
    cells = [claim.here, claim.paper, claim.claim] if claim.verdict == "checked" else [claim.here]
    return list(dict.fromkeys(next(filter(None, map(runs, cells)), [])))


def stands(number: Number, literal: Literal) -> bool:
    """Whether a literal is this number; one with a unit, or one of a result, may have more digits than are shown."""
    if number.unit == "" and literal.path.suffix != ".json":
        return literal.value == value(number.text)
    digits = len(number.text.partition(".")[2])
    if number.unit == "" and digits == 0:
        return literal.value == value(number.text)
    shown = f"{value(number.text):.{digits}f}"
    return any(f"{literal.value * scale:.{digits}f}" == shown for scale in SCALES[number.unit])


def places(claim: Claim, lesson: Path) -> list[Place]:
    """All that a claim points at and that can hold a number: tests, sections of lessons, results."""
    found = []
    for name, target in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", claim.where):
        file, _, anchor = target.partition("#")
        path = (lesson.parent / file).resolve() if file else lesson
        if TEST.match(f"[{name}]({target})"):
            found.append(Place(name, of_test(path, name.strip("`"))))
        elif anchor:
            found.append(Place(target, of_section(path, anchor)))
        elif path.suffix == ".json":
            found.append(Place(target, literals(path)))
    return found


def missing(claim: Claim, lesson: Path) -> list[str]:
    """The numbers of a claim that stand in nothing it points at."""
    there = places(claim, lesson)
    lost = [run for run in claimed(claim) if not any(place.holding(run) for place in there)]
    return [" ".join(number.text + number.unit for number in run) for run in lost]


def literals(path: Path, start: int = 0, end: int | None = None) -> list[Literal]:
    matches = tokens(path.read_text(encoding="utf-8"), start, end)
    return [Literal(path, match.start(), match.end(), value(match[0])) for match in matches]


def of_section(lesson: Path, anchor: str) -> list[Literal]:
    """What the fences of a section print or quote; its prose only if it has none."""
    text = lesson.read_text(encoding="utf-8")
    heads = list(re.finditer(r"^## (.+)\n", text, re.MULTILINE))
    slugs = [re.sub(r"[^a-z0-9 -]", "", head[1].lower()).replace(" ", "-") for head in heads]
    place = slugs.index(anchor)
    start, end = heads[place].end(), [*(head.start() for head in heads), len(text)][place + 1]
    spans = [fence.span(1) for fence in FENCE.finditer(text, start, end)] or [(start, end)]
    return [literal for span in spans for literal in literals(lesson, *span)]


def compared(literal: Literal) -> bool:
    """Whether a number of a lesson is in a fence, so that the lesson's own tests compare it."""
    text = literal.path.read_text(encoding="utf-8")
    return any(fence.start(1) <= literal.start < fence.end(1) for fence in FENCE.finditer(text))


def of_test(path: Path, name: str) -> list[Literal]:
    """What stands in a test, in its decorators, and in the module's constants that it uses."""
    text = path.read_text(encoding="utf-8")
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    found = []
    for node in used(ast.parse(text), name):
        for part in parts(node):
            start, end = lines[part.lineno - 1] + part.col_offset, lines[part.end_lineno - 1] + part.end_col_offset
            found += literals(path, start, end)
    return found


def used(tree: ast.Module, name: str) -> list[ast.AST]:
    """The test of this name and, in their order of use, the module's assignments that it reads."""
    assignments = [node for node in tree.body if isinstance(node, ast.Assign)]
    assigned = {part.id: node for node in assignments for part in node.targets if isinstance(part, ast.Name)}
    found, ahead = [], [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    while ahead:
        found.append(ahead.pop(0))
        names = (part.id for part in ast.walk(found[-1]) if isinstance(part, ast.Name))
        ahead += [assigned.pop(name) for name in names if name in assigned]
    return found


def parts(node: ast.AST) -> list[ast.AST]:
    """The constants in a test or an assignment, but for the docstring; of an f-string the whole."""
    if isinstance(node, ast.JoinedStr) or isinstance(node, ast.Constant) and not isinstance(node.value, bool):
        return [node]
    skipped = node.body[0] if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) else None
    return [part for child in ast.iter_child_nodes(node) if child is not skipped for part in parts(child)]
