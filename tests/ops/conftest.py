"""The tables of pairs that every test of this folder runs over."""

import pytest

import minialex.ops

TABLES = {"reference": minialex.ops.reference, "fast": minialex.ops.fast}


@pytest.fixture(scope="session", params=TABLES.values(), ids=TABLES.keys())
def ops(request):
    return request.param
