"""The loop: what a run leaves, where it may be cut, what ends it."""

import json
import signal
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from minialex import checkpoint, precision, train
from minialex.data import batches
from minialex.data.augment import Augmentation
from minialex.data.packed import Subset
from minialex.data.prepare import prepare
from minialex.data.preprocess import Preprocessing
from minialex.data.sources import open_source
from minialex.errors import RunError, Stopped, UserError
from minialex.evaluate import Score
from minialex.ops import Pair, reference
from minialex.optim import Plateau, Rates, Steps
from minialex.recipes import RECIPES, OwnRate
from tests import photos

STEPS = 8  # in an epoch: 36 images by 5, the last one alone
TIMES = {"seconds", "images_per_second", "waited", "wait"}


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    return prepare(open_source(photos.draw(folder / "raw")), folder / "packed", workers=1, progress=False)


@pytest.fixture(autouse=True)
def undrawn(monkeypatch, request):
    """Drawing takes longer than the rest of these small runs: off but for the tests that ask for `drawn`."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(train.figures, "curves", lambda *_: None)
        monkeypatch.setattr(train.figures, "kernels", lambda *_: None)


@pytest.fixture
def drawn():
    """Runs of this test draw their figures."""


def config_of(packed, variant="bn", **changed):
    given = {"batch": 5, "epochs": 3, "rate": 0.002, "bias_rate": 0.002, "warm_up": 5, "schedule": Steps((1,))}
    recipe = replace(RECIPES["small"], **(given | changed))
    return train.Config("photos", variant, 1 / 16, packed.classes, recipe, images=packed.index["fingerprint"])


def trainer(packed, folder, config, snapshot=None):
    snapshot = snapshot or train.start(config, packed, xp=np)
    return train.Trainer(config, packed, snapshot, config.network().layers, folder, np)


def resumed(packed, folder, config):
    return trainer(packed, folder, config, train.resume(config, folder, xp=np))


def newest(folder):
    return checkpoint.load(checkpoint.latest(folder / "checkpoints"), xp=np)


def assert_same(one, other):
    """All that decides how a run goes on, bit for bit; times differ."""
    for group in checkpoint.GROUPS:
        a, b = getattr(one, group), getattr(other, group)
        assert a.keys() == b.keys()
        for name in a:
            assert a[name].dtype == b[name].dtype and a[name].tobytes() == b[name].tobytes(), name
    assert (one.epoch, one.step, one.config) == (other.epoch, other.step, other.config)
    assert (timeless(one.sums), one.loss_scale) == (timeless(other.sums), other.loss_scale)
    assert list(map(timeless, one.history)) == list(map(timeless, other.history))


def timeless(record):
    return {key: value for key, value in record.items() if key not in TIMES}


@pytest.fixture
def after_step(monkeypatch):
    """after_step(n, act): from now on, the n-th step is followed by act(params)."""
    plain = train.step

    def install(number, act):
        count = iter(range(1, 1000))

        def step(layers, params, *rest, **kwargs):
            result = plain(layers, params, *rest, **kwargs)
            if next(count) == number:
                act(params)
            return result

        monkeypatch.setattr(train, "step", step)

    return install


def send(number):
    return lambda params: signal.raise_signal(number)


def crash(*_, **__):
    raise ZeroDivisionError("a crash")


@pytest.fixture(scope="module")
def whole(packed, tmp_path_factory):
    """Two epochs that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train.figures, "curves", lambda *_: None)
        patch.setattr(train.figures, "kernels", lambda *_: None)
        trainer(packed, folder, config_of(packed, epochs=2)).run()
    return folder


# Cut and resumed


@pytest.mark.parametrize("variant", ["bn", "paper"])
def test_ten_steps_and_ten_more_are_twenty(packed, tmp_path, after_step, variant):
    config = config_of(packed, variant)
    after_step(20, send(signal.SIGTERM))
    with pytest.raises(Stopped):
        trainer(packed, tmp_path / "whole", config).run()
    whole = newest(tmp_path / "whole")
    assert (whole.epoch, whole.step, len(whole.history), whole.sums["images"]) == (2, 4, 2, 20)

    for position in [(1, 2), (2, 4)]:  # both within an epoch
        after_step(10, send(signal.SIGTERM))
        with pytest.raises(Stopped):
            begin = resumed if position[0] == 2 else trainer
            begin(packed, tmp_path / "halves", config).run()
        halves = newest(tmp_path / "halves")
        assert (halves.epoch, halves.step) == position
    assert_same(whole, halves)
    assert any((value != 0).any() for value in halves.velocity.values())


