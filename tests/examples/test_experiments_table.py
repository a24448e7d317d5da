"""The page of results: what it concludes from seeds, and that it is of the results that are there."""

import json
from pathlib import Path

import pytest
from experiment import EXPERIMENTS, RESULTS
from experiments import table


@pytest.mark.parametrize(
    ("changed", "plain", "worse", "said"),
    [
        ([40, 41, 42], [37, 38, 39], True, "worse, as in the paper"),
        ([37, 38, 39], [40, 41, 42], True, "better, other than the paper"),
        ([37, 38, 39], [40, 41, 42], False, "better, as in the paper"),
        ([40, 41, 42], [37, 38, 39], None, "worse"),
        ([40, 41, 42], [37, 38, 40], True, "undecided"),
        ([37, 50, 51], [38, 39, 40], True, "undecided"),
        ([37, 51], [38, 39], None, "undecided"),
    ],
)
def test_seeds_decide_where_they_do_not_overlap(changed, plain, worse, said):
    assert table.verdict(changed, plain, worse) == said
    if worse is not None:
        assert ("as in" in table.verdict(plain, changed, not worse)) == ("as in" in said)


def test_every_experiment_is_compared_once():
    names = [each.name for each in table.COMPARISONS]
    assert len(set(names)) == len(names)
    against = {each.against for each in table.COMPARISONS}
    assert {*names, *against, "figure1-relu", "figure1-tanh"} == set(EXPERIMENTS)


def keep(folder: Path, name: str, *errors: float) -> None:
    for seed, error in enumerate(errors):
        (folder / name).mkdir(parents=True, exist_ok=True)
        record = {"val_error": error, "val_error_ten_crops": error - 0.02, "train_error": 0.3, "seconds": 1800.0}
        (folder / name / f"{seed}.json").write_text(json.dumps(record))


def test_a_row_has_the_mean_the_range_and_the_change(tmp_path):
    keep(tmp_path, "baseline", 0.40, 0.41, 0.42)
    keep(tmp_path, "no-lrn", 0.43, 0.44, 0.45)
    page = table.page(tmp_path, EXPERIMENTS)
    (row,) = (line for line in page.splitlines() if line.startswith("| no-lrn"))
    assert "| 3 | 30.0 (30.0 to 30.0) | 44.0 (43.0 to 45.0) | +3.0 |" in row
    assert row.endswith("| worse, as in the paper |")
    (row,) = (line for line in page.splitlines() if line.startswith("| baseline"))
    assert row == "| baseline | 3 | 41.0 (40.0 to 42.0) | 39.0 (38.0 to 40.0) | -2.0 | -1.5 | undecided |"
    assert "6 runs; 3.0 hours" in page and "Figure 1" not in page


def test_the_page_is_of_the_results_that_are_there():
    stale = "python examples/experiment.py --table writes it anew"
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == table.page(RESULTS, EXPERIMENTS), stale
