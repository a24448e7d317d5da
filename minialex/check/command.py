"""`python -m minialex check NAME`: which exercise, which file, and what is printed."""

import json
import time
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from minialex.check.exercises import NAMES, exercise
from minialex.check.learner import SECONDS, Fault, Learner, NotBegun, load
from minialex.check.report import Report, Stage
from minialex.check.run import run
from minialex.errors import UserError

FOLDER = Path("lessons") / "exercises"
HINTS_SEEN = ".hints.json"  # beside the exercises: how many hints of each have been given
POLL = 0.3  # seconds between two looks at a file that is watched


def check(target: str, *, exercise_name: str | None = None, hint: bool = False, watch: bool = False) -> int:
    """Check one exercise, print the report, and return 0 where all is right and 1 where it is not.

    target: an exercise's name, or a file.  exercise_name: which exercise a file is, if its name does not tell.
    hint: print the next hint too.  watch: check again whenever the file is saved, until Ctrl-C.
    Raises UserError for an exercise or a file that is not there.
    """
    name, path = find(target, exercise_name)
    seen = _modified(path)  # before it is read: what is saved meanwhile is not missed
    report = check_file(name, path)
    print(report, flush=True)
    if hint and not report.ok:
        print(next_hint(name, path.parent))
    for _ in changes(path, seen) if watch else ():
        report = check_file(name, path)
        print(f"\n{report}", flush=True)
    return 0 if report.ok else 1


def check_all(folder: str | None = None) -> int:
    """Check every exercise of a folder, print a table, and return 0 where all are right."""
    folder = Path(folder) if folder else _project_folder()
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    width, right = max(map(len, NAMES)), 0
    for name in NAMES:
        path = folder / f"{name}.py"
        report = check_file(name, path) if path.is_file() else None
        right += report is not None and report.ok
        print(f"{name:<{width}}  {report.state if report else 'no file'}", flush=True)
    print(f"{right} of {len(NAMES)} are right")
    return 0 if right == len(NAMES) else 1


def find(target: str, exercise_name: str | None = None) -> tuple[str, Path]:
    """The exercise and the file that the command's argument means. Raises UserError where there is none."""
    if exercise_name is not None:
        _known(exercise_name)
    if target in NAMES:
        return exercise_name or target, _existing(_project_folder() / f"{target}.py")
    if not target.endswith(".py"):
        _known(target)
    path = _existing(Path(target))
    return exercise_name or _name_in(path.stem), path


def check_file(name: str, path: Path, *, seconds: float = SECONDS) -> Report:
    """The report of a file that holds an exercise's functions."""
    title = f"{name} ({path})"
    try:
        names = load(path, seconds=seconds)
    except NotBegun as error:
        return Report(title, (), not_begun=str(error))
    except Fault as error:
        return Report(title, (Stage("imports", False, (str(error),)),))
    return run(exercise(name), Learner(names, seconds=seconds), title)


def next_hint(name: str, folder: Path) -> str:
    """The hint after the last one that was given, which is kept beside the exercises; after the third, the first."""
    hints, seen = exercise(name).hints, _seen(folder)
    number = seen.get(name, 0) % len(hints)
    try:
        (folder / HINTS_SEEN).write_text(json.dumps({**seen, name: number + 1}), encoding="utf-8")
    except OSError:
        pass  # a folder that cannot be written to gives its first hint each time
    return f"hint {number + 1} of {len(hints)}: {hints[number]}"


def changes(path: Path, last: tuple | None, sleep: Callable[[float], None] = time.sleep):
    """Yield whenever the file is another than at `last`; an editor may take it away for a moment."""
    while True:
        sleep(POLL)
        now = _modified(path)
        if now not in (None, last):
            last = now
            yield


def _seen(folder: Path) -> dict:
    try:
        seen = json.loads((folder / HINTS_SEEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return seen if isinstance(seen, dict) and all(isinstance(count, int) for count in seen.values()) else {}


def _modified(path: Path) -> tuple | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size


def _project_folder() -> Path:
    """lessons/exercises of the project that the current folder belongs to, as short as it can be said."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FOLDER).is_dir():
            return FOLDER if folder == here else folder / FOLDER
    raise UserError(f"there is no {FOLDER.as_posix()} here or above: go to the project's folder, or name a file")


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    return path


def _known(name: str) -> None:
    if name not in NAMES:
        near = get_close_matches(name, NAMES, n=1)
        meant = f"did you mean {near[0]}?" if near else f"choose {', '.join(NAMES)}, or a file that ends with .py"
        raise UserError(f"there is no exercise {name!r}: {meant}")


def _name_in(stem: str) -> str:
    """The exercise whose name a file's name is, or ends with: my_lrn is lrn."""
    found = [name for name in NAMES if stem == name or stem.endswith(f"_{name}")]
    if not found:
        raise UserError(f"{stem}.py does not say which exercise it is: add --as NAME, of {', '.join(NAMES)}")
    return max(found, key=len)
