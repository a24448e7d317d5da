"""The benchmark for GPUs on NumPy and on the stand-in: its sections in small, and what it does without a GPU."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from minialex import alexnet, kernels
from minialex.errors import RunError, main_status
from tests.strict_cupy import StandIn

FOLDER = Path(__file__).parent.parent.parent / "benchmarks"
OWN = {"ops": kernels.fused, "update": kernels.update}


@pytest.fixture
def module(monkeypatch):
    """A module of benchmarks/, its network small."""
    monkeypatch.syspath_prepend(str(FOLDER))
    small = alexnet.build("paper", classes=5, width=1 / 16)
    for name in ("contestants", "gpu_speed"):
        monkeypatch.setattr(importlib.import_module(name), "PAPER", small)
    parity = importlib.import_module("gpu_parity")
    monkeypatch.setattr(parity, "WIDTH", 1 / 16)
    monkeypatch.setattr(parity, "IMAGES", 2)
    monkeypatch.setattr(parity, "VARIANTS", ("paper",))
    return importlib.import_module


def small_cases(parity):
    """The cases with few channels and pixels."""
    normal = parity._normal
    return {
        "conv": ("conv", (normal(2, 7, 6, 4), normal(3, 3, 2, 8), normal(8)), {"pad": 1, "groups": 2}),
        "lrn": ("lrn", (normal(2, 5, 5, 16),), {"groups": 2, "alpha": 0.1}),
        "max_pool": ("max_pool", (normal(2, 7, 7, 8),), {}),
        "dropout": ("dropout", (normal(3, 8),), {"mask": normal(3, 8) > 0}),
        "softmax": ("softmax_cross_entropy", (normal(4, 9), np.arange(4)), {}),
        "batchnorm": ("batchnorm", (normal(4, 3, 3, 8), normal(8), normal(8)), {}),
    }


@pytest.mark.parametrize("own", [{}, OWN], ids=["array code", "kernels"])
def test_pairs_and_steps_agree_on_the_stand_in(module, monkeypatch, own):
    parity = module("gpu_parity")
    monkeypatch.setattr(parity, "cases", lambda: small_cases(parity))
    rows = parity.pairs(StandIn(), **own)
    assert [row[0] for row in rows[1:]] == list(small_cases(parity)) and rows[0] == ("", "float32", "float16")
    assert [row[-1] for row in parity.steps(StandIn(), **own)[1:]] == ["the same bits"]


def test_every_pair_has_a_case(module):
    cases = module("gpu_parity").cases()
    assert {name for name, _, _ in cases.values()} == set(vars(kernels.fused)) - {"dropout_mask"}


def test_a_wrong_pair_is_told(module, monkeypatch):
    parity = module("gpu_parity")
    monkeypatch.setattr(parity, "cases", lambda: small_cases(parity))
    pair = kernels.fused.lrn
    for wrong in (lambda y: y * 1.01, lambda y: y * np.nan):
        broken = pair._replace(
            forward=lambda x, wrong=wrong, **how: (wrong((done := pair.forward(x, **how))[0]), done[1])
        )
        ops = importlib.import_module("dataclasses").replace(kernels.fused, lrn=broken)
        with pytest.raises(ValueError, match="beyond rounding: .*lrn"):
            parity.pairs(StandIn(), ops=ops)


def test_mixed_precision_is_compared(module):
    rows = module("gpu_parity").mixed_steps(StandIn(), OWN)
    assert [row[0] for row in rows] == ["float32", "mixed, array code", "mixed, kernels"]


def test_steps_products_and_layers_are_timed(module, monkeypatch):
    speed = module("gpu_speed")
    monkeypatch.setattr(speed, "STEPS", 1)
    monkeypatch.setattr(speed, "labels", lambda batch: np.arange(batch) % 5)
    monkeypatch.setitem(speed.PRECISIONS, "mixed", ("float32", False))  # NumPy's float16 takes minutes
    assert [row[0] for row in speed.ours(np, 2, {"array code": {}})[1:]] == [
        "float32, array code",
        "TF32, array code",
        "mixed, array code",
    ]
    assert [row[0] for row in speed.bound(np, 2)[1:]] == ["float32", "TF32", "mixed"]
    rows = speed.layers(np, 2)
    assert rows[1][0] == "conv1" and rows[-1][0] == "total" and float(rows[-1][1]) > 0


def test_the_products_are_those_of_the_network(module, monkeypatch):
    speed = module("gpu_speed")
    monkeypatch.setattr(speed, "PAPER", alexnet.build("paper"))
    multiply_adds = sum(times * rows * inner * columns for (rows, inner, columns), times in speed.products(1))
    conv1 = 55 * 55 * 11 * 11 * 3 * 96
    assert multiply_adds == 3 * 724_406_816 - conv1, "three products a layer, less conv1's input gradient"


def test_a_section_that_fails_is_told_and_the_others_go_on(module, capsys):
    gpu = module("gpu")

    def broken():
        raise RuntimeError("no\nmore")

    report = gpu.run({"bad": broken, "good": lambda: [("a", "1"), ("b",)]}, last=60)
    assert report["bad"]["failed"] == "RuntimeError: no" and report["good"]["rows"] == [("a", "1"), ("b",)]
    assert "bad: FAILED, RuntimeError: no" in capsys.readouterr().out
    assert gpu.run({"late": broken}, last=-1) == {"late": {"left out": "no time left"}}
    json.dumps(report)


def test_without_a_gpu_it_says_so(module, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert main_status(module("gpu").main, []) == 2
    assert "CuPy" in capsys.readouterr().err


def test_a_training_that_does_not_learn_is_told(module, monkeypatch):
    gpu = module("gpu")
    monkeypatch.setattr(gpu, "open_data", lambda _: type("Packed", (), {"classes": ("a", "b")}))
    monkeypatch.setattr(gpu.train, "start", lambda *_, **__: None)
    monkeypatch.setattr(gpu.train, "Trainer", lambda *_, **__: type("T", (), {"run": lambda self: {"val_top1": 0.5}})())
    with pytest.raises(RunError, match="ended at 50.0%, not 90%"):
        gpu.trained(np, "float32", {})
