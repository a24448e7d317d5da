"""The benchmark for GPUs in small, on NumPy and on the stand-in: its sections, their processes, and no GPU at all."""

import importlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minialex import alexnet
from minialex.errors import UserError, main_status
from minialex.layers import LRN, Conv, Dropout, Flatten, Linear, MaxPool, ReLU
from tests import photos
from tests.emulation.raw_module import missing
from tests.strict_cupy import StandIn

FOLDER = Path(__file__).parent.parent.parent / "benchmarks"
LAYERS = (
    *(Conv("conv1", 8, 5, stride=2), ReLU(), LRN(groups=2), MaxPool()),
    *(Conv("conv2", 16, 3, pad=1, groups=2, sigma=0.1), ReLU(), Flatten()),
    *(Linear("fc3", 16, sigma=0.1), ReLU(), Dropout(), Linear("fc4", 10, sigma=0.1)),
)
NET = alexnet.Network("small", (23, 23, 3), LAYERS)


@pytest.fixture
def modules(monkeypatch):
    """The modules of benchmarks/, as its programs import them."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("gpu", "gpu_parity", "gpu_speed", "gpu_torch")
    return SimpleNamespace(**{name: importlib.import_module(name) for name in names})


@pytest.fixture
def emulated():
    """The stand-in, where it can emulate kernels."""
    if missing():
        pytest.skip(missing())
    return StandIn()


def small_cases(normal):
    """The cases with few channels and pixels."""
    return {
        "conv": ("conv", (normal(2, 7, 6, 4), normal(3, 3, 2, 8), normal(8)), {"pad": 1, "groups": 2}),
        "linear": ("linear", (normal(3, 8), normal(8, 5), normal(5)), {}),
        "lrn": ("lrn", (normal(2, 5, 5, 16),), {"groups": 2, "alpha": 0.1}),
        "max_pool": ("max_pool", (normal(2, 7, 7, 8),), {}),
        "dropout": ("dropout", (normal(3, 8),), {"mask": normal(3, 8) > 0}),
        "softmax": ("softmax_cross_entropy", (normal(4, 9), np.arange(4)), {}),
        "batchnorm": ("batchnorm", (normal(4, 3, 3, 8), normal(8), normal(8)), {}),
        "lrn, max_pool": ("lrn_max_pool", (normal(2, 7, 7, 16),), {"groups": 2, "alpha": 0.1}),
    }


# Parity


@pytest.mark.parametrize("table", ["array code", "kernels"])
def test_pairs_agree_on_the_stand_in(modules, table, emulated):
    parity = modules.gpu_parity
    rows = list(parity.pairs(emulated, table, small_cases(parity.normal)))
    of_two = ["lrn, max_pool"]
    named = [name for name in small_cases(parity.normal) if name not in of_two or table == "kernels"]
    assert [row[""] for row in rows] == [*named, "dropout's masks", "crops"]
    assert not any(row.get("wrong") for row in rows)
    assert all(0 < row["float16"] < 1e-2 for row in rows if row[""] in ("conv", "linear", "lrn"))


def test_a_pair_with_a_relu_is_compared_where_no_rounding_crosses_its_kink(modules, emulated):
    parity = modules.gpu_parity
    small = parity.unrounded((2, 5, 6, 8), (3, 3, 4, 16)), parity.unrounded((5, 300), (300, 40))
    case = {"conv": ("conv_relu", small[0], {"groups": 2}), "linear": ("linear_relu", small[1], {})}
    for row in list(parity.pairs(emulated, "kernels", case))[:2]:
        assert "wrong" not in row and row["float16"] < 2e-3


def test_every_pair_has_a_case(modules):
    named = {name for name, _, _ in modules.gpu_parity.cases().values()}
    assert named == set(vars(modules.gpu_parity.reference)) - {"dropout_mask"}


@pytest.mark.parametrize("factor", [1.1, np.nan])
def test_a_wrong_pair_is_told_and_the_others_are_compared(modules, monkeypatch, factor):
    parity, pair = modules.gpu_parity, modules.gpu_parity.reference.lrn
    broken = pair._replace(backward=lambda dy, cache: factor * pair.backward(dy, cache))
    monkeypatch.setitem(parity.TABLES["array code"], "ops", replace(parity.reference, lrn=broken))
    rows = list(parity.pairs(StandIn(), "array code", small_cases(parity.normal)))
    assert {row[""]: row["wrong"] for row in rows if "wrong" in row} == {"lrn": "float64, float32, TF32, float16"}


def test_a_pair_that_raises_says_so_in_its_row(modules, monkeypatch):
    parity = modules.gpu_parity
    broken = parity.reference.lrn._replace(forward=lambda x, **_: 1 / 0)
    monkeypatch.setitem(parity.TABLES["array code"], "ops", replace(parity.reference, lrn=broken))
    (row,) = (row for row in parity.pairs(StandIn(), "array code", small_cases(parity.normal)) if row[""] == "lrn")
    assert row["float32"] == "ZeroDivisionError: division by zero" and "float32" in row["wrong"]


@pytest.mark.parametrize("table", ["array code", "kernels"])
@pytest.mark.parametrize("section", ["steps", "mixed_steps"])
def test_steps_agree_on_the_stand_in(modules, section, table, emulated):
    (row,) = getattr(modules.gpu_parity, section)(emulated, table, [NET])
    assert "wrong" not in row and row["again"] == "the same bits"
    assert row["velocities differ by"] > 0 or (section, table) == ("steps", "array code"), "there it is NumPy's step"
    assert row.get("overflow", "skipped") == "skipped"


def test_a_step_of_wrong_gradients_is_told(modules, monkeypatch):
    parity, pair = modules.gpu_parity, modules.gpu_parity.reference.max_pool
    broken = pair._replace(backward=lambda dy, cache: 1.01 * pair.backward(dy, cache))
    monkeypatch.setitem(parity.TABLES["array code"], "ops", replace(parity.reference, max_pool=broken))
    (row,) = parity.steps(StandIn(), "array code", [NET])
    assert row["wrong"] and 0.001 < row["velocities differ by"] < 0.1


def test_a_step_that_is_not_repeated_to_the_bit_is_told(modules, monkeypatch):
    parity, pair, calls = modules.gpu_parity, modules.gpu_parity.reference.relu, []
    unsteady = pair._replace(backward=lambda dy, cache: pair.backward(dy, cache) * (1 + 1e-6 * len(calls)))
    forward = unsteady._replace(forward=lambda x: calls.append(x) or pair.forward(x))
    monkeypatch.setitem(parity.TABLES["array code"], "ops", replace(parity.reference, relu=forward))
    (row,) = parity.steps(StandIn(), "array code", [NET])
    assert row["wrong"] and row["again"] == "OTHER BITS"


def test_an_overflow_that_is_trained_on_is_told(modules, monkeypatch):
    monkeypatch.setattr(modules.gpu_parity, "fits", lambda *_: True)
    with np.errstate(all="ignore"):
        (row,) = modules.gpu_parity.mixed_steps(StandIn(), "array code", [NET])
    assert row["wrong"] and row["overflow"] == "NOT SKIPPED"


@pytest.mark.parametrize("good, epochs, wrong", [(0.0, 1, None), (1.1, 2, "below 110%")])
def test_training_ends_when_it_is_good_enough(modules, monkeypatch, tmp_path, good, epochs, wrong):
    monkeypatch.setenv("MINIALEX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(modules.gpu_parity, "GOOD", good)
    options = ("--width", "0.0625", "--epochs", "2", "--batch", "8", "--variant", "bn")
    folder = photos.draw(tmp_path / "photos")
    rows = list(modules.gpu_parity.training(np, "array code", "float32", folder, options))
    assert [row["epoch"] for row in rows] == list(range(1, epochs + 1)) and rows[-1].get("wrong") == wrong
    assert 0 < rows[0]["seconds"] <= rows[-1]["seconds"]


# Speed


@pytest.fixture
def quick(modules, monkeypatch):
    """One run that counts, after one that does not, on NumPy, which has array code alone."""
    monkeypatch.setattr(modules.gpu_speed, "STEPS", 1)
    monkeypatch.setattr(modules.gpu_speed, "WARM", 1)
    monkeypatch.delitem(modules.gpu_speed.TABLES, "kernels")
    return modules.gpu_speed


def test_steps_are_timed_beside_the_bare_products(quick):
    rows = list(quick.steps(np, 2, NET))
    names = [f"{precision}, {what}" for precision in quick.PRECISIONS for what in ("bare products", "array code")]
    assert [row[""] for row in rows] == names
    for bare, ours in zip(rows[::2], rows[1::2], strict=True):
        assert ours["of the bound"] == bare["ms"] / ours["ms"] and ours["images/s"] == 2000 / ours["ms"]


def test_what_does_not_fit_is_a_row_and_the_others_are_timed(quick, monkeypatch):
    def out_of_memory(*_, **__):
        raise MemoryError("Out of memory allocating 5 bytes")

    monkeypatch.setitem(quick.TABLES, "large", {"ops": None, "update": out_of_memory})
    monkeypatch.setattr(quick.Contestant, "step", lambda self, of, update, **_: update if self and update else None)
    monkeypatch.setitem(quick.TABLES, "array code", {"ops": None, "update": lambda: None})
    rows = {row[""]: row for row in quick.steps(np, 2, NET)}
    assert rows["float32, large"]["ms"] == "out of memory: Out of memory allocating 5 bytes"
    assert rows["mixed, array code"]["ms"] >= 0


def test_a_skipped_step_is_not_timed(quick):
    ours = quick.Contestant(np, NET, 2)
    ours.params["fc4.W"][...] = np.inf
    with np.errstate(all="ignore"), pytest.raises(Exception, match="would be no training"):
        ours.step("mixed", **quick.TABLES["array code"])()


def test_the_layers_and_the_rest_make_up_the_step(quick):
    rows = list(quick.layers(np, 2, "array code", NET, ("TF32",)))
    names = ["conv1", "ReLU 1", "LRN 1", "MaxPool 1", "conv2", "ReLU 2", "Flatten 2", "fc3", "ReLU 3", "Dropout 3"]
    assert [row[""] for row in rows] == [*names, "fc4", "the rest", "step"]
    *parts, step = (row["TF32 forward ms"] + row["TF32 backward ms"] for row in rows)
    assert step > 0 and sum(parts) == pytest.approx(step)


def test_on_kernels_the_rows_are_those_of_the_fused_layers(modules, monkeypatch, emulated):
    monkeypatch.setattr(modules.gpu_speed, "STEPS", 1)
    monkeypatch.setattr(modules.gpu_speed, "WARM", 1)
    rows = list(modules.gpu_speed.layers(emulated, 2, "kernels", NET, ("TF32",)))
    names = ["conv1", "LRNMaxPool 1", "conv2", "Flatten 2", "fc3", "Dropout 3", "fc4"]
    assert [row[""] for row in rows] == [*names, "the rest", "step"]


def test_each_layer_has_its_own_time(quick, monkeypatch):
    """By a clock whose every second is longer than the one before."""
    clock, ticks = quick.HostClock(), iter(range(10_000))
    clock.mark = lambda: float(next(ticks)) ** 2
    monkeypatch.setattr(quick, "clock_of", lambda xp: clock)
    rows = list(quick.layers(np, 2, "array code", NET, ("TF32",)))[:-2]
    forward, backward = ([row[f"TF32 {way} ms"] for row in rows] for way in quick.WAYS)
    assert forward == sorted(set(forward)) and backward == sorted(set(backward))[::-1] and forward[-1] < backward[-1]


def test_the_products_are_those_of_the_network(modules):
    found = modules.gpu_speed.products(alexnet.build("paper"), 1)
    macs = [(2 + need_dx) * times * np.prod(sizes) for sizes, times, need_dx in found]
    assert sum(macs) == 3 * 724_406_816 - 55 * 55 * 11 * 11 * 3 * 96, "three a layer, less conv1's input gradient"


def test_a_gpus_clock_is_its_events(modules):
    """Events as CuPy has them: a time is there only when the GPU has passed both."""

    class Event:
        made = []

        def record(self):
            self.made.append(self)
            self.at, self.passed = 5.0 * len(self.made), False

        def synchronize(self):
            for event in self.made[: self.made.index(self) + 1]:
                event.passed = True

    def elapsed(start, stop):
        assert start.passed and stop.passed, "cudaErrorNotReady"
        return stop.at - start.at

    pool = SimpleNamespace(total_bytes=lambda: 7, free_all_blocks=lambda: None)
    cuda = SimpleNamespace(Event=Event, get_elapsed_time=elapsed)
    cupy = SimpleNamespace(__name__="cupy", cuda=cuda, get_default_memory_pool=lambda: pool)
    clock, runs = modules.gpu_speed.clock_of(cupy), []
    assert modules.gpu_speed.milliseconds(clock, lambda: runs.append(1)) == 5.0 and clock.peak() == 7
    assert len(runs) == modules.gpu_speed.STEPS + modules.gpu_speed.WARM
    assert len(Event.made) == modules.gpu_speed.STEPS + 1, "one between two runs"


def test_the_fastest_of_ours_and_of_pytorchs_are_compared(modules):
    ours = [{"": "TF32, bare products", "ms": 1.0}, {"": "TF32, kernels", "ms": 2.0}, {"": "mixed, kernels", "ms": 1.5}]
    theirs = [{"": "TF32, eager", "ms": 5.0}, {"": "TF32, compiled", "ms": 3.0}, {"": "mixed, eager", "ms": "broken"}]
    report = {"steps of 4 images": {"rows": ours}, "PyTorch, steps of 4 images": {"rows": theirs}}
    (row,) = modules.gpu_speed.compared(report)
    assert row[""] == "steps of 4 images, TF32" and row["ours is"] == "1.50 times as fast"
    assert row["its fastest"] == "TF32, compiled"
    assert modules.gpu_speed.compared({"steps of 4 images": {"rows": ours}}) == []


@pytest.mark.oracle
def test_pytorchs_steps_are_timed(modules, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(modules.gpu_speed, "WARM", 0)
    monkeypatch.setattr(modules.gpu_speed, "STEPS", 1)
    contestants = [("TF32", "channels_last", False), ("mixed", "contiguous_format", False), ("mixed", "no", False)]
    rows = list(modules.gpu_torch.steps(None, 1, "cpu", contestants))
    assert [isinstance(row["ms"], float) for row in rows] == [True, True, False]


def test_without_pytorch_ours_is_timed_alone(modules, monkeypatch):
    monkeypatch.setattr(modules.gpu_torch.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="not installed: ours is timed alone"):
        list(modules.gpu_torch.steps(None, 1))


# The command


def good(xp, count):
    for number in range(count):
        yield {"": f"row {number}", "ms": 1.5, "library": xp.__name__}


def failing(xp):
    yield {"": "before", "ms": 2.5}
    raise RuntimeError("no\nmore")


def hanging(xp):
    yield {"": "before"}
    time.sleep(60)


def crashing(xp):
    yield {"": "before"}
    sys.stdout.flush()
    importlib.import_module("os")._exit(3)


def wrong(xp):
    yield {"": "bad", "wrong": True}
    yield {"": "good"}


def left_out(xp):
    raise UserError("no torch here")
    yield


def test_each_section_ends_for_itself(modules, capsys, tmp_path, monkeypatch):
    """In processes: what fails, hangs, crashes or is wrong is told with the rows it had, and the next one runs."""
    Section = modules.gpu.Section
    todo = [Section(f.__name__, 30, f) for f in (failing, crashing, wrong, left_out)]
    todo += [Section("hanging", 10, hanging), Section("good", 30, good, (2,))]
    failed = modules.gpu.run_all(todo, "numpy", tmp_path / "results" / "gpu.json")
    assert failed == ["failing", "crashing", "wrong", "hanging"]
    report = json.loads((tmp_path / "results" / "gpu.json").read_text(encoding="utf-8"))
    ends = {name: result.get("failed") or result.get("left out") for name, result in report.items()}
    assert ends["failing"] == "RuntimeError: no" and "its process ended" in ends["crashing"]
    assert ends["hanging"] == "its time is over" and ends["wrong"] == "1 of 2 rows are wrong"
    assert ends["left_out"] == "no torch here" and ends["good"] is None
    assert [report[name]["rows"][0][""] for name in ("failing", "crashing", "hanging")] == ["before"] * 3
    assert report["good"]["rows"][1] == {"": "row 1", "ms": 1.5, "library": "numpy"}
    assert "FAILED: RuntimeError: no" in capsys.readouterr().out


def test_no_section_begins_when_time_is_over(modules, tmp_path, monkeypatch):
    monkeypatch.setattr(modules.gpu, "ENOUGH", 0)
    assert modules.gpu.run_all([modules.gpu.Section("late", 9, hanging)], "numpy", tmp_path / "a" / "gpu.json") == []
    report = json.loads((tmp_path / "a" / "gpu.json").read_text(encoding="utf-8"))
    assert report["late"]["left out"] == "no time is left"


def test_without_a_gpu_it_says_so(modules, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert main_status(modules.gpu.main, []) == 2
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"{section.name}: not run" for section in modules.gpu.sections()]
    assert err.startswith("error: CuPy") and err.count("\n") == 1
