"""Alter the numbers of the paper's claims where they are checked, and see what fails: python tests/altered_claims.py

In a copy of the project each number that a claim stands on becomes another: in the test that the claim names, which
then has to fail; in what a fence of the lesson shows, so that the lesson has to fail; in a result, or in prose that no
fence computes, so that tests/lessons/test_claims.py or the lesson has to miss it. `python tests/altered_claims.py 07`
does so for lesson 07 alone. A line tells a claim, its numbers and what failed. Exit status 1 if an altered number
survives.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lessons.claims import Claim, all_lessons, claims
from tests.claimed import Literal, Place, claimed, compared, missing, places

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 2
SECONDS = 300
COPIED = ("minialex", "tests", "lessons", "examples", "pyproject.toml")
NUMBERS = "tests/lessons/test_claims.py::test_each_number_stands_in_what_the_claim_points_at"


class Alteration(NamedTuple):
    """A claim's number in one of its places: the ways to alter it there, one of which has to make a test fail."""

    number: str
    ways: list[list[Literal]]
    tests: tuple[str, ...]


def alterations(claim: Claim, lesson: Path) -> list[Alteration]:
    """Each number of a claim, in each of the places that hold it."""
    found = []
    for place in places(claim, lesson):
        for run in claimed(claim):
            windows = place.holding(run)
            for nth, number in enumerate(run if windows else ()):
                literals = [window[nth] for window in windows]
                in_test = place.name.startswith("`")
                ways = [[literal] for literal in literals] if in_test else [literals]
                found.append(Alteration(number.text + number.unit, ways, tests_of(place, literals[0], lesson)))
    return found


def tests_of(place: Place, literal: Literal, lesson: Path) -> tuple[str, ...]:
    """Where something has to fail when this number is altered; a result may also be shown by the lesson."""
    file = literal.path.relative_to(ROOT).as_posix()
    if place.name.startswith("`"):
        return (f"{file}::{place.name.strip('`')}",)
    if literal.path.suffix == ".json":
        return NUMBERS, lesson.relative_to(ROOT).as_posix()
    return (file,) if compared(literal) else (NUMBERS,)


def other(number: str) -> str:
    """Another number of the same form: 60_965_225 for 60_965_224, 2e-4 for 1e-4, 8 for 9."""
    mantissa, exponent = re.fullmatch(r"([\d,_.]+)((?:e.*)?)", number).groups()
    last = int(mantissa[-1])
    return f"{mantissa[:-1]}{last + 1 if last < 9 else 8}{exponent}"


def altered(text: str, literals: list[Literal]) -> str:
    for literal in sorted(literals, key=lambda literal: -literal.start):
        number = text[literal.start : literal.end]
        # A claim may round a result, and then another last digit is the same number to it.
        new = f"9{number}" if literal.path.suffix == ".json" else other(number)
        text = text[: literal.start] + new + text[literal.end :]
    return text


def fails(literals: list[Literal], tests: tuple[str, ...]) -> bool:
    """Whether one of these tests fails on a copy of the project in which these numbers are altered."""
    with tempfile.TemporaryDirectory() as folder:
        copy_project(Path(folder))
        for path in {literal.path for literal in literals}:
            text = altered(path.read_text(encoding="utf-8"), literals)
            (Path(folder) / path.relative_to(ROOT)).write_text(text, encoding="utf-8", newline="\n")
        finished = run_tests(folder, tests)
    if finished.returncode not in (0, 1):
        raise RuntimeError(f"{tests} could not run\n{finished.stdout}{finished.stderr}")
    return finished.returncode == 1


def copy_project(folder: Path) -> None:
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)


def run_tests(folder: str, tests: tuple[str, ...]) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", *tests]
    environment = {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def survivors(row: tuple[Path, Claim]) -> list[str]:
    """The numbers of a claim, and where they were altered, that nothing noticed; or that stand nowhere."""
    lesson, claim = row
    unnoticed = [f"{number} stands nowhere" for number in missing(claim, lesson)]
    for number, ways, tests in alterations(claim, lesson):
        if not any(fails(way, tests) for way in ways):
            unnoticed.append(f"{number}, by {' and '.join(tests)}")
    return unnoticed


def main(chosen: str = "") -> int:
    every = [(lesson, claim) for lesson in all_lessons() if lesson.name.startswith(chosen) for claim in claims(lesson)]
    rows = [row for row in every if claimed(row[1])]
    changes = [change for lesson, claim in rows for change in alterations(claim, lesson)]
    tests = tuple(sorted({test for change in changes for test in change.tests}))
    if tests and fails([], tests):
        raise RuntimeError(f"one of {tests} fails without any alteration")
    count = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        for (lesson, claim), unnoticed in zip(rows, pool.map(survivors, rows), strict=True):
            changes = alterations(claim, lesson)
            numbers = ", ".join(dict.fromkeys(change.number for change in changes))
            noticed = ", ".join(dict.fromkeys(test.rpartition("/")[2] for change in changes for test in change.tests))
            said = f"SURVIVED: {'; '.join(unnoticed)}" if unnoticed else f"failed: {noticed}"
            print(f"{lesson.name[:2]} {claim.claim} | {numbers} | {said}", flush=True)
            count += len(unnoticed)
    print(f"{len(every)} claims, {len(rows)} of them with numbers; {count} altered numbers survived")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
