"""What is worked out for GPUs: it holds together, and its constants are the network's."""

import importlib
from pathlib import Path

import pytest

from minialex import alexnet, network
from minialex.backend import get_backend
from minialex.rng import INIT, generator

FOLDER = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture
def parallel(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("parallel")


def test_the_bytes_are_those_of_the_paper(parallel):
    net = alexnet.build("paper")
    params, _ = network.init(net.layers, net.input_shape, generator(0, INIT), xp=get_backend("numpy"))
    assert sum(value.nbytes for name, value in params.items() if name.startswith("conv")) == parallel.CONV
    assert sum(value.nbytes for name, value in params.items() if name.startswith("fc")) == parallel.FC
    assert parallel.TOWERS == 244_688


def test_a_gpu_alone_waits_for_nobody(parallel):
    one = parallel.LINKS[0]
    assert one.sum_time(1e9) == 0 and parallel.step_time(one, 128) == parallel.compute_time(128) == pytest.approx(
        3.6e-3
    )


def test_a_sum_is_hidden_behind_the_convolutions_as_far_as_they_take(parallel):
    slow = parallel.Link("slow", 2, inside=1e9)
    waited = [parallel.step_time(slow, images) - parallel.compute_time(images) for images in (1, 128, 100_000)]
    assert waited[0] > waited[1] > waited[2] == pytest.approx(slow.sum_time(parallel.CONV))


def test_machines_add_their_own_ring(parallel):
    link = parallel.Link("two of four", 4, 2, inside=100e9, between=10e9)
    assert link.sum_time(1e9) == pytest.approx(2 * 3 / 4 / 100 + 2 * 1 / 2 / 10)


def test_it_is_printed_without_mpi(parallel, capsys):
    assert parallel.main(["--model"]) is None
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(parallel.LINKS) + 2 and "two towers" in lines[-1]
