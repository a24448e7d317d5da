"""A learner's code, loaded and called: whatever happens in it is told in one line, with its own file and line."""

import ctypes
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

SECONDS = 10.0  # the probes are small: slow loops need less than a second


class Fault(Exception):
    """What went wrong in a learner's code, in one line; a second one may tell what it was called with."""


class NotBegun(Exception):
    """The line at which a stub's TODO still stands."""


class OutOfTime(BaseException):
    """Raised in a learner's code that runs for too long; no `except Exception` of theirs stops it."""


class Learner:
    """The functions of a learner, by name: of a module, of a dict, or of any object that has them.

    seconds: how long one call may take.
    """

    def __init__(self, namespace, *, seconds: float = SECONDS):
        self._namespace = namespace
        self._seconds = seconds

    def has(self, name: str) -> bool:
        """Whether there is a function, or a class, of this name."""
        return callable(self._get(name))

    def call(self, name: str, *args, **kwargs):
        """The function's result. Raises Fault for whatever it raises, and NotBegun for a TODO that still stands."""
        return self.run(self._get(name), *args, **kwargs)

    def run(self, function, *args, **kwargs):
        """As `call`, of a function that the learner has made."""
        with guarded(_file_of(function), self._seconds):
            return function(*args, **kwargs)

    def _get(self, name: str):
        if isinstance(self._namespace, Mapping):
            return self._namespace.get(name)
        return getattr(self._namespace, name, None)


def load(path: Path, *, seconds: float = SECONDS) -> ModuleType:
    """Run a learner's file as a module that is not the main one, and return it. Raises Fault and NotBegun.

    It may import the files beside it, as an exercise may use what another one made.
    """
    module = ModuleType(f"learner_{path.stem}")  # a name of its own: a file may be called as a library is
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look there
    with guarded(str(path), seconds), _beside(path.parent.resolve()):
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), vars(module))
    return module


@contextmanager
def _beside(folder: Path):
    """Within, the files of this folder can be imported; afterwards they are forgotten, for they may change."""
    sys.path.insert(0, str(folder))
    before = set(sys.modules)
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).parent == folder:
                del sys.modules[name]


@contextmanager
def guarded(file: str, seconds: float):
    """Within, a learner's code runs: what it raises becomes a Fault that names their line in `file`; no warnings."""
    try:
        with warnings.catch_warnings(), _time_limit(seconds):
            warnings.simplefilter("ignore")
            yield
    except KeyboardInterrupt:
        raise
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        raise Fault(f"{_name(error.filename or file)}{line}: {type(error).__name__}: {error.msg}") from None
    except NotImplementedError as error:
        raise NotBegun(_line(error, file)) from None
    except OutOfTime as error:
        raise Fault(f"{_line(error, file)}: still running after {seconds:g} seconds: does this loop end?") from None
    except BaseException as error:  # `exit()` too
        said = str(error).strip().partition("\n")[0]
        raise Fault(f"{_line(error, file)}: {type(error).__name__}" + (f": {said}" if said else "")) from None


@contextmanager
def _time_limit(seconds: float):
    """Raise OutOfTime in this thread's Python code after so many seconds; it works on every system."""
    thread, lock, done = threading.get_ident(), threading.Lock(), False

    def interrupt():
        with lock:
            if not done:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(OutOfTime))

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            done = True
        timer.cancel()


def _line(error: BaseException, file: str) -> str:
    """file.py:12, the innermost line of the learner's own file that the error came through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{_name(file)}:{lines[-1]}" if lines else _name(file)


def _name(file) -> str:
    return Path(file or "?").name


def _file_of(function) -> str:
    """Where a function, or a class's method, was written."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None and isinstance(function, type):
        codes = [value.__code__ for value in vars(function).values() if hasattr(value, "__code__")]
        code = codes[0] if codes else None
    return code.co_filename if code else ""
