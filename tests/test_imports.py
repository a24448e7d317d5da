"""Imports point one way, and importing minialex is cheap."""

import ast
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "minialex"

# Who may import whom: a room may import what stands left of it, and all that those may import.
ARROWS = """
backend -> ops -> layers -> network -> alexnet -> recipes
backend -> optim -> recipes
backend -> data.augment -> data
data.augment -> recipes
backend -> checkpoint
backend -> gradcheck -> check
ops -> check
optim -> check
data -> check
evaluate -> check
ops -> kernels
optim -> kernels
data.augment -> kernels
network -> parallel -> evaluate -> train
optim -> parallel
threads -> parallel
data -> parallel
checkpoint -> parallel
recipes -> parallel
network -> health -> train
network -> memory -> train
ops -> precision -> memory
data -> figures -> train
network -> figures
network -> interop
alexnet -> interop
checkpoint -> interop
data -> interop
backend -> doctor
data -> doctor
errors -> files
"""
FOR_ALL = {"errors", "files", "rng"}
HEAVY = {"matplotlib", "PIL", "tqdm", "safetensors", "threadpoolctl", "filelock", "scipy"}
HEAVY |= {"cupy", "torch", "onnx", "mpi4py"}


def allowed():
    """{room: rooms that it may import}, the arrows followed to their ends."""
    direct = {}
    for line in ARROWS.strip().splitlines():
        for left, right in pairwise(line.split(" -> ")):
            direct.setdefault(right, set()).add(left)

    def reach(room):
        return set().union(*({left} | reach(left) for left in direct.get(room, ())))

    rooms = FOR_ALL | set(direct) | set().union(*direct.values())
    return {room: reach(room) if room in FOR_ALL else reach(room) | FOR_ALL for room in rooms}


def room_of(module):
    """The room of a module: its file or folder; data.augment, which kernels may import, is its own."""
    return "data.augment" if module == "data.augment" else module.split(".")[0]


def parsed_modules():
    """{dotted name under minialex: (syntax tree, is it a package)}; minialex itself has the empty name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found[".".join(parts[:-1] if is_package else parts)] = (tree, is_package)
    return found


MODULES = parsed_modules()


def imports_of(name):
    """Every dotted name that a module imports, wherever in its file; `from a import b` counts as a.b."""
    tree, is_package = MODULES[name]
    here = ["minialex", *name.split(".")] if name else ["minialex"]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) + is_package - node.level] if node.level else []
            base = [*base, node.module] if node.module else base
            yield from (".".join([*base, alias.name]) for alias in node.names)


def our_module(dotted):
    """The module of ours that a dotted name lies in: minialex.ops.conv.conv_forward lies in ops.conv."""
    parts = dotted.split(".")[1:]
    while ".".join(parts) not in MODULES:
        parts.pop()
    return ".".join(parts)


def our_imports(name):
    """The modules of ours that a module imports; everybody may ask for the version."""
    wanted = {dotted for dotted in imports_of(name) if dotted.split(".")[0] == "minialex"}
    return {our_module(dotted) for dotted in wanted - {"minialex.__version__"}}


def third_party(name):
    return {dotted.split(".")[0] for dotted in imports_of(name)} - set(sys.stdlib_module_names) - {"minialex"}


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"", "__main__"}))
def test_imports_point_one_way(name):
    room, arrows = room_of(name), allowed()
    assert room in arrows, f"{room} has no place among the arrows"
    wrong = {other for other in our_imports(name) if room_of(other) not in arrows[room] | {room}}
    assert not wrong, f"minialex.{name} imports {wrong}; {room} may import {sorted(arrows[room])}"


def test_the_arrows_make_no_circle():
    assert all(room not in reached for room, reached in allowed().items())


def test_imports_at_the_top_and_inside_functions_are_seen():
    assert our_imports("__main__") >= {"doctor", "errors", "alexnet", "network"}
    assert {"numpy", "cupy"} <= third_party("backend")


@pytest.mark.parametrize("name", sorted(MODULES))
def test_only_the_backend_knows_cupy(name):
    assert "cupy" not in third_party(name) or name == "backend"


@pytest.mark.parametrize("name", sorted(name for name in MODULES if room_of(name) == "ops"))
def test_the_arithmetic_follows_its_arrays(name):
    """An op that calls NumPy by name works on the CPU alone: `xp_of(x)` is there for it."""
    assert third_party(name) == set()


def heavy_after(*modules):
    """What of HEAVY a fresh interpreter has loaded after importing `modules`."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    return HEAVY & set(done.stdout.split())


def test_importing_minialex_is_cheap():
    assert heavy_after("minialex") == set()


def test_the_network_needs_numpy_alone():
    rooms = [name for name in ("backend", "ops", "layers", "network", "alexnet", "optim") if name in MODULES]
    assert heavy_after(*(f"minialex.{name}" for name in rooms)) == set()
