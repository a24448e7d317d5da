"""The mutations themselves take minutes (python tests/mutations.py); here only whether the table still fits."""

from collections import Counter
from pathlib import Path

from tests.mutations import MUTATIONS, ROOT, mutated, own_tests


def test_every_row_fits_the_code_once():
    for file, old, new, _ in MUTATIONS:
        assert mutated(file, old, new) != (ROOT / file).read_text(encoding="utf-8")
        assert own_tests(file)


def test_every_op_and_every_kernel_is_broken_in_five_ways_or_more():
    """Normalisation and its kernels are one here, as their names are, and so are the others."""
    ops = {path.stem for path in (ROOT / "minialex/ops").glob("*.py")} - {"__init__", "checks"}
    kernels = {path.stem for path in (ROOT / "minialex/kernels").glob("*.cu")}
    counts = Counter(Path(file).stem for file, *_ in MUTATIONS)
    assert set(counts) == ops | kernels and min(counts.values()) >= 5
