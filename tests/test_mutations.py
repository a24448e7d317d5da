"""The mutations themselves take minutes (python tests/mutations.py); here only whether the table still fits."""

from collections import Counter
from pathlib import Path

from tests.mutations import MUTATIONS, ROOT, mutated, own_tests


def test_every_row_fits_the_code_once():
    for file, old, new, _ in MUTATIONS:
        assert mutated(file, old, new) != (ROOT / file).read_text(encoding="utf-8")
        assert (ROOT / own_tests(file)).exists()


def test_every_op_is_broken_in_five_ways_or_more():
    ops = {path.stem for path in (ROOT / "minialex/ops").glob("*.py")} - {"__init__", "checks"}
    counts = Counter(Path(file).stem for file, *_ in MUTATIONS)
    assert set(counts) == ops and min(counts.values()) >= 5
