"""Kill preparation and training, let the same command go on, and compare with a run that nothing interrupted.

    python tests/kills.py --kills 50     at random moments, spread over the time that a whole run takes
    python tests/kills.py --touches 1    at every single moment: before each touch of a file in the folder

A killed command is started again in the same folder, and may be killed again, until it has come to its end. Then each
file of the packed folder, and each tensor and record of the run, has to be the uninterrupted one's, byte for byte.
Exit status 1 if a byte differs, or if a process outlives the one that was killed.
"""

import argparse
import itertools
import json
import os
import random
import runpy
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is there: a process with threads cannot be forked

if __name__ == "__main__":  # the worker processes of preparation import this file too, and need none of it
    import photos
    from content import differing, parts_of

    from minialex import checkpoint, train
    from minialex.data import prepare
    from minialex.errors import main_status
    from minialex.files import LOCK

ROOT = Path(__file__).resolve().parent.parent
SMALL = "--backend numpy --variant bn --width 0.0625 --batch 9 --epochs 2 --workers 1 --threads 1".split()
TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir"}  # of Python's audit events
GRACE = 5  # seconds for the workers of a killed process to notice


@dataclass(frozen=True)
class Command:
    """What is killed: run(folder) does its work there, or goes on with it; content(folder) is what counts of it."""

    name: str
    run: Callable[[Path], int]
    content: Callable[[Path], dict[str, bytes]]


def preparation(source: Path, workers: int) -> Command:
    def run(folder):
        main = runpy.run_path(str(ROOT / "examples" / "prepare_imagenet.py"))["main"]
        return main_status(main, [str(source), str(folder), "--workers", str(workers)])

    def content(folder):
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != LOCK}

    return Command(f"preparation by {workers}", run, content)


def training(packed: Path) -> Command:
    main = runpy.run_path(str(ROOT / "examples" / "train_imagenet.py"))["main"]

    def run(folder):
        resume = ["--resume"] if checkpoint.latest(folder / "checkpoints") else []
        return main_status(main, ["--data", str(packed), "--out", str(folder), *SMALL, *resume])

    def content(folder):
        names = (path.name for path in folder.rglob("*.*"))
        found = {"names": json.dumps(sorted(names)).encode()}
        for path in folder.glob("checkpoints/*"):
            found |= {f"{path.name}/{name}": data for name, data in parts_of(path)}
        return found | {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".png", ".txt")}

    return Command("training", run, content)


# Killing


def start(command: Command, folder: Path, prelude: Callable[[], None] = lambda: None) -> int:
    """Start the command in a process group of its own; returns its number. A fork: nothing is imported anew.

    What it and its workers print goes into a file beside the folder.
    """
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        os.setsid()
        log = os.open(log_of(folder), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, sys.stdout.fileno())
        os.dup2(log, sys.stderr.fileno())
        prelude()
        status = command.run(folder)
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def log_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.log")


def kill_after(seconds: float, child: int, folder: Path) -> bool:
    """Kill the process when so much time has passed; whether it was still at work."""
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)  # one that has ended waits for us, and this does nothing to it
    return was_killed(child, folder)


def was_killed(child: int, folder: Path) -> bool:
    """Wait for the process to end; False where it came to its end itself, and well."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"{log_of(folder).read_text()}the command failed with status {status}")
    return status != 0


def outlived(child: int) -> int:
    """1 if a process of the dead one's group lives on after some seconds, else 0; then it is ended."""
    end = time.monotonic() + GRACE
    try:
        while time.monotonic() < end:
            os.killpg(child, 0)
            time.sleep(0.01)
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1


def die_before(touch: int, folder: Path) -> None:
    """From now on, this process kills itself before it touches a file in `folder` for the so-manieth time from 0.

    What it was writing until then is left half written.
    """
    count, written = itertools.count(), None

    def hook(event, arguments):
        nonlocal written
        if event not in TOUCHES or not str(arguments[0]).startswith(str(folder)):
            return
        if next(count) == touch:
            if written == arguments[0]:
                os.truncate(written, os.path.getsize(written) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        path, mode, *_ = arguments
        written = path if event == "open" and "w" in (mode or "") else None

    sys.addaudithook(hook)


# Comparing


def at_random(command: Command, whole: Path, seconds: float, kills: int, seed: int) -> Counter:
    """Kill it so many times at moments of 0 to `seconds`; what came of it."""
    rng, seen, expected = random.Random(seed), Counter(), command.content(whole)
    for number in itertools.count(1):
        folder = whole.with_name(f"{command.name}-{number}")
        while seen["kills"] < kills:
            child = start(command, folder)
            if not kill_after(rng.uniform(0, seconds), child, folder):
                seen["too late"] += 1  # it had come to its end
                break
            seen["kills"] += 1
            seen["outlived"] += outlived(child)
        finish(command, folder, expected, seen)
        if seen["kills"] == kills:
            return seen


def at_touches(command: Command, whole: Path, stride: int) -> Counter:
    """Kill it before its first touch of a file, and anew before each `stride`-th one after that; what came of it."""
    seen, expected = Counter(), command.content(whole)
    for touch in itertools.count(0, stride):
        folder = whole.with_name(f"{command.name}-{touch}")
        child = start(command, folder, lambda touch=touch, folder=folder: die_before(touch, folder))
        if not was_killed(child, folder):
            return seen
        seen["kills"] += 1
        seen["outlived"] += outlived(child)
        finish(command, folder, expected, seen)


def finish(command: Command, folder: Path, expected: dict[str, bytes], seen: Counter) -> None:
    """Let the command come to its end and compare."""
    was_killed(start(command, folder), folder)
    seen["runs"] += 1
    seen["bytes"] += sum(map(len, expected.values()))
    seen["differing"] += differing(command.content(folder), expected)
    shutil.rmtree(folder)


def check(command: Command, parent: Path, args) -> bool:
    """One whole run, then those that are killed; prints a line, and says whether all was well."""
    whole, began = parent / f"{command.name}-whole", time.monotonic()
    was_killed(start(command, whole), whole)
    seconds = time.monotonic() - began
    if args.touches:
        seen, how = at_touches(command, whole, args.touches), f"one for every {args.touches} touches of a file"
    else:
        seen = at_random(command, whole, seconds, args.kills, args.seed)
        how = f"at 0 to {seconds:.1f} s ({seen['too late']} more came after its end and do not count)"
    print(
        f"{command.name}: {seen['kills']} kills while it was alive, {how}; {seen['outlived']} left a process behind; "
        f"{seen['differing']} of {seen['bytes']:,} bytes differ in {seen['runs']} finished runs",
        flush=True,
    )
    return not seen["differing"] and not seen["outlived"]


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5, metavar="N", help="kills of each command (%(default)s)")
    parser.add_argument("--touches", type=int, metavar="N", help="instead: one kill before each N-th touch of a file")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides the moments (%(default)s)")
    args = parser.parse_args(argv)
    os.fsync = lambda handle: None  # slow, and of use only where the machine itself dies
    prepare.SHARD = 4  # images: many files
    prepare.FEW = 0  # images that it would do without worker processes
    train.SAVE_EVERY = -1  # seconds: a checkpoint after each step
    with tempfile.TemporaryDirectory() as scratch:
        parent = Path(scratch)
        source = photos.draw(parent / "photos")
        well = [check(preparation(source, workers), parent, args) for workers in (1, 2)]
        well += [check(training(parent / "preparation by 1-whole"), parent, args)]
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
