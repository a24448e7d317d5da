"""What is said in two places is the same in both."""

import tomllib
from pathlib import Path

import minialex

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_requirements_are_those_of_the_package_and_its_tests():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = [line for line in lines if line and not line.startswith("#")]
    assert requirements == PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]


def test_every_requirement_has_a_lower_and_an_upper_bound():
    extras = PROJECT["optional-dependencies"]
    names = ("test", "words", "onnx", "mpi", "cuda12", "cuda13")
    optional = [requirement for name in names for requirement in extras[name]]
    for requirement in PROJECT["dependencies"] + optional:
        assert ">=" in requirement and ",<" in requirement, requirement


def test_the_changelog_knows_the_version():
    assert minialex.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
