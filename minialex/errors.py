"""The ways in which a command may end early, and the one place that turns them into an exit status."""

import errno
import sys
from collections.abc import Callable

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a disk, a quota, a limit on the size of files


class UserError(Exception):
    """A user's mistake: one line that says what is wrong and what to do; exit status 2."""


class RunError(Exception):
    """A run that failed (a loss that is NaN, a full disk): one line; exit status 1."""


class Stopped(Exception):
    """A run that a signal ended after it had saved everything; exit status 128 + the signal's number."""

    def __init__(self, signal_number: int, message: str):
        super().__init__(message)
        self.signal_number = signal_number


def one_line(error: BaseException) -> str:
    """What an error says: of the many lines that libraries write the first, of the system's errors the reason alone.

    The type's name where it says nothing.
    """
    return getattr(error, "strerror", None) or str(error).strip().partition("\n")[0] or type(error).__name__


def to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def main_status(
    main: Callable[[list[str] | None], int | None],
    argv: list[str] | None = None,
    *,
    say: Callable[[str], None] = to_stderr,
) -> int:
    """Run `main(argv)` and return its exit status: 0 or its own, 1 for RunError, 2 for UserError, 130 for Ctrl-C.

    A signal that a run handled itself gives 128 and its number: 143 for SIGTERM. A file that may not be looked at gives
    2; too little memory, a full disk, and output that nobody reads any more, give 1. What went wrong is told to `say`.
    """
    try:
        return main(argv) or 0
    except UserError as error:
        say(f"error: {error}")
        return 2
    except RunError as error:
        say(f"failed: {error}")
        return 1
    except Stopped as stop:
        say(str(stop))
        return 128 + stop.signal_number
    except MemoryError as error:
        say(f"failed: out of memory ({error})")
        return 1
    except BrokenPipeError:  # whoever read the output has gone, as `head` does
        sys.stdout = None  # nor is there a use in flushing it at the end
        return 1
    except PermissionError as error:  # of a question so small as whether a file is there, too
        say(f"error: {error.filename or 'a file'} cannot be reached: {error.strerror}")
        return 2
    except OSError as error:
        if error.errno not in FULL:
            raise
        sys.stdout = None  # it may be a file on that disk
        say(f"failed: cannot write {error.filename or 'the output'}: {error.strerror}")
        return 1
    except KeyboardInterrupt:
        return 130
