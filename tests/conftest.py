"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same draws in every run, on any machine; a busy machine is no failure.
settings.register_profile("minialex", deadline=None, derandomize=True, database=None)
settings.load_profile("minialex")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real photographs: MINIALEX_TEST_DATA, or shared/data beside the project."""
    folder = Path(os.environ.get("MINIALEX_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set MINIALEX_TEST_DATA")
    return folder
