"""Every exercise has a stub, not begun, and a solution, right; the two have the same functions and arguments."""

import ast
from pathlib import Path

import pytest

from minialex import ops
from minialex.check import NAMES, check_exercise
from minialex.check.command import check_file
from minialex.check.exercises import exercise
from minialex.ops import windows

LESSONS = Path(__file__).parents[2] / "lessons"
STUBS, SOLUTIONS = LESSONS / "exercises", LESSONS / "solutions"
every_exercise = pytest.mark.parametrize("name", NAMES)


def functions(path):
    """{name: (arguments, docstring)} of a file's functions and methods."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {node.name: (ast.unparse(node.args), ast.get_docstring(node)) for node in found}


def test_there_is_a_stub_and_a_solution_for_each_exercise_and_no_other():
    for folder in (STUBS, SOLUTIONS):
        assert {path.stem for path in folder.glob("*.py")} == set(NAMES)


@every_exercise
def test_a_stub_is_not_begun(name):
    report = check_file(name, STUBS / f"{name}.py")
    assert report.state == "not begun" and not report.ok
    assert f"{name}.py:" in str(report) and len(str(report).splitlines()) == 1


@every_exercise
def test_a_solution_is_right_and_without_notes(name):
    report = check_file(name, SOLUTIONS / f"{name}.py")
    assert report.ok, str(report)
    assert not report.notes


@every_exercise
def test_a_stub_asks_for_what_the_solution_has(name):
    stub, solution = functions(STUBS / f"{name}.py"), functions(SOLUTIONS / f"{name}.py")
    for function, (arguments, docstring) in stub.items():
        assert solution[function][0] == arguments
        assert docstring, function


@every_exercise
def test_a_stub_names_its_command(name):
    assert f"python -m minialex check {name}`" in (STUBS / f"{name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in NAMES if f"{name}_forward" in ops.__all__])
def test_the_arguments_are_those_of_the_package(name):
    path = Path(ops.__file__).parent
    ours = {}
    for file in path.glob("*.py"):
        ours |= functions(file)
    for function in exercise(name).functions:
        own = functions(STUBS / f"{name}.py")[function][0]
        assert own == ours[function][0].replace(", *, need_dx=True", "")


@pytest.mark.parametrize("name", [name for name in NAMES if f"{name}_forward" in ops.__all__])
def test_the_package_itself_passes(name):
    assert check_exercise(name, ops).ok


def test_the_package_s_own_windows_pass():
    assert check_exercise("im2col", windows).ok


@every_exercise
def test_hints_are_three_and_each_says_something_else(name):
    hints = exercise(name).hints
    assert len(set(hints)) == 3 and all(40 < len(hint) < 420 and hint.endswith((".", "?")) for hint in hints)
