"""Whatever a learner's code does, it is told in one line with its own file and line."""

import sys
import threading
from types import SimpleNamespace

import pytest

from minialex.check.learner import Fault, Learner, NotBegun, load


def loaded(tmp_path, text, seconds=10.0):
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    return Learner(load(path, seconds=seconds), seconds=seconds)


RAISES = [
    ("def f():\n    return 1 / 0\n", "mine.py:2: ZeroDivisionError: division by zero"),
    ("import numpy as np\ndef f():\n    x = np.ones(2)\n    return x @ np.ones(3)\n", "mine.py:4: ValueError: matmul"),
    ("def f():\n    return g()\ndef g():\n    return h\n", "mine.py:4: NameError: name 'h' is not defined"),
    ("def f():\n    return f()\n", "mine.py:2: RecursionError"),
    ("def f():\n    exit()\n", "mine.py:2: SystemExit"),
    ("def f():\n    assert 1 == 2\n", "mine.py:2: AssertionError"),
    ("def f(x):\n    return x\n", "mine.py: TypeError: f() missing 1 required positional argument: 'x'"),
    ("def f():\n    raise ValueError('one\\ntwo')\n", "mine.py:2: ValueError: one"),
]


@pytest.mark.parametrize("text, says", RAISES, ids=[says for _, says in RAISES])
def test_what_a_function_raises(tmp_path, text, says):
    with pytest.raises(Fault) as caught:
        loaded(tmp_path, text).call("f")
    assert str(caught.value).startswith(says) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, says",
    [
        ("x = 1\ny = 1 / 0\n", "mine.py:2: ZeroDivisionError: division by zero"),
        ("def f(:\n", "mine.py:1: SyntaxError: "),
        ("def f():\nreturn 1\n", "mine.py:2: IndentationError: "),
        ("import nothing_of_this_name\n", "mine.py:1: ModuleNotFoundError: "),
        ("raise SystemExit(3)\n", "mine.py:1: SystemExit: 3"),
    ],
)
def test_what_a_file_raises(tmp_path, text, says):
    with pytest.raises(Fault) as caught:
        loaded(tmp_path, text)
    assert str(caught.value).startswith(says)


def test_a_file_that_is_no_text_is_told(tmp_path):
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(Fault, match="mine.py"):
        load(path)


def test_a_todo_is_told_apart_from_a_fault(tmp_path):
    learner = loaded(tmp_path, "def f():\n    raise NotImplementedError('TODO')\n")
    with pytest.raises(NotBegun, match="^mine.py:2$"):
        learner.call("f")


CAUGHT = "while True:\n        try:\n            x = 1\n        except Exception:\n            pass"


@pytest.mark.parametrize("loop", ["while True:\n        pass", CAUGHT], ids=["bare", "that catches exceptions"])
def test_a_loop_without_an_end_is_stopped(tmp_path, loop):
    learner = loaded(tmp_path, f"def f():\n    {loop}\n", seconds=0.2)
    with pytest.raises(Fault, match=r"^mine.py:\d: still running after 0.2 seconds: does this loop end\?$"):
        learner.call("f")


def test_a_file_that_never_ends_is_stopped(tmp_path):
    with pytest.raises(Fault, match=r"^mine.py:1: still running"):
        loaded(tmp_path, "while True: pass\n", seconds=0.2)


def test_no_timer_is_left(tmp_path):
    learner = loaded(tmp_path, "def f():\n    return 5\n")
    assert [learner.call("f") for _ in range(50)] == [5] * 50
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(5)
            assert not thread.is_alive()


def test_ctrl_c_is_not_caught(tmp_path):
    learner = loaded(tmp_path, "def f():\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        learner.call("f")


def test_a_file_may_use_the_files_beside_it_as_they_are_now(tmp_path):
    beside = tmp_path / "helper_of_mine.py"
    for value in (1, 22):
        beside.write_text(f"VALUE = {value}\n", encoding="utf-8")
        learner = loaded(tmp_path, "from helper_of_mine import VALUE\ndef f():\n    return VALUE\n")
        assert learner.call("f") == value
    assert "helper_of_mine" not in sys.modules and str(tmp_path) not in sys.path


def test_a_file_may_have_the_name_of_a_library(tmp_path):
    path = tmp_path / "random.py"
    path.write_text("import random\ndef f():\n    return 1\n", encoding="utf-8")
    assert Learner(load(path)).call("f") == 1
    assert hasattr(sys.modules["random"], "Random")


def test_annotations_as_text_in_a_dataclass(tmp_path):
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass C:\n    n: int = 1\n"
    )
    assert loaded(tmp_path, text).call("C", n=2).n == 2


def test_a_file_is_no_main_program(tmp_path):
    learner = loaded(tmp_path, "def f():\n    return 1\nif __name__ == '__main__':\n    1 / 0\n")
    assert learner.call("f") == 1


def test_warnings_of_their_code_are_none_of_ours(tmp_path):
    text = "import numpy as np, warnings\ndef f():\n    warnings.warn('mine')\n    return np.exp(np.array(1000.0))\n"
    assert loaded(tmp_path, text).call("f") == float("inf")


@pytest.mark.parametrize("wrap", [dict, lambda **names: SimpleNamespace(**names)], ids=["dict", "object"])
def test_functions_of_a_namespace(wrap):
    learner = Learner(wrap(f=lambda x: x + 1, number=3))
    assert learner.has("f") and not learner.has("g") and not learner.has("number")
    assert learner.call("f", 1) == 2


def test_the_line_of_a_class_s_method(tmp_path):
    head = "from dataclasses import dataclass\n@dataclass\nclass C:\n    n: int = 1\n"
    learner = loaded(tmp_path, head + "    def f(self):\n        return 1 / 0\n")
    with pytest.raises(Fault, match=r"^mine.py:6: ZeroDivisionError"):
        learner.run(learner.call("C", n=2).f)
