"""ILSVRC2012's files against the md5 sums that were published."""

import pytest

from minialex.data.sources import md5, md5_report
from minialex.errors import UserError
from tests import ilsvrc
from tests.data.sources.conftest import DEVKIT, TRAIN, VAL


def test_md5_sums_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(md5, "CHUNK", 2)
    monkeypatch.setitem(md5.SUMS, TRAIN, "900150983cd24fb0d6963f7d28e17f72")  # of abc, by RFC 1321
    ilsvrc.write(tmp_path / TRAIN, b"abc")
    ilsvrc.write(tmp_path / DEVKIT, b"abc")
    assert md5_report(tmp_path) == [
        f"{TRAIN}: md5 900150983cd24fb0d6963f7d28e17f72, as published",
        f"{VAL}: not there",
        f"{DEVKIT}: md5 900150983cd24fb0d6963f7d28e17f72, but {md5.SUMS[DEVKIT]} was published: "
        "damaged, cut short, or another version",
    ]


def test_md5_sums_of_nothing(tmp_path):
    with pytest.raises(UserError, match=f"has no file whose md5 sum is known: expected {TRAIN}"):
        md5_report(tmp_path)
