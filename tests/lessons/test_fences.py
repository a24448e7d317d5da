"""What is wrong on purpose in a lesson is caught, with the lesson's name and the line."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parent.parent.parent / "lessons" / "conftest.py"
CODE = 'def double(x):\n    """Twice x."""\n    return 2 * x\n\n\nclass Pair:\n    """Two."""\n\n    size = 2\n'

GOOD = """# A lesson

```python
print(6 * 7)
```

```text
42
```

```python quote code.py double
def double(x):
    return 2 * x
```

```python quote code.py Pair
class Pair:
    size = 2
```

```python quote code.py
return 2 * x
```

```bash
python -c "print('from a shell')"
```

```text
from a shell
```

```python no-run it needs a GPU
1 / 0
```

```math
a
```
"""

PLANTED = {
    "a fence that fails": ("print(6 * 7)", "print(6 / 0)", 3, "ZeroDivisionError"),
    "a stale output": ("42", "43", 7, "It is now:\n42"),
    "a drifted quotation": ("    return 2 * x", "    return x * 2", 11, "It is now:\ndef double(x):\n    return 2 * x"),
    "a quotation of what is gone": ("code.py Pair", "code.py Triple", 16, "there is no Triple in code.py"),
    "quoted lines that have changed": ("\nreturn 2 * x", "\nreturn 3 * x", 21, "do not stand in code.py"),
    "a command that fails": ("print('from a shell')", "exit(3)", 25, "ended with status 3"),
    "an output that is not shown": ("42", "42\n```\n\n```python\nprint(1)", 11, "no text fence shows it"),
    "an output of nothing": ("# A lesson", "```text\n42\n```", 1, "it follows no fence that is run"),
    "a fence that says not why": (" it needs a GPU", "", 33, "no such kind of fence: 'python no-run'"),
    "a fence of no kind": ("```math", "```\n```", 37, "no such kind of fence: ''"),
}


@pytest.fixture
def lesson(tmp_path):
    """A project with one lesson, which passes."""
    folder = tmp_path / "lessons"
    folder.mkdir()
    shutil.copy(CONFTEST, folder)
    (tmp_path / "code.py").write_text(CODE, encoding="utf-8")
    path = folder / "lesson.md"
    path.write_text(GOOD, encoding="utf-8")
    return path


def run(lesson, **env):
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", lesson.parent]
    command = [sys.executable, "-m", "pytest", *options, lesson.parent]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=os.environ | env)


def test_a_good_lesson_passes_beside_a_page_without_fences(lesson):
    (lesson.parent / "README.md").write_text("# A map\n", encoding="utf-8")
    done = run(lesson)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_what_is_planted_is_caught_with_file_and_line(lesson):
    for number, (good, bad, _, _) in enumerate(PLANTED.values()):
        assert GOOD.count(good) == 1 or good in ("42", "print(6 * 7)"), good
        (lesson.parent / f"planted{number}.md").write_text(GOOD.replace(good, bad, 1), encoding="utf-8")
    said = run(lesson).stdout
    for number, (what, (_, _, line, complaint)) in enumerate(PLANTED.items()):
        name = re.escape(f"planted{number}.md")
        report = re.search(rf"^_+ {name} line={line} column=1 _+$(.*?)^(_{{9}}|=)", said, re.DOTALL | re.MULTILINE)
        assert report, f"{what}: not caught in line {line}\n{said[-3000:]}"
        assert complaint in report[1], what


def test_stale_fences_are_written_anew_on_request(lesson):
    stale = GOOD.replace("\n42\n", "\n41\nand more\n").replace("    return 2 * x\n", "").replace("from a shell\n", "")
    lesson.write_text(stale, encoding="utf-8")
    assert run(lesson).returncode == 1
    assert run(lesson, UPDATE_LESSONS="1").returncode == 0
    assert lesson.read_text(encoding="utf-8") == GOOD