def test_a_crash_loses_what_came_after_the_last_checkpoint_and_nothing_else(
    packed, whole, tmp_path, monkeypatch, after_step
):
    config = config_of(packed, epochs=2)
    monkeypatch.setattr(train, "SAVE_EVERY", -1)  # after each step
    after_step(13, crash)
    with pytest.raises(ZeroDivisionError):
        trainer(packed, tmp_path, config).run()
    cut = newest(tmp_path)
    assert (cut.epoch, cut.step) == (1, 4), "the thirteenth step was not saved"
    after_step(999, crash)
    resumed(packed, tmp_path, config).run()
    assert_same(newest(tmp_path), newest(whole))


@pytest.mark.parametrize("place, at", [*[("update_state", at) for at in (3, 9, 12)], ("forward", 9)])
def test_where_memory_runs_out_the_run_is_saved_and_goes_on(packed, whole, tmp_path, monkeypatch, place, at):
    """In a step of the first epoch, just before its update; the first of the second, one within it; a validation."""
    plain, count, config = getattr(train.network, place), iter(range(1, 1000)), config_of(packed, epochs=2)

    def full(*args, **kwargs):
        if next(count) == at:
            raise MemoryError("Out of memory allocating 1,000 bytes")
        return plain(*args, **kwargs)

    monkeypatch.setattr(train.network, place, full)
    with pytest.raises(RunError) as told:
        trainer(packed, tmp_path, config).run()
    saved = checkpoint.latest(tmp_path / "checkpoints")
    assert str(told.value) == (
        "out of memory at a batch of 5 (Out of memory allocating 1,000 bytes): start anew with --batch 2, which needs "
        f"about half; or, if another program had that memory, --resume goes on from {saved}"
    )
    cut = newest(tmp_path)
    assert cut.epoch * 8 + cut.step == at - 1, "all steps before it are kept"
    resumed(packed, tmp_path, config).run()
    assert_same(newest(tmp_path), newest(whole))


def test_where_memory_runs_out_before_anything_was_done_there_is_nothing_to_resume(packed, tmp_path, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(train.network, "backward", full)
    for batch, less in ((4, "--batch 2, which needs about half"), (1, "a smaller --width")):
        with pytest.raises(RunError) as told:
            trainer(packed, tmp_path, config_of(packed, batch=batch)).run()
        assert str(told.value) == f"out of memory at a batch of {batch} (MemoryError): start anew with {less}"
    assert checkpoint.latest(tmp_path / "checkpoints") is None


def test_a_batch_that_the_device_has_no_memory_for_is_told_before_anything_else(packed, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(train, "available_memory", lambda xp: asked.append(xp) or 2**27)
    with pytest.raises(UserError, match=r"a batch of 500 needs about .* 0.1 GiB for it: --batch (\d+) fits") as told:
        trainer(packed, tmp_path / "run", config_of(packed, batch=500)).run()
    assert asked == [np] and not (tmp_path / "run").exists()
    fits = int(str(told.value).split()[-2])
    trainer(packed, tmp_path / "run", config_of(packed, batch=fits, epochs=1)).run()


@pytest.mark.parametrize("at", [5, 8, 16], ids=["mid-epoch", "last step of an epoch", "last step of all"])
def test_a_run_stopped_anywhere_ends_as_if_it_had_not_been(packed, whole, tmp_path, after_step, at):
    config = config_of(packed, epochs=2)
    after_step(at, send(signal.SIGINT))
    with pytest.raises(Stopped):
        trainer(packed, tmp_path, config).run()
    resumed(packed, tmp_path, config).run()
    assert_same(newest(tmp_path), newest(whole))
    logs = [(folder / "log.jsonl").read_text().splitlines() for folder in (whole, tmp_path)]
    whole_log, stopped_log = ([timeless(json.loads(line)) for line in log] for log in logs)
    assert whole_log == stopped_log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_step_end_and_says_how_to_go_on(packed, tmp_path, after_step, number):
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    after_step(3, send(number))
    with pytest.raises(Stopped, match="same command with --resume --out") as stopped:
        trainer(packed, tmp_path, config_of(packed)).run()
    assert stopped.value.signal_number == number
    assert newest(tmp_path).step == 3
    assert handlers == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))


def test_a_signal_in_the_validation_ends_the_run_after_it(packed, tmp_path, monkeypatch):
    def evaluate(*_, **__):
        signal.raise_signal(signal.SIGTERM)
        return Score(1.0, 0.5, 1.0)

    monkeypatch.setattr(train, "evaluate", evaluate)
    with pytest.raises(Stopped):
        trainer(packed, tmp_path, config_of(packed)).run()
    assert (newest(tmp_path).epoch, newest(tmp_path).step) == (1, 0)
    assert (tmp_path / "log.jsonl").exists()


