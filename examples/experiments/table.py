"""What the experiments found, beside what the paper and its authors' notes say: lessons/results/README.md."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, sqrt
from pathlib import Path
from statistics import mean

from experiments.record import Experiment, read

HEAD = """# Results

What the experiments of [`examples/experiments/`](../../examples/experiments) found, one file a seed; written by
`python examples/experiment.py --table`. Errors are top-1, in percent, as the mean and the range over the seeds.

**Chance.** The networks of a table have about the same spread from seed to seed, so their variances are averaged.
Behind a change stands its standard error, by that spread and the number of seeds; a change of less than two of them is
*undecided*, however large it looks. Of two networks that are equally good, one comparison in twenty or so says
otherwise.
"""


@dataclass(frozen=True)
class Comparison:
    """An experiment beside the one whose network it changes, and what is known of the effect.

    paper: of the change on the error, in words.  worse: whether the paper finds it worse, None where it does not say.
    """

    name: str
    against: str
    paper: str
    worse: bool | None = True
    what: str = "val_error"


COMPARISONS = (
    Comparison("no-lrn", "baseline", "+1.4 (3.3); run 148: +1.37"),
    Comparison("batch-norm", "baseline", "it came three years later", None),
    Comparison("pool-2x2", "baseline", "+0.4 (3.4); run 147: +0.40"),
    Comparison("one-tower", "baseline", "+1.7 (3.2)"),
    Comparison("joined-late", "baseline", "run 150: +1.17"),
    Comparison("no-dropout", "baseline", "see below", None),
    Comparison("no-crops", "baseline", "see below", None),
    Comparison("no-mirror", "baseline", "see below", None),
    Comparison("no-color", "baseline", "over +1 (4.1)"),
    Comparison("zero-biases", "baseline", "slower in the early stages (5)"),
    Comparison("sigma-0.01", "baseline", "its own value (5); the code has 0.03", None),
    Comparison("no-conv3", "baseline", "about +2 (7)"),
    Comparison("no-conv4", "baseline", "about +2 (7)"),
    Comparison("no-conv5", "baseline", "about +2 (7)"),
    Comparison("code2012", "baseline", "not compared", None),
    Comparison("no-dropout-40", "baseline-40", "see below", None),
    Comparison("no-conv3-40", "baseline-40", "about +2 (7)"),
    Comparison("no-conv4-40", "baseline-40", "about +2 (7)"),
    Comparison("no-conv5-40", "baseline-40", "about +2 (7)"),
    Comparison("photos-no-lrn", "photos", "+1.4 (3.3)"),
    Comparison("photos-no-conv3", "photos", "about +2 (7)"),
    Comparison("photos-no-conv4", "photos", "about +2 (7)"),
    Comparison("photos-no-conv5", "photos", "about +2 (7)"),
    Comparison("photos-pytorch", "photos", "no difference is due", None),
)

OVERFITTING = (  # without these, the paper finds substantial overfitting
    Comparison("no-dropout", "baseline", "substantial overfitting (4.2)"),
    Comparison("no-crops", "baseline", "substantial overfitting (4.1)"),
    Comparison("no-mirror", "baseline", "substantial overfitting (4.1)"),
    Comparison("no-dropout-40", "baseline-40", "substantial overfitting (4.2)"),
)


def page(folder: Path, experiments: Mapping[str, Experiment]) -> str:
    """The page, of what has been run so far."""
    records = {name: read(folder, name) for name in experiments}
    records = {name: found for name, found in records.items() if found}
    parts = [_figure1(records), _errors(records, experiments), _overfitting(records), _ten_crops(records)]
    parts = [HEAD, *parts, _spent(records)]
    return "\n".join(part for part in parts if part)


def values(records: list[dict], what: str = "val_error") -> list[float]:
    """A number of every seed, in percent."""
    return [100 * record[what] for record in records]


def seed_spread(groups: list[list[float]]) -> float:
    """The standard deviation from seed to seed, of several networks together; infinite where none has two seeds."""
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum((value - mean(group)) ** 2 for group in groups for value in group)
    return sqrt(squares / freedom) if freedom else inf


def standard_error(changed: list[float], plain: list[float], deviation: float) -> float:
    """Of the difference of two means."""
    return deviation * sqrt(1 / len(changed) + 1 / len(plain))


def verdict(difference: float, error: float, worse: bool | None) -> str:
    """What a difference with this standard error allows to say: higher is worse."""
    if abs(difference) < 2 * error:
        return "undecided"
    found = "worse" if difference > 0 else "better"
    if worse is None:
        return found
    return f"{found}, as in the paper" if (found == "worse") == worse else f"{found}, other than the paper"


def spread(numbers: list[float]) -> str:
    return f"{mean(numbers):.1f} ({min(numbers):.1f} to {max(numbers):.1f})"


def _table(head: tuple, rows: list[tuple]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def _groups(comparisons: tuple, records: dict) -> Iterator[tuple[str, list[Comparison]]]:
    """Each network that others change, and those of the others that have been run."""
    for plain in dict.fromkeys(each.against for each in comparisons):
        if plain in records:
            yield plain, [each for each in comparisons if each.against == plain and each.name in records]


def _errors(records: dict, experiments: Mapping[str, Experiment]) -> str:
    """Each network beside the one that it changes."""
    rows = []
    for plain, group in _groups(COMPARISONS, records):
        base = values(records[plain])
        deviation = seed_spread([base, *(values(records[each.name]) for each in group)])
        training = spread(values(records[plain], "train_error")) if "train_error" in records[plain][0] else ""
        rows.append((f"**{plain}**", experiments[plain].what, len(base), training, spread(base), "", "", ""))
        for each in group:
            mine = values(records[each.name])
            training = spread(values(records[each.name], "train_error")) if training else ""
            change, error = mean(mine) - mean(base), standard_error(mine, base, deviation)
            found, what = verdict(change, error, each.worse), experiments[each.name].what
            rows.append((each.name, what, len(mine), training, spread(mine), _change(change, error), each.paper, found))
    head = ("experiment", "what it changes", "seeds", "training", "validation", "change", "the paper", "verdict")
    return "## Networks\n\n" + _table(head, rows)


def _change(change: float, error: float) -> str:
    return f"{change:+.1f} ({error:.1f})" if error < inf else f"{change:+.1f}"


def _overfitting(records: dict) -> str:
    """How much larger the error is on images that were not trained on."""
    rows = []
    for plain, group in _groups(OVERFITTING, records):
        base, gaps = gap(records[plain]), {each: gap(records[each.name]) for each in group}
        deviation = seed_spread([base, *gaps.values()])
        rows.append((f"**{plain}**", len(base), spread(base), "", "", ""))
        for each, mine in gaps.items():
            change, error = mean(mine) - mean(base), standard_error(mine, base, deviation)
            found = verdict(change, error, each.worse)
            rows.append((each.name, len(mine), spread(mine), _change(change, error), each.paper, found))
    head = ("experiment", "seeds", "validation error less training error", "change", "the paper", "verdict")
    return "## Overfitting\n\n" + _table(head, rows) if rows else ""


def gap(records: list[dict]) -> list[float]:
    """How far the validation error lies above the training error, of every seed, in percent."""
    return [100 * (record["val_error"] - record["train_error"]) for record in records]


def _figure1(records: dict) -> str:
    """Passes to the goal of either function."""
    names = [name for name in ("figure1-relu", "figure1-tanh") if name in records]
    if len(names) < 2:
        return ""
    rows = [
        (name, len(found), found[0]["goal"], ", ".join(str(r["best_rate"]) for r in found), _passes(found))
        for name, found in ((name, records[name]) for name in names)
    ]
    head = ("experiment", "seeds", "error to reach", "best rate of each seed", "passes of each seed")
    return "## Figure 1\n\n" + _table(head, rows)


def _passes(records: list[dict]) -> str:
    most = (max(map(len, record["errors"].values())) for record in records)
    return ", ".join(str(record["passes"] or f"not in {tried}") for record, tried in zip(records, most, strict=True))


def _ten_crops(records: dict) -> str:
    """One crop against ten, of the same networks: seed by seed, for both are of one training."""
    rows = []
    for name in (name for name in ("baseline", "baseline-40", "photos", "photos-pytorch") if name in records):
        one, ten = values(records[name]), values(records[name], "val_error_ten_crops")
        changes = [b - a for a, b in zip(one, ten, strict=True)]
        error = seed_spread([changes]) / sqrt(len(changes))
        found = verdict(mean(changes), error, False)
        rows.append((name, len(one), spread(one), spread(ten), _change(mean(changes), error), "-1.5", found))
    head = ("experiment", "seeds", "one crop", "ten crops", "change", "the paper", "verdict")
    return "## One crop and ten\n\n" + _table(head, rows)


def _spent(records: dict) -> str:
    seconds = sum(record["seconds"] for found in records.values() for record in found)
    runs = sum(len(found) for found in records.values())
    return f"{runs} runs; {seconds / 3600:.1f} hours of one thread.\n"
