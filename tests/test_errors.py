import signal
import subprocess
import sys

import pytest

from minialex.errors import RunError, Stopped, UserError, main_status, one_line


def raising(error):
    def main(argv):
        raise error

    return main


@pytest.mark.parametrize(
    "error, status, line",
    [
        (UserError("no such folder: x"), 2, "error: no such folder: x\n"),
        (RunError("loss is NaN in conv1"), 1, "failed: loss is NaN in conv1\n"),
        (MemoryError("Unable to allocate 2 TiB"), 1, "failed: out of memory (Unable to allocate 2 TiB)\n"),
        (PermissionError(13, "Permission denied", "run/x"), 2, "error: run/x cannot be reached: Permission denied\n"),
        (Stopped(signal.SIGINT, "stopped and saved"), 130, "stopped and saved\n"),
        (Stopped(signal.SIGTERM, "stopped and saved"), 143, "stopped and saved\n"),
    ],
)
def test_each_end_becomes_one_line_on_stderr_and_a_status(capsys, error, status, line):
    assert main_status(raising(error)) == status
    out, err = capsys.readouterr()
    assert (out, err) == ("", line)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\n the first\nthe second"), "the first"),
        (ValueError(), "ValueError"),
        (PermissionError(13, "Permission denied", "a/file"), "Permission denied"),
        (OSError("it ends early"), "it ends early"),
    ],
)
def test_what_an_error_says_is_one_line(error, line):
    assert one_line(error) == line


def test_ctrl_c():
    assert main_status(raising(KeyboardInterrupt())) == 130


def test_a_reader_that_has_gone_is_no_traceback():
    program = "import sys\nfrom minialex.errors import main_status\n"
    program += "def main(argv):\n for n in range(9999): print('a line')\nsys.exit(main_status(main))"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 1)
    process.stderr.close()


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_output_into_a_full_disk_is_no_traceback():
    program = "import sys\nfrom minialex.errors import main_status\n"
    program += "sys.exit(main_status(lambda argv: print('a line', flush=True)))"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.stderr, done.returncode) == ("failed: cannot write the output: No space left on device\n", 1)


def test_anything_else_is_a_bug_and_keeps_its_traceback():
    for error in (ZeroDivisionError(), FileNotFoundError(2, "No such file")):
        with pytest.raises(type(error)):
            main_status(raising(error))


@pytest.mark.parametrize("returned, status", [(None, 0), (0, 0), (3, 3)])
def test_arguments_go_in_and_the_status_comes_out(returned, status):
    seen = []

    def main(argv):
        seen.append(argv)
        return returned

    assert main_status(main, ["--fast"]) == status
    assert seen == [["--fast"]]


def test_another_may_say_it(capsys):
    said = []
    assert main_status(raising(UserError("no such folder")), say=said.append) == 2
    assert said == ["error: no such folder"] and capsys.readouterr().err == ""