def test_a_second_ctrl_c_ends_at_once(packed, tmp_path, after_step):
    def twice(params):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    after_step(2, twice)
    with pytest.raises(KeyboardInterrupt):
        trainer(packed, tmp_path, config_of(packed)).run()
    assert checkpoint.latest(tmp_path / "checkpoints") is None


def test_a_finished_run_resumes_to_its_end_and_can_be_prolonged(packed, whole, tmp_path):
    short, long = (config_of(packed, epochs=epochs) for epochs in (1, 2))
    record = trainer(packed, tmp_path, short).run()
    before = checkpoint.latest(tmp_path / "checkpoints").read_bytes()
    assert resumed(packed, tmp_path, short).run() == record
    assert checkpoint.latest(tmp_path / "checkpoints").read_bytes() == before

    resumed(packed, tmp_path, long).run()
    assert_same(newest(tmp_path), newest(whole))
    assert json.loads((tmp_path / "config.json").read_text())["recipe"]["epochs"] == 2
    with pytest.raises(UserError, match="2 epochs already: --epochs 1 is too few"):
        train.resume(short, tmp_path, xp=np)


def test_a_run_killed_before_its_log_was_written_catches_up(packed, tmp_path, monkeypatch, drawn):
    config = config_of(packed, epochs=1)
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(train.Trainer, "_show", crash)
        trainer(packed, tmp_path, config).run()
    assert not (tmp_path / "log.jsonl").exists()
    resumed(packed, tmp_path, config).run()
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 1
    assert (tmp_path / "curves.png").exists() and (tmp_path / "conv1.png").exists()


def test_resume_names_what_differs(packed, tmp_path):
    config = config_of(packed, epochs=1)
    with pytest.raises(UserError, match="no checkpoint to resume from"):
        train.resume(config, tmp_path / "nothing", xp=np)
    trainer(packed, tmp_path, config).run()
    others = {
        "seed": replace(config, seed=1),
        "variant": replace(config, variant="paper"),
        "width": replace(config, width=0.125),
        "dtype": replace(config, dtype="float64"),
        "classes": replace(config, classes=("x", "y", "z")),
        "images": replace(config, images="other"),
        "batch": config_of(packed, epochs=1, batch=6),
        "rate": config_of(packed, epochs=1, rate=0.1),
        "schedule": config_of(packed, epochs=1, schedule=Steps((2,))),
        "bias_drops": config_of(packed, epochs=1, bias_drops=False),
        "own_rates": config_of(packed, epochs=1, own_rates=(OwnRate("conv1", 2, None),)),
        "augmentation": config_of(packed, epochs=1, augmentation=Augmentation(crops_per_draw=2)),
        "color_epochs": config_of(packed, epochs=1, color_epochs=7),
        "preprocessing, central_mean": config_of(packed, epochs=1, central_mean=True),
        "reshuffle": config_of(packed, epochs=1, reshuffle=False),
    }
    for name, other in others.items():
        with pytest.raises(UserError, match=f"started with another {name}:"):
            train.resume(other, tmp_path, xp=np)
    plateau = config_of(packed, epochs=1, schedule=Plateau(patience=1), batch=6)
    with pytest.raises(UserError, match="another (batch, schedule|schedule, batch)"):
        train.resume(plateau, tmp_path, xp=np)
    assert train.resume(replace(config, data="moved", words=("x", "y", "z")), tmp_path, xp=np).epoch == 1


def damaged(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)
    return path


def test_a_damaged_checkpoint_is_named_and_the_last_good_one_goes_on_when_asked(
    packed, whole, tmp_path, monkeypatch, after_step, capsys
):
    config, folder = config_of(packed, epochs=2), tmp_path / "checkpoints"
    monkeypatch.setattr(train, "SAVE_EVERY", -1)
    after_step(13, send(signal.SIGTERM))
    with pytest.raises(Stopped):
        trainer(packed, tmp_path, config).run()
    path = damaged(checkpoint.latest(folder))
    with pytest.raises(UserError, match=f"{path.name} is not a whole .*; --resume last-good goes on from the newest"):
        train.resume(config, tmp_path, xp=np)
    assert checkpoint.latest(folder) == path

    snapshot = train.resume(config, tmp_path, xp=np, last_good=True)
    assert (snapshot.epoch, snapshot.step) == (1, 4)
    assert f"a damaged checkpoint was set aside: {path}.damaged" in capsys.readouterr().out
    trainer(packed, tmp_path, config, snapshot).run()
    assert_same(newest(tmp_path), newest(whole))
    assert path.with_name(f"{path.name}.damaged").exists()


