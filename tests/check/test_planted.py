"""Every known mistake, planted as a learner would make it, is named; nothing right is called wrong."""

import pytest

from minialex.check import check_exercise
from tests.check.planted import PLANTED


@pytest.mark.parametrize("planted", PLANTED, ids=lambda p: f"{p.exercise}: {p.says}")
def test_a_planted_mistake_is_named(planted):
    namespace = {"__name__": planted.base}
    exec(compile(planted.source(), planted.path.name, "exec"), namespace)
    report = check_exercise(planted.exercise, namespace)
    assert not report.ok
    assert planted.says in str(report)
