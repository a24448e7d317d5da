"""Every claim of the paper that the lessons look at, in one table: `python lessons/claims.py` writes claims.md."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

LESSONS = Path(__file__).resolve().parent
PATH = LESSONS / "claims.md"
HEADING = "## The paper's claims\n"
VERDICTS = {
    "checked": "a test or a fence computes it, and it holds",
    "reproduced": "an experiment of ours shows it",
    "differs": "what we find is something else; the lesson says why",
    "needs ImageNet": "nothing smaller can tell",
}


class Claim(NamedTuple):
    """A row of a lesson's table: what the paper says, what we find, our verdict, and where it is looked at."""

    claim: str
    paper: str
    here: str
    verdict: str
    where: str


def claims(lesson: Path) -> list[Claim]:
    """The claims of a lesson, as its table has them."""
    text = lesson.read_text(encoding="utf-8")
    section = re.split(r"^## ", text.partition(HEADING)[2], maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\|(.+)\|$", section, re.MULTILINE)[2:]  # without the header and the line under it
    return [Claim(*(cell.strip() for cell in row.split("|"))) for row in rows]


def table(lessons: list[Path]) -> str:
    """The page: how many claims there are of each verdict, and all of them by lesson."""
    found = {lesson: claims(lesson) for lesson in lessons}
    counts = Counter(claim.verdict for rows in found.values() for claim in rows)
    head = f"{sum(counts.values())} claims of the paper: what it says, what we find, and where that can be seen."
    lines = ["# The paper's claims", "", head, ""]
    lines += ["| verdict | meaning | claims |", "| --- | --- | ---: |"]
    lines += [f"| {verdict} | {meaning} | {counts[verdict]} |" for verdict, meaning in VERDICTS.items()]
    for lesson, rows in found.items():
        title = lesson.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        lines += ["", f"## {title}", "", f"From [{lesson.name}]({lesson.name}).", ""]
        lines += ["| claim | the paper | here | verdict | where |", "| --- | --- | --- | --- | --- |"]
        there = [f"| {' | '.join(claim)} |".replace("[above](#", "[the lesson](#") for claim in rows]
        lines += [row.replace("](#", f"]({lesson.name}#") for row in there]
    return "\n".join(lines) + "\n"


def all_lessons() -> list[Path]:
    """The lessons in their order."""
    return sorted(LESSONS.glob("[01][0-9]_*.md"))


if __name__ == "__main__":
    PATH.write_text(table(all_lessons()), encoding="utf-8", newline="\n")
    print(PATH)