def test_a_run_killed_between_a_checkpoint_and_the_removal_of_another_catches_up(packed, tmp_path, monkeypatch):
    config = config_of(packed, epochs=3)
    with monkeypatch.context() as patch:
        patch.setattr(train.checkpoint, "keep_newest", lambda *_: None)
        trainer(packed, tmp_path, config).run()
    resumed(packed, tmp_path, config).run()
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["0002-0000000.safetensors", "0003-0000000.safetensors", "best.safetensors"]


# What it leaves


def test_what_a_run_leaves(packed, tmp_path, capsys, drawn):
    config = replace(config_of(packed), words=("Blau", "Gruen", "Rot"))
    record = trainer(packed, tmp_path, config).run()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoints", "config.json", "conv1.png", "curves.png", "health-0.txt", "log.jsonl"]
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert kept == ["0002-0000000.safetensors", "0003-0000000.safetensors", "best.safetensors"]
    for name in ("conv1.png", "curves.png"):
        with Image.open(tmp_path / name) as image:
            image.load()

    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log == newest(tmp_path).history and log[-1] == record
    assert [line["epoch"] for line in log] == [1, 2, 3]
    assert [line["rate"] for line in log] == [0.002, 0.0002, 0.0002]
    for line in log:
        assert line["loss"] > 0 and 0 <= line["val_top1"] <= line["val_top5"] == 1  # of three classes
        assert 0 < line["wait"] < 1
        assert line["val_error"] == 1 - line["val_top1"] and line["seconds"] > 36 / line["images_per_second"]

    used = json.loads((tmp_path / "config.json").read_text())
    assert used == config.plain() == newest(tmp_path).config
    assert (used["variant"], used["width"], used["classes"]) == ("bn", 0.0625, list(photos.CLASSES))
    assert used["recipe"]["schedule"] == {"kind": "Steps", "epochs": [1], "factor": 10.0}
    assert used["preprocessing"] == {"central": False, "scale": [1.0, 1.0, 1.0], "order": "RGB"}
    assert used["words"] == ["Blau", "Gruen", "Rot"]

    printed = capsys.readouterr()
    assert printed.err == "", "no bar where nobody looks"
    lines = [line for line in printed.out.splitlines() if line.startswith("epoch")]
    assert len(lines) == 3 and all("top-1" in line and "top-5" in line and "img/s" in line for line in lines)


@pytest.mark.parametrize("waited", [0.04, 0.25])
def test_a_long_wait_for_batches_is_told(packed, tmp_path, monkeypatch, capsys, waited):
    """On a clock of a second a look, with batches that pretend."""

    class Pretended(list):
        waited = 0.0

        def __iter__(self):
            for batch in super().__iter__():
                self.waited += waited
                yield batch

    plain, clock = train.train_batches, iter(range(10_000))
    monkeypatch.setattr(train, "train_batches", lambda *args, **kwargs: Pretended(plain(*args, **kwargs)))
    monkeypatch.setattr(train.time, "monotonic", lambda: float(next(clock)))
    record = trainer(packed, tmp_path, config_of(packed, epochs=1)).run()
    assert record["wait"] == pytest.approx(waited)
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch"))
    assert line.endswith("waited 25%") == (waited == 0.25) and ("waited" in line) == (waited == 0.25)


def test_the_records_are_means_over_the_images(packed, tmp_path, monkeypatch):
    losses = []
    plain = train.step

    def step(layers, params, velocity, state, x, t, **kwargs):
        result = plain(layers, params, velocity, state, x, t, **kwargs)
        losses.append((float(result[0]), int((result[1].argmax(axis=1) == t).sum()), len(t)))
        return result

    monkeypatch.setattr(train, "step", step)
    record = trainer(packed, tmp_path, config_of(packed, epochs=1)).run()
    assert [count for _, _, count in losses] == [5] * 7 + [1]
    assert record["loss"] == pytest.approx(sum(loss * count for loss, _, count in losses) / 36, rel=1e-12)
    assert record["top1"] == sum(right for _, right, _ in losses) / 36


def scores(monkeypatch, *top1):
    values = iter(top1)
    monkeypatch.setattr(train, "evaluate", lambda *_, **__: Score(1.0, next(values), 1.0))


def test_the_best_checkpoint_is_the_best_epochs(packed, tmp_path, monkeypatch):
    scores(monkeypatch, 0.25, 0.75, 0.5)
    trainer(packed, tmp_path, config_of(packed)).run()
    best = checkpoint.load(tmp_path / "checkpoints" / "best.safetensors", xp=np)
    assert (best.epoch, best.step, best.history[-1]["val_top1"]) == (2, 0, 0.75)


