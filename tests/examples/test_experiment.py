"""examples/experiment.py: every experiment runs in its quick form, the queue goes on, mistakes are told in a line."""

import json
from types import SimpleNamespace

import experiment
import numpy as np
import pytest
from experiments import EXPERIMENTS, cifar, photos

from minialex.errors import main_status


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder that is taken for CIFAR-10, with fifty training images of each class and ten others."""
    folder = tmp_path_factory.mktemp("cifar") / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "batches.meta.txt").write_text("".join(f"class{k}\n" for k in range(10)))
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        labels = np.tile(np.arange(10), 10).astype(np.uint8)[:, None]
        pixels = rng.integers(0, 256, (100, 3072), np.uint8) // 2 + 12 * labels
        (folder / f"{name}.bin").write_bytes(np.hstack([labels, pixels.astype(np.uint8)]).tobytes())
    return folder


@pytest.fixture
def run(images, data, tmp_path):
    """run(*words) runs the program with all that it may need and returns its exit status; results go to tmp_path."""
    places = ["--cifar", images, "--photos", data, "--out", tmp_path / "results"]
    return lambda *words: main_status(experiment.main, [str(word) for word in (*words, *places)])


@pytest.mark.parametrize("name", sorted(set(EXPERIMENTS) - {"photos-pytorch"}))
def test_every_experiment_runs_and_keeps_its_numbers(run, tmp_path, name):
    assert run(name, "--quick", "--seed", 3) == 0
    kept = json.loads((tmp_path / "results" / name / "3.json").read_text(encoding="utf-8"))
    assert kept["command"] == f"python examples/experiment.py {name} --{EXPERIMENTS[name].images} PATH --seed 3"
    assert {"what", "data", "date", "machine", "seconds", "settings", "images"} <= set(kept) and kept["seed"] == 3
    errors = [kept["val_error"], kept["val_error_ten_crops"]] if "val_error" in kept else kept["errors"].values()
    assert all(0 <= error <= 1 for error in np.ravel(list(errors)))


@pytest.mark.oracle
def test_the_comparison_with_pytorch_runs(run, tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[oracle]'")
    assert run("photos", "--quick", "--seed", 0) == run("photos-pytorch", "--quick", "--seed", 0) == 0
    ours, theirs = (json.loads((tmp_path / "results" / f"photos{end}/0.json").read_text()) for end in ("", "-pytorch"))
    assert ours["losses"] == pytest.approx(theirs["losses"], rel=1e-3), "one step from the same weights"
    assert ours["val_loss"] == pytest.approx(theirs["val_loss"], rel=1e-2)


def test_a_seed_is_the_same_numbers_again(run, tmp_path):
    kept = tmp_path / "results" / "no-dropout" / "0.json"
    records = []
    for _ in range(2):
        assert run("no-dropout", "--quick", "--seed", 0) == 0
        records.append(json.loads(kept.read_text()) | {"seconds": 0, "date": ""})
    assert records[0] == records[1]


def test_the_queue_does_what_is_missing_and_no_more(run, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(experiment, "EXPERIMENTS", {name: EXPERIMENTS[name] for name in ("figure1-relu", "no-lrn")})
    assert run("no-lrn", "--quick", "--seed", 1) == 0
    kept = tmp_path / "results" / "no-lrn" / "1.json"
    kept.write_text("{}")
    assert run("--all", "--quick", "--jobs", 2) == 0
    assert "5 runs to do" in capfd.readouterr().out
    assert kept.read_text() == "{}", "what was done stays"
    assert len(list((tmp_path / "results").rglob("*.json"))) == 6
    assert run("--all", "--quick") == 0 and "0 runs to do" in capfd.readouterr().out


def test_the_queue_prepares_photographs_before_the_first_run_wants_them(run, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "EXPERIMENTS", {name: EXPERIMENTS[name] for name in ("photos", "photos-no-lrn")})
    monkeypatch.setenv("MINIALEX_CACHE", str(tmp_path / "cache"))
    prepared = []

    def begin(words):
        prepared.append(len(list((tmp_path / "cache").glob("*/index.json"))))
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(experiment.subprocess, "run", begin)
    assert run("--all", "--quick", "--jobs", 2) == 0
    assert prepared == [1] * 6


def test_the_queue_takes_first_seeds_first():
    order = experiment.in_order()
    assert [seed for _, seed in order] == sorted(seed for _, seed in order) and len(set(order)) == len(order)


def test_a_queue_with_a_run_that_fails_does_the_others_and_says_so(run, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(experiment, "EXPERIMENTS", {name: EXPERIMENTS[name] for name in ("no-lrn",)})
    (tmp_path / "results" / "no-lrn" / "0.json").mkdir(parents=True)  # in the way of the first seed
    monkeypatch.setattr(experiment.record, "path", lambda folder, name, seed: folder / name / f"{seed}.missing")
    assert run("--all", "--quick", "--jobs", 2) == 1
    assert "failed: 1 of 3 runs ended early" in capfd.readouterr().err
    assert (tmp_path / "results" / "no-lrn" / "2.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["baseline", "--quick", "--out", "x"], "error: --cifar PATH is missing: where the images are"),
        (["photos", "--quick", "--out", "x"], "error: --photos PATH is missing: where the images are"),
        (["baseline", "--cifar", "there/is/none"], "error: "),
    ],
)
def test_a_mistake_is_told_in_a_line(words, said, capsys):
    assert main_status(experiment.main, words) == 2
    out, err = capsys.readouterr()
    assert err.startswith(said) and err.count("\n") == 1 and not out


@pytest.mark.parametrize(
    "words", [["nonsense"], [], ["baseline", "--all"], ["baseline", "--quick"], ["--all", "--jobs", "0"]]
)
def test_words_that_mean_nothing(words, capsys):
    with pytest.raises(SystemExit) as end:
        experiment.main(words)
    assert end.value.code == 2


def test_the_list_names_them_all(capsys):
    assert main_status(experiment.main, ["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(EXPERIMENTS)


def test_ten_crops_are_the_corners_and_the_centre_and_their_mirror_images():
    pixels = np.arange(32 * 32 * 3, dtype=np.float32).reshape(1, 32, 32, 3)
    images = cifar.Images(pixels, np.zeros(1, int), np.zeros((32, 32, 3), np.float32), np.eye(3))
    ten = cifar.ten(images, slice(0, 1))
    assert [crop[0, 0, 0] / 3 for crop in ten[:5]] == [0, 4, 4 * 32, 4 * 32 + 4, 2 * 32 + 2]
    np.testing.assert_array_equal(ten[5:], ten[:5, :, ::-1])
    np.testing.assert_array_equal(ten[4:5], cifar.central(images))


def test_what_is_not_asked_for_is_not_varied():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    images = cifar.Images(pixels, np.zeros(6, int), np.full((32, 32, 3), 100, np.float32), np.eye(3) * 400)
    rows, plain = np.arange(6), cifar.Variation(crops=False, mirror=False, color="none")
    np.testing.assert_array_equal(cifar.varied(images, rows, plain, np.random.default_rng(0)), cifar.central(images))
    colour = cifar.varied(images, rows, cifar.Variation(False, False), np.random.default_rng(0)) - cifar.central(images)
    assert np.ptp(colour, axis=(1, 2)).max() < 1e-3, "one shift an image"
    assert np.abs(colour).mean() > 0.5
    mirrored = cifar.varied(images, rows, cifar.Variation(False, True, "none"), np.random.default_rng(0))
    assert all((m == c).all() or (m == c[:, ::-1]).all() for m, c in zip(mirrored, cifar.central(images), strict=True))
    assert (mirrored != cifar.central(images)).any()


def test_the_nearest_are_counted_that_have_the_class_of_the_query():
    rows, labels = np.arange(12.0)[:, None], SimpleNamespace(labels=np.repeat([0, 1], 6))
    queries = SimpleNamespace(labels=np.array([0, 0, 1]))
    share = photos._same_class(rows, np.array([[-1.0], [12.0], [3.1]]), labels, queries)
    assert share == pytest.approx((6 + 0 + 1) / 18), "of rows 0 to 5, of 6 to 11, and of 1 to 6"
