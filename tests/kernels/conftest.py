"""The emulated GPU."""

import pytest

from tests.emulation.raw_module import missing
from tests.strict_cupy import StandIn


@pytest.fixture
def xp():
    if missing():
        pytest.skip(missing())
    return StandIn()
