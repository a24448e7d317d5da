"""Makes a test of every fence in the lessons; `UPDATE_LESSONS=1 python -m pytest lessons` writes what they show anew.

The first words of a fence say what it is:

    python                      is run, all of a lesson in one namespace
    bash                        is run in the project's root; "python" is the interpreter of the tests
    text                        is what the fence before it printed
    python quote FILE [NAME]    is FILE's function or class NAME without its docstring, or lines that stand in FILE
    math                        is a formula; tests/lessons/test_markup.py looks at it
    ... no-run WHY              is only shown

A failure tells the lesson's file and the line.
"""

import ast
import contextlib
import io
import os
import re
import subprocess
import sys
import textwrap
from functools import partial
from itertools import pairwise
from pathlib import Path

from sybil import Document, Region, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

ROOT = Path(__file__).resolve().parent.parent
FENCES = RawFencedCodeBlockLexer(re.compile(r"(?P<info>[^\n]*)\n"), mapping={"info": "info", "source": "source"})
UPDATE = os.environ.get("UPDATE_LESSONS") == "1"
PRINTED, STALE = "_printed", "_stale"  # in a lesson's namespace: what a fence printed; the fences to write anew


def parse(document: Document):
    """Every fence of a lesson, with what evaluates it: a function that returns a complaint, or None."""
    regions = list(FENCES(document))
    for region, following in pairwise([*regions, None]):
        info = region.lexemes["info"].strip()
        if info != "math" and not re.fullmatch(r"\w+ no-run \S.*", info):
            shown = following is not None and following.lexemes["info"].strip() == "text"
            yield Region(region.start, region.end, region.lexemes["source"], evaluator(info, shown))


def evaluator(info: str, shown: bool):
    """What evaluates a fence with this info string; `shown` is whether a text fence follows it."""
    if info in RUNNERS:
        return partial(run, runner=RUNNERS[info], shown=shown)
    if info == "text":
        return printed
    if match := re.fullmatch(r"python quote (\S+)(?: (\w+))?", info):
        file, name = match.groups()
        return partial(definition, file=file, name=name) if name else partial(lines, file=file)
    return lambda example: f"there is no such kind of fence: {info!r}"


def run_bash(example):
    """Run the fence's commands in the project's root, "python" on this interpreter, and print what they do."""
    for line in example.parsed.replace("\\\n", " ").splitlines():
        command = re.sub(r"^python(?= )", f'"{Path(sys.executable).as_posix()}"', line)
        done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
        if done.returncode:
            raise RuntimeError(f"{line!r} ended with status {done.returncode}: {done.stdout}{done.stderr}")
        print(done.stdout, end="")


RUNNERS = {"python": PythonEvaluator(), "bash": run_bash}


def run(example, runner, shown: bool):
    """Run a fence. What it prints has to be shown by the text fence after it."""
    __tracebackhide__ = True
    with contextlib.redirect_stdout(io.StringIO()) as out:
        runner(example)
    example.namespace[PRINTED] = out.getvalue()
    if out.getvalue() and not shown:
        return f"it prints, and no text fence shows it:\n{out.getvalue()}"


def printed(example):
    """A text fence shows what was printed before it."""
    if PRINTED not in example.namespace:
        return "it follows no fence that is run"
    return equal(example, example.namespace.pop(PRINTED))


def definition(example, file: str, name: str):
    """A quoted function or class is as it stands in the file, but for its docstring."""
    source = (ROOT / file).read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return equal(example, without_docstring(source, node))
    return f"there is no {name} in {file}"


def without_docstring(source: str, node) -> str:
    """The lines of a function or a class, its decorators too, but for the docstring."""
    numbers = range(min([node, *node.decorator_list], key=lambda part: part.lineno).lineno, node.end_lineno + 1)
    docstring = range(0)
    if ast.get_docstring(node) is not None:
        first, last = node.body[0].lineno, node.body[0].end_lineno
        docstring = range(first, last + 1 + isinstance(node, ast.ClassDef))  # an empty line follows a class's
    text = source.splitlines()
    kept = [text[number - 1] for number in numbers if number not in docstring]
    return textwrap.dedent("\n".join(kept)) + "\n"


def lines(example, file: str):
    """Quoted lines stand in the file, one after the other, whatever their indentation; empty lines do not count."""
    wanted = [line for line in example.parsed.splitlines() if line.strip()]
    there = [line for line in (ROOT / file).read_text(encoding="utf-8").splitlines() if line.strip()]
    parts = ("\n".join(there[start : start + len(wanted)]) for start in range(len(there)))
    if not any(textwrap.dedent(part) == "\n".join(wanted) for part in parts):
        return f"these lines do not stand in {file}"


def equal(example, actual: str):
    """The fence shows `actual`, but for spaces at the end of lines. With UPDATE_LESSONS=1 it is noted for `rewrite`."""
    shown, there = ([line.rstrip() for line in text.splitlines()] for text in (example.parsed, actual))
    if shown == there:
        return None
    if UPDATE:
        example.namespace.setdefault(STALE, []).append((example, "\n".join(there)))
        return None
    return f"it is stale, and UPDATE_LESSONS=1 writes it anew. It is now:\n{actual}"


def rewrite(namespace):
    """Write a lesson's stale fences anew, the last one first, so that the places of the others stay."""
    for example, actual in reversed(namespace.get(STALE, [])):
        path = Path(example.path)
        text = path.read_text(encoding="utf-8")
        start = text.index("\n", example.start) + 1
        end = text.rindex("```", example.start, example.end)
        path.write_text(text[:start] + actual + "\n" + text[end:], encoding="utf-8", newline="\n")


pytest_collect_file = Sybil(parsers=[parse], patterns=["*.md"], teardown=rewrite).pytest()
