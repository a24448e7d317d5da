"""Items can be sent to a worker process, and notice a file that changed under them."""

import pickle

import pytest

from minialex.data.sources import open_source
from tests.data.sources.conftest import make_tar


def test_items_survive_pickling(folder, tmp_path):
    for source in (open_source(folder), open_source(make_tar(tmp_path / "photos.tar", folder))):
        item = source.splits["train"][3]
        assert pickle.loads(pickle.dumps(item)) == item
        assert pickle.loads(pickle.dumps(item)).read() == item.read()


def test_a_tar_that_became_shorter_is_an_error(folder, tmp_path):
    path = make_tar(tmp_path / "photos.tar", folder)
    item = open_source(path).splits["val"][-1]
    path.write_bytes(path.read_bytes()[: item.offset + 2])
    with pytest.raises(OSError, match="ends inside val/dog/0.png"):
        item.read()
