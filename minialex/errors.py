"""The two ways in which a command may fail, and the one place that turns them into an exit status."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """A user's mistake: one line that says what is wrong and what to do; exit status 2."""


class RunError(Exception):
    """A run that failed (a loss that is NaN, a full disk): one line; exit status 1."""


def main_status(main: Callable[[list[str] | None], int | None], argv: list[str] | None = None) -> int:
    """Run `main(argv)` and return its exit status: 0 or its own, 1 for RunError, 2 for UserError, 130 for Ctrl-C."""
    try:
        return main(argv) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RunError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
