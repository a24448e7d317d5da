"""A process beside each rank, to say that its rank is gone: one that was killed can no longer say anything itself.

It holds the other end of a pipe of its rank, which closes however that ends. The first on a machine to make the file of
the last word has it, and the others are silent: when a rank is gone the launcher soon ends the rest. It runs by itself,
without the package, so that it costs as little as a process can.
"""

import os
import sys
import time
from pathlib import Path

FAREWELL = b"."  # of a rank that ends as it should, or has told itself why it does not
GRACE = 5  # seconds in which every rank of a machine has come to its end


def has_last_word(path: str) -> bool:
    """Whether nobody on this machine has taken the last word before; from now on it is taken."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def main(path: str, line: str) -> None:
    if sys.stdin.buffer.read() == FAREWELL:
        return
    if has_last_word(path):
        print(line, file=sys.stderr, flush=True)
    os.close(sys.stderr.fileno())  # the launcher waits for it
    time.sleep(GRACE)
    Path(path).unlink(missing_ok=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
