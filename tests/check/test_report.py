"""What a learner reads."""

from minialex.check.report import Report, Stage

RIGHT = (Stage("imports", True), Stage("edge cases", True))


def test_all_right():
    report = Report("lrn (my.py)", RIGHT)
    assert report.ok and report.state == "right"
    assert str(report) == "lrn (my.py)\n  imports     ok\n  edge cases  ok\nall is right"


def test_a_failure_stands_under_its_stage():
    report = Report("lrn", (RIGHT[0], Stage("forward", False, ("y: FAIL 1.0e-01 -> why", "  where"))))
    assert not report.ok and report.state == "forward: y: FAIL 1.0e-01 -> why"
    assert str(report) == "lrn\n  imports  ok\n  forward  FAIL\n    y: FAIL 1.0e-01 -> why\n      where"


def test_a_note_is_no_failure():
    report = Report("lrn", RIGHT, notes=("y is float32",))
    assert report.ok
    assert str(report).splitlines()[-2:] == ["  note: y is float32", "all is right"]


def test_not_begun_is_one_line():
    report = Report("lrn", (), not_begun="lrn.py:12")
    assert not report.ok and report.state == "not begun"
    assert str(report) == "lrn: not begun (lrn.py:12)"
