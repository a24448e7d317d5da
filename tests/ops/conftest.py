"""The tables of pairs that every test of this folder runs over, each where it differs from the first."""

import numpy as np
import pytest

from minialex import kernels
from minialex.backend import to_numpy
from minialex.ops import Ops, Pair, fast, reference
from tests.emulation.raw_module import missing
from tests.strict_cupy import StandIn

TABLES = {"reference": reference, "fast": fast, "fused": kernels.fused}
PAIRS = {  # what a test file is about, where its name does not say it
    "pool": ["max_pool"],
    "softmax": ["softmax_cross_entropy"],
    "activations": ["relu", "tanh"],
}


def pytest_generate_tests(metafunc):
    if "ops" in metafunc.fixturenames:
        tested = metafunc.module.__name__.rpartition("test_")[2]
        names = [name for name, table in TABLES.items() if name == "reference" or differs(table, tested)]
        metafunc.parametrize("ops", names, indirect=True, scope="session")


def differs(table, tested):
    return any(getattr(table, name) is not getattr(reference, name) for name in PAIRS.get(tested, [tested]))


@pytest.fixture(scope="session")
def ops(request):
    if request.param != "fused":
        return TABLES[request.param]
    if missing():
        pytest.skip(missing())
    xp = StandIn()
    return Ops(**{name: emulated(xp, pair) for name, pair in vars(kernels.fused).items()})


def emulated(xp, pair):
    """A pair for the GPU as one of NumPy arrays, which go to the stand-in and come back."""

    def forward(*arrays, **kwargs):
        y, cache = pair.forward(*(upload(xp, a) for a in arrays), **{k: upload(xp, v) for k, v in kwargs.items()})
        return to_numpy(y), cache

    def backward(dy, cache, **kwargs):
        grads = pair.backward(upload(xp, dy), cache, **kwargs)
        return tuple(to_numpy(grad) for grad in grads) if isinstance(grads, tuple) else to_numpy(grads)

    return Pair(forward, backward)


def upload(xp, value):
    return xp.asarray(value) if isinstance(value, np.ndarray) else value
