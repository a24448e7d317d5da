"""What was compiled and emulated of each pair of kernels: python -m tests.kernels.report"""

from tests.kernels.cases import CASES, LIMITS, check
from tests.kernels.nvrtc import ARCHITECTURES, compile_for
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
        cases = [case for case in CASES.values() if case.pair == pair]
        shown = ", ".join(f"{dtype} {max(check(case, dtype, xp) for case in cases):.1e}" for dtype in LIMITS)
        print(pair, ", ".join(sorted(names)), "sm_" + " ".join(map(str, ARCHITECTURES)), shown, sep=" | ")