@pytest.mark.parametrize("saves", [3, 4], ids=["before the best", "between the two"])
def test_a_run_killed_while_saving_still_finds_its_best_epoch(packed, tmp_path, monkeypatch, saves):
    plain, count = checkpoint.save, iter(range(1, 100))
    config = config_of(packed)

    def save(path, snapshot):
        if next(count) == saves:
            raise ZeroDivisionError
        plain(path, snapshot)

    scores(monkeypatch, 0.25, 0.75, 0.75, 0.5)  # the second epoch twice
    monkeypatch.setattr(checkpoint, "save", save)
    with pytest.raises(ZeroDivisionError):
        trainer(packed, tmp_path, config).run()
    resumed(packed, tmp_path, config).run()
    best = checkpoint.load(tmp_path / "checkpoints" / "best.safetensors", xp=np)
    assert (best.epoch, best.history[-1]["val_top1"]) == (2, 0.75)


def test_a_folder_that_cannot_be_made_is_the_users_mistake(packed, tmp_path):
    (tmp_path / "file").write_text("here first")
    with pytest.raises(UserError, match="cannot make .*file"):
        trainer(packed, tmp_path / "file", config_of(packed)).run()
    assert (tmp_path / "file").read_text() == "here first"


# What it is trained on


@pytest.fixture
def asked(monkeypatch):
    """What training and testing batches were asked for: (preprocessing, options), call by call."""
    calls = {"train": [], "test": []}

    def install(kind, plain):
        def batches(split, preprocessing, **options):
            calls[kind].append((preprocessing, options))
            return plain(split, preprocessing, **options)

        monkeypatch.setattr(train, f"{kind}_batches", batches)

    install("train", train.train_batches)
    install("test", train.test_batches)
    return calls


def test_a_recipe_decides_the_batches(packed, tmp_path, asked):
    covariance = np.diag([30.0, 20.0, 10.0])
    packed = replace(packed, index=packed.index | {"covariance": covariance.tolist()})
    noise = Augmentation(crops_per_draw=2, color="stdev", divisor=1.5)
    config = config_of(packed, augmentation=noise, color_epochs=1, central_mean=True, reshuffle=False, epochs=2)
    trainer(packed, tmp_path, config).run()
    first, second = (options for _, options in asked["train"])
    assert (first["augmentation"], second["augmentation"]) == (noise, replace(noise, color="none"))
    np.testing.assert_array_equal(first["covariance"], covariance)
    assert (first["epoch"], second["epoch"]) == (0, 1) and first["size"] == 224 and first["batch"] == 5
    assert first["reshuffle"] is second["reshuffle"] is False
    for preprocessing, _ in asked["train"] + asked["test"]:
        assert preprocessing.central and preprocessing.mean is packed.mean


def test_without_colour_noise_nobody_asks_for_a_covariance(packed, tmp_path, asked):
    bare = replace(packed, index={key: value for key, value in packed.index.items() if key != "covariance"})
    trainer(bare, tmp_path, config_of(packed, epochs=1)).run()
    (preprocessing, options), *_ = asked["train"]
    assert options["augmentation"] == Augmentation() and options["reshuffle"] is True and not preprocessing.central


def test_a_frozen_layer_stays_from_its_epoch_on(packed, tmp_path, monkeypatch):
    seen = {}
    plain = checkpoint.save

    def save(path, snapshot):
        seen[snapshot.epoch] = {name: value.copy() for name, value in snapshot.params.items()}
        plain(path, snapshot)

    monkeypatch.setattr(checkpoint, "save", save)
    trainer(packed, tmp_path, config_of(packed, own_rates=(OwnRate("conv1", 2, None),))).run()
    for name, still in (("conv1.W", True), ("conv1.b", True), ("conv2.W", False)):
        assert (seen[1][name] != seen[2][name]).any() and (seen[2][name] == seen[3][name]).all() == still


# What it notices


@pytest.fixture
def looks(monkeypatch):
    """A batch is measured before the first step, after 3 steps and after 11, of 8 an epoch."""
    monkeypatch.setattr(train.health, "LOOKS", (0, 3, 11))


def test_looking_at_its_health_does_not_change_a_run(packed, whole, tmp_path, looks, capsys):
    trainer(packed, tmp_path, config_of(packed, epochs=2)).run()
    assert_same(newest(tmp_path), newest(whole))
    printed = capsys.readouterr().out
    for done, begins in ((0, "before the first step"), (3, "after 3 steps"), (11, "after 11 steps")):
        kept = (tmp_path / f"health-{done}.txt").read_text(encoding="utf-8")
        assert kept.startswith(f"health {begins}, on one batch: loss ") and kept in printed
        assert [line.split()[0] for line in kept.splitlines()[2:12]] == [
            "conv1", "bn1", "conv2", "bn2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8",
        ]  # fmt: skip


