"""All cases of the kernels, under AddressSanitizer: python -m tests.kernels.sanitized [FOLDER PAIR]

FOLDER has .cu files to take in place of ours, PAIR is the pair whose cases to run.
"""

import sys
from functools import partial
from pathlib import Path

from minialex.kernels import launch
from tests.kernels.cases import CASES, LIMITS, check
from tests.kernels.others import OTHERS
from tests.strict_cupy import StandIn

if __name__ == "__main__":
    pair = None
    if len(sys.argv) > 1:
        launch.FOLDER, pair = Path(sys.argv[1]), sys.argv[2]
    checks = [(case.pair, partial(check, case)) for case in CASES.values()]
    checks += [(other.pair, other.check) for other in OTHERS.values()]
    checks, xp = [check_it for name, check_it in checks if pair in (None, name)], StandIn()
    for check_it in checks:
        for dtype in LIMITS:
            check_it(dtype, xp)
    print(f"{len(checks)} cases, clean")
