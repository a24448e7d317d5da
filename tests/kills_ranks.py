"""Kill one rank of a run in the midst of its steps, let the same command go on, compare with a run without kills.

    python tests/kills_ranks.py --kills 20
    python tests/kills_ranks.py --kills 20 --parallel towers --ranks 2

Which rank, and when, is random. After each kill all other processes of the run have to end within seconds, one line of
the output has to name the rank, and every checkpoint has to be whole. The finished run has to be the one without kills,
byte for byte. Exit status 1 if any of that fails.
"""

import argparse
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import photos
from content import differing, parts_of

from minialex import checkpoint

ROOT = Path(__file__).resolve().parent.parent
SMALL = "--backend numpy --width 0.0625 --batch 9 --epochs 2 --classes 2 --workers 1 --threads 1 --lr 0.01".split()
LIMIT = 60  # seconds after which a run hangs
SOON = 5  # seconds in which all ranks have to end


@dataclass
class Run:
    """A command on several ranks, in a folder of its own."""

    data: Path
    folder: Path
    ranks: int
    kind: str
    pids: Path = field(init=False)

    def start(self) -> subprocess.Popen:
        self.pids = Path(tempfile.mkdtemp(dir=self.folder.parent))
        program = [sys.executable, ROOT / "tests" / "one_rank.py", self.pids, ROOT / "examples" / "train_imagenet.py"]
        how = ["--data", self.data, "--out", self.folder, "--parallel", self.kind, "--variant", "paper", *SMALL]
        how += ["--resume"] if checkpoint.latest(self.folder / "checkpoints") else []
        command = [str(part) for part in ("mpiexec", "-n", self.ranks, *program, *how)]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, env=environment, **pipes)

    def victims(self, process: subprocess.Popen) -> list[int]:
        """The process numbers of all ranks, once all are in a step; none where it ends without one."""
        while len(list(self.pids.iterdir())) < self.ranks:
            if process.poll() is not None:
                return []
            time.sleep(0.01)
        return [int(_filled(self.pids / str(rank))) for rank in range(self.ranks)]

    def content(self) -> dict[str, bytes]:
        found = {}
        for path in self.folder.glob("checkpoints/*"):
            found |= {f"{path.name}/{name}": data for name, data in parts_of(path)}
        return found


def _filled(path: Path) -> str:
    while not (text := path.read_text()):
        time.sleep(0.01)
    return text


def finish(run: Run) -> float:
    """Let a run come to its end; the seconds from its first step to its last."""
    process = run.start()
    run.victims(process)
    began = time.time()
    output, _ = process.communicate(timeout=LIMIT)
    if process.returncode:
        raise SystemExit(f"{output}the command failed with status {process.returncode}")
    return max([began, *(path.stat().st_mtime for path in run.pids.iterdir())]) - began


def kill_one(run: Run, rank: int, seconds: float, seen: Counter) -> bool:
    """Kill a rank so long after its first step began; whether it was still at work."""
    process = run.start()
    pids = run.victims(process)
    time.sleep(seconds)
    if process.poll() is not None:
        process.communicate()
        return False
    os.kill(pids[rank], signal.SIGKILL)
    killed = time.monotonic()
    output, _ = process.communicate(timeout=LIMIT)
    if "done: " in output:  # it had come to its end
        return False
    seen["slowest, ms"] = max(seen["slowest, ms"], round(1000 * (time.monotonic() - killed)))
    seen["kills"] += 1
    seen["outlived"] += sum(map(alive_after_a_while, pids))
    lines = [line for line in output.splitlines() if line.startswith("failed: ")]
    told = len(lines) == 1 and re.match(rf"failed: rank {rank} of {run.ranks} \(process {pids[rank]} ", lines[0])
    if not told:
        seen["not told"] += 1
        print(output, flush=True)
    return True


def alive_after_a_while(pid: int) -> bool:
    end = time.monotonic() + SOON
    try:
        while time.monotonic() < end:
            os.kill(pid, 0)
            time.sleep(0.01)
    except ProcessLookupError:
        return False
    return True


def broken(run: Run) -> int:
    """How many checkpoints in a run's folder are not whole."""
    count = 0
    for path in run.folder.glob("checkpoints/[!.]*"):
        try:
            checkpoint.load(path, xp=np)
        except Exception as error:
            print(f"{path}: {error}")
            count += 1
    return count


def check(parent: Path, args) -> bool:
    data = photos.draw(parent / "photos")
    whole = Run(data, parent / "whole", args.ranks, args.parallel)
    finish(whole)  # the first prepares the images
    shutil.rmtree(whole.folder)
    seconds, expected = finish(whole), whole.content()
    rng, seen = random.Random(args.seed), Counter()
    for number in itertools.count():
        run = Run(data, parent / f"run-{number}", args.ranks, args.parallel)
        while seen["kills"] < args.kills and kill_one(run, rng.randrange(args.ranks), rng.uniform(0, seconds), seen):
            seen["broken"] += broken(run)
        if not run.folder.exists() or not finished(run, whole):
            finish(run)
        seen["runs"] += 1
        seen["differing"] += differing(run.content(), expected)
        if seen["kills"] == args.kills:
            break
    print(
        f"{args.ranks} ranks ({args.parallel}): {seen['kills']} kills of a rank at 0 to {seconds:.1f} s; all ended "
        f"within {seen['slowest, ms']} ms, {seen['outlived']} outlived it, {seen['not told']} without one line that "
        f"names the rank; {seen['broken']} checkpoints broken, {seen['differing']} bytes differ in {seen['runs']} "
        "finished runs",
        flush=True,
    )
    return not any(seen[what] for what in ("outlived", "not told", "broken", "differing"))


def finished(run: Run, whole: Run) -> bool:
    return checkpoint.latest(run.folder / "checkpoints").name == checkpoint.latest(whole.folder / "checkpoints").name


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5, metavar="N", help="(%(default)s)")
    parser.add_argument("--ranks", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument("--parallel", choices=("data", "towers"), default="data", help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides ranks and moments (%(default)s)")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["MINIALEX_CACHE"] = str(Path(scratch) / "cache")
        return 0 if check(Path(scratch), args) else 1


if __name__ == "__main__":
    sys.exit(main())