def test_the_step_that_is_measured_is_the_next(packed, tmp_path, monkeypatch, looks):
    """On its batch, at its rates, from the parameters before it."""
    seen, done = [], []
    plain, plain_step = train.health.measure, train.step

    def measure(layers, params, velocity, state, x, t, rates, **how):
        seen.append((len(done), params["fc8.b"].copy(), x.copy(), t.copy(), rates))
        return plain(layers, params, velocity, state, x, t, rates, **how)

    def step(layers, params, velocity, state, x, t, **options):
        done.append((params["fc8.b"].copy(), x.copy(), t.copy(), options["rates"]))
        return plain_step(layers, params, velocity, state, x, t, **options)

    monkeypatch.setattr(train.health, "measure", measure)
    monkeypatch.setattr(train, "step", step)
    trainer(packed, tmp_path, config_of(packed, epochs=2)).run()
    assert [number for number, *_ in seen] == [0, 3, 11]
    for number, *arrays, rates in seen:
        assert all((mine == its).all() for mine, its in zip(arrays, done[number][:3], strict=True))
        assert rates == done[number][3]


@pytest.mark.parametrize("dtype, looked_at", [("float32", 5), ("mixed", 3)])
def test_a_look_takes_no_more_memory_than_a_step(packed, tmp_path, monkeypatch, dtype, looked_at):
    """It computes in float32, with the step's pairs: on half of the images of a step in float16."""
    run, seen = trainer(packed, tmp_path, replace(config_of(packed), dtype=dtype)), []
    monkeypatch.setattr(train.health, "measure", lambda *args, ops: seen.append((*args, ops)))
    monkeypatch.setattr(train.health, "report", lambda *_: "")
    x, t = next(run._training_batches())
    run._report(run.snapshot, x, t)
    *_, shown, labels, _, ops = seen[0]
    assert ops is run.ops and shown.dtype == "float32" and len(shown) == len(labels) == looked_at
    assert shown.nbytes < 1.25 * x.nbytes and (shown == x[:looked_at]).all()


def test_a_resumed_run_looks_again_only_where_it_comes_by(packed, tmp_path, looks, after_step, capsys):
    config = config_of(packed, epochs=2)
    after_step(3, send(signal.SIGTERM))
    with pytest.raises(Stopped):
        trainer(packed, tmp_path, config).run()
    assert capsys.readouterr().out.count("health") == 1
    resumed(packed, tmp_path, config).run()
    printed = capsys.readouterr().out
    assert "before the first step" not in printed
    assert printed.count("health after 3 steps") == printed.count("health after 11 steps") == 1


def test_a_rehearsal_is_the_run_without_its_folder(packed, tmp_path, looks):
    config = config_of(packed, epochs=2)
    trainer(packed, tmp_path / "run", config).run()
    nowhere = tmp_path / "nowhere"
    reports = list(trainer(packed, nowhere, config).rehearse(11))  # past the end of an epoch
    assert [report + "\n" for report in reports] == [
        (tmp_path / "run" / f"health-{done}.txt").read_text(encoding="utf-8") for done in (0, 11)
    ]
    assert list(trainer(packed, nowhere, config).rehearse(0)) == reports[:1] and not nowhere.exists()


def test_a_rate_far_too_high_ends_the_run_and_names_a_layer(packed, tmp_path):
    for variant in ("bn", "paper"):
        config = config_of(packed, variant, rate=1e30, bias_rate=1e30, warm_up=0)
        with np.errstate(all="ignore"), pytest.raises(RunError) as failed:
            trainer(packed, tmp_path / variant, config).run()
        message = str(failed.value)
        assert "step 2 of epoch 1" in message and "first seen in the output of " in message
        assert "there is no checkpoint yet" in message and "lower --lr" in message and "\n" not in message
        assert checkpoint.latest(tmp_path / variant / "checkpoints") is None


def test_the_layer_that_is_named_is_the_one_at_fault(packed, tmp_path):
    config = config_of(packed)
    start = train.start(config, packed, xp=np)
    start.params["conv4.W"] += 1e38
    with (
        np.errstate(all="ignore"),
        pytest.raises(RunError, match="step 1 of epoch 1, first seen in the output of conv4"),
    ):
        trainer(packed, tmp_path, config, start).run()
    assert all(np.isfinite(value).all() for value in start.params.values()), "what was before the step is kept"
    assert not any(value.any() for value in start.velocity.values())


def spoil(params):
    params["conv2.W"][0, 0, 0, 0] = np.nan


@pytest.mark.parametrize("step", [STEPS + 1, STEPS + 3, 2 * STEPS], ids=["first", "middle", "last"])
def test_a_nan_never_reaches_a_checkpoint(packed, tmp_path, monkeypatch, after_step, step):
    monkeypatch.setattr(train, "SAVE_EVERY", -1)
    after_step(step, spoil)
    with np.errstate(all="ignore"), pytest.raises(RunError, match="conv2.W.* the last good checkpoint is .*0001-"):
        trainer(packed, tmp_path, config_of(packed)).run()
    for path in (tmp_path / "checkpoints").iterdir():
        kept = checkpoint.load(path, xp=np)
        assert all(np.isfinite(value).all() for value in (kept.params | kept.velocity | kept.state).values())


