"""All cases of the kernels, under AddressSanitizer: python -m tests.kernels.sanitized [FOLDER PAIR]

FOLDER has .cu files to take in place of ours, PAIR is the pair whose cases to run.
"""

import sys
from pathlib import Path

from minialex.kernels import launch
from tests.kernels.cases import CASES, LIMITS, check
from tests.strict_cupy import StandIn

if __name__ == "__main__":
    pair = None
    if len(sys.argv) > 1:
        launch.FOLDER, pair = Path(sys.argv[1]), sys.argv[2]
    cases, xp = [case for case in CASES.values() if pair in (None, case.pair)], StandIn()
    for case in cases:
        for dtype in LIMITS:
            check(case, dtype, xp)
    print(f"{len(cases)} cases, clean")
