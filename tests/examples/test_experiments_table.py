"""The page of results: what it concludes from seeds, and that it is of the results that are there."""

import json
from pathlib import Path

import pytest
from experiment import EXPERIMENTS, RESULTS
from experiments import table


@pytest.mark.parametrize(
    ("difference", "error", "worse", "said"),
    [
        (2.1, 1.0, True, "worse, as in the paper"),
        (-2.1, 1.0, True, "better, other than the paper"),
        (-2.1, 1.0, False, "better, as in the paper"),
        (2.1, 1.0, False, "worse, other than the paper"),
        (2.1, 1.0, None, "worse"),
        (1.9, 1.0, True, "undecided"),
        (-1.9, 1.0, None, "undecided"),
        (50.0, float("inf"), True, "undecided"),
    ],
)
def test_a_difference_of_two_standard_errors_decides(difference, error, worse, said):
    assert table.verdict(difference, error, worse) == said


def test_the_spread_of_several_networks_is_one():
    assert table.seed_spread([[1.0, 3.0], [10.0, 14.0]]) == pytest.approx(5**0.5), "variances of 2 and of 8"
    assert table.seed_spread([[1.0, 3.0], [7.0]]) == pytest.approx(2**0.5), "one seed tells of no spread"
    assert table.seed_spread([[1.0], [7.0]]) == float("inf")
    assert table.standard_error([1, 2], [3, 4, 5], 6.0) == pytest.approx(6 * (1 / 2 + 1 / 3) ** 0.5)


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
    assert "| 3 | 30.0 (30.0 to 30.0) | 44.0 (43.0 to 45.0) | +3.0 (0.8) |" in row
    assert row.endswith("| worse, as in the paper |")
    (row,) = (line for line in page.splitlines() if line.startswith("| baseline"))
    assert "| 3 | 41.0 (40.0 to 42.0) | 39.0 (38.0 to 40.0) | -2.0 (0.0) | -1.5 | better, as in the paper |" in row
    assert "6 runs; 3.0 hours" in page and "Figure 1" not in page


def test_the_page_is_of_the_results_that_are_there():
    stale = "python examples/experiment.py --table writes it anew"
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == table.page(RESULTS, EXPERIMENTS), stale