def test_a_nan_in_the_step_of_a_signal_is_not_saved(packed, tmp_path, after_step):
    def spoil_and_stop(params):
        spoil(params)
        signal.raise_signal(signal.SIGTERM)

    after_step(3, spoil_and_stop)
    with pytest.raises(RunError, match="conv2.W is no longer finite; there is no checkpoint yet"):
        trainer(packed, tmp_path, config_of(packed)).run()
    assert checkpoint.latest(tmp_path / "checkpoints") is None


def test_running_statistics_that_overflow_are_not_saved(packed, tmp_path, monkeypatch):
    plain = train.step

    def step(*args, **kwargs):
        loss, logits, state = plain(*args, **kwargs)
        return loss, logits, state | {"bn1.var": state["bn1.var"] * np.inf}  # which normalises to 0: a finite loss

    monkeypatch.setattr(train, "step", step)
    with pytest.raises(RunError, match="bn1.var is no longer finite"):
        trainer(packed, tmp_path, config_of(packed, epochs=1)).run()
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_it_says_when_the_network_is_not_learning(packed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train.health, "PATIENCE", 2 * STEPS)
    config = config_of(packed, epochs=2, rate=1e-12, bias_rate=1e-12)
    trainer(packed, tmp_path / "still", config).run()
    first, second = capsys.readouterr().out.split("epoch   2")
    assert "not learning" not in first and "not learning: the loss is 1." in second

    def step(layers, params, velocity, state, x, t, *, check, **_):
        check(np.float64(0.9), np.zeros((len(t), 3)), {})
        return np.float64(0.9), np.zeros((len(t), 3)), state

    monkeypatch.setattr(train, "step", step)
    trainer(packed, tmp_path / "learns", config).run()
    assert "not learning" not in capsys.readouterr().out


