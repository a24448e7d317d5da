"""What was compiled, emulated and sanitized of each pair of kernels: python -m tests.kernels.report"""

import sys
from functools import partial

from tests.kernels import sanitized
from tests.kernels.cases import CASES, LIMITS, check
from tests.kernels.nvrtc import ARCHITECTURES, compile_for
from tests.kernels.others import OTHERS
from tests.kernels.test_nvrtc import TYPICAL, wanted_by
from tests.strict_cupy import StandIn

if __name__ == "__main__":
    xp = StandIn()
    print("pair | kernels | compiled for | largest error of the largest entry, emulated")
    for pair, typical in TYPICAL.items():
        names = set()
        for dtype in LIMITS:
            for code, kernels in wanted_by(typical, dtype).items():
                names.update(kernels)
                for architecture in ARCHITECTURES:
                    compile_for(architecture, code)
        checks = [partial(check, case) for case in CASES.values() if case.pair == pair]
        checks += [other.check for other in OTHERS.values() if other.pair == pair]
        shown = ", ".join(f"{dtype} {max(check_it(dtype, xp) for check_it in checks):.1e}" for dtype in LIMITS)
        print(pair, ", ".join(sorted(names)), "sm_" + " ".join(map(str, ARCHITECTURES)), shown, sep=" | ")
    if sanitized.missing():
        sys.exit(sanitized.missing())
    done = sanitized.run()
    print(f"all pairs under AddressSanitizer: {done.stdout.strip() or done.stderr}")
    sys.exit(done.returncode)