def test_the_images_that_units_are_judged_by_are_of_all_classes(packed, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(train.health, "warnings", lambda layers, params, state, x, **_: seen.append(x) or [])
    trainer(packed, tmp_path, config_of(packed, epochs=1)).run()
    chosen = Subset(packed.val, np.array([0, 2, 5, 8, 11]))
    assert set(chosen.labels) == {0, 1, 2}
    expected, _ = next(batches.test_batches(chosen, Preprocessing(packed.mean), size=224, batch=5))
    np.testing.assert_array_equal(seen[0], expected)


# Its parts


def test_the_rates_of_a_step(packed):
    config = config_of(packed)
    recipe = replace(config.recipe, warm_up=20, schedule=Plateau(patience=1, drops=2), bias_rate=0.02, bias_decay=0.0)
    snapshot = train.start(config, packed, xp=np)
    snapshot.epoch, snapshot.step, snapshot.history = 1, 1, [{"val_error": 0.5}]
    assert train.rates_at(snapshot, recipe, 8) == Rates(0.002 * 10 / 20, 0.02 * 10 / 20, 0.9, 0.0005, 0.0)
    snapshot.epoch, snapshot.history = 3, [{"val_error": error} for error in (0.5, 0.6, 0.4)]
    rates = train.rates_at(snapshot, recipe, 8)
    assert (rates.weights, rates.biases) == pytest.approx((0.0002, 0.002))


def test_a_check_that_raises_leaves_everything_as_it_was(packed):
    config = config_of(packed)
    start = train.start(config, packed, xp=np)
    before = {name: value.copy() for name, value in start.params.items()}
    x, t = next(batches.test_batches(packed.val, Preprocessing(packed.mean), size=224, batch=2))
    rates, rng = Rates(0.1, 0.1), np.random.default_rng(0)
    with pytest.raises(ZeroDivisionError):
        train.step(
            config.network().layers, start.params, start.velocity, start.state, x, t, rates=rates, rng=rng, check=crash
        )
    for name, value in before.items():
        np.testing.assert_array_equal(start.params[name], value)
        assert not start.velocity[name].any()


# Mixed precision


def mixed(packed, **changed):
    return replace(config_of(packed, **changed), dtype="mixed")


def with_scale(packed, config, factor):
    snapshot = train.start(config, packed, xp=np)
    assert snapshot.loss_scale == {"factor": 2.0**16, "good": 0}
    snapshot.loss_scale["factor"] = factor
    return snapshot


def first_batch(run):
    with closing(run._training_batches()) as made:
        return next(made)


def bytes_of(snapshot):
    return [{name: value.tobytes() for name, value in getattr(snapshot, group).items()} for group in checkpoint.GROUPS]


@pytest.fixture
def overflowing():
    """The program ignores NumPy's warnings about overflows, too: the loss and the sum of the gradients tell."""
    with np.errstate(over="ignore", invalid="ignore"):
        yield


def test_a_step_that_overflows_is_skipped_and_its_scale_halved(packed, tmp_path, overflowing):
    config = mixed(packed)
    snapshot = with_scale(packed, config, 2.0**30)
    before = bytes_of(snapshot)
    run = trainer(packed, tmp_path, config, snapshot)
    x, t = first_batch(run)
    assert x.dtype == "float16"
    loss, right = run._step(x, t)
    assert bytes_of(snapshot) == before
    assert 0 < loss < 5 and 0 <= right <= 5
    assert (snapshot.loss_scale, snapshot.sums, snapshot.step) == ({"factor": 2.0**29, "good": 0}, {"skipped": 1}, 1)

    snapshot.loss_scale["factor"] = 2.0**10
    run._step(x, t)
    assert all(one != other for one, other in zip(bytes_of(snapshot), before, strict=True))
    assert (snapshot.loss_scale, snapshot.sums, snapshot.step) == ({"factor": 2.0**10, "good": 1}, {"skipped": 1}, 2)
    for group in checkpoint.GROUPS:
        assert {value.dtype.name for value in getattr(snapshot, group).values()} == {"float32"}


@pytest.mark.parametrize("factor", [2.0**17, 2.0**8])
def test_an_epoch_tells_how_many_steps_were_skipped(packed, tmp_path, overflowing, capsys, factor):
    config = mixed(packed, epochs=1)
    snapshot = with_scale(packed, config, factor)
    trainer(packed, tmp_path, config, snapshot).run()
    (record,) = snapshot.history
    skipped, line = record["skipped"], next(line for line in capsys.readouterr().out.splitlines() if "val loss" in line)
    if factor > 2**16:
        assert 1 <= skipped < STEPS and line.endswith(f"  skipped {skipped}, loss scale {record['loss_scale']:g}")
    else:
        assert skipped == 0 and "skipped" not in line
    assert record["loss_scale"] == snapshot.loss_scale["factor"] == factor / 2**skipped
    assert json.loads((tmp_path / "log.jsonl").read_text(encoding="utf-8")) == record


def test_a_mixed_run_goes_on_to_the_bit(packed, tmp_path, overflowing, after_step, monkeypatch):
    monkeypatch.setattr(precision, "GROWTH", 4)
    config = mixed(packed)

    def begin(name):
        return trainer(packed, tmp_path / name, config, with_scale(packed, config, 2.0**24))

    after_step(20, send(signal.SIGTERM))
    with pytest.raises(Stopped):
        begin("whole").run()
    whole = newest(tmp_path / "whole")
    skipped = sum(record["skipped"] for record in whole.history) + whole.sums["skipped"]
    assert 2.0 ** (24 - skipped) < whole.loss_scale["factor"] < 2.0**24, "it fell, and rose again"

    for number, run in [(11, begin), (9, lambda name: resumed(packed, tmp_path / name, config))]:
        after_step(number, send(signal.SIGTERM))
        with pytest.raises(Stopped):
            run("halves").run()
    assert_same(whole, newest(tmp_path / "halves"))


def test_a_mixed_run_that_fits_at_no_scale_ends(packed, tmp_path, overflowing):
    config = mixed(packed)
    run = trainer(packed, tmp_path, config, with_scale(packed, config, 1.0))
    x, t = first_batch(run)
    broken = replace(reference, relu=Pair(reference.relu.forward, lambda dy, cache: dy * np.float16(np.inf)))
    run.ops = broken
    before = bytes_of(run.snapshot)
    with pytest.raises(RunError, match="gradients overflow float16 even at a loss scale of 1; .*--dtype float32"):
        run._step(x, t)
    assert bytes_of(run.snapshot) == before


def test_an_overflow_in_the_forward_pass_is_no_matter_of_the_scale(packed, tmp_path, overflowing):
    config = mixed(packed)
    snapshot = with_scale(packed, config, 2.0**10)
    snapshot.params["conv1.W"] *= 1e4
    run = trainer(packed, tmp_path, config, snapshot)
    x, t = first_batch(run)
    with pytest.raises(
        RunError, match="the loss is nan in step 1 of epoch 1, first seen in the output of conv1; .*--lr"
    ):
        run._step(x, t)


def test_a_run_in_float32_has_no_scale(packed, whole):
    snapshot = newest(whole)
    assert snapshot.loss_scale == {} and "skipped" not in snapshot.history[0] and "skipped" not in snapshot.sums
