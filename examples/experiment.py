"""The paper's experiments, re-run in small: one by name, or --all of them.

Every seed of every experiment leaves one JSON file with its command, its data
and every number. --all leaves out what has its file already: stopped, it goes
on with the same command.
"""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from experiments import EXPERIMENTS, record, table

from minialex.errors import RunError, UserError, main_status
from minialex.files import write_atomically
from minialex.parallel import cores

RESULTS = Path(__file__).resolve().parent.parent / "lessons" / "results"


def main(argv=None):
    args = arguments(argv)
    if args.table:
        text = table.page(args.out, EXPERIMENTS)
        write_atomically(args.out / "README.md", lambda temporary: temporary.write_text(text, encoding="utf-8"))
    elif args.list:
        for name, experiment in EXPERIMENTS.items():
            print(f"{name:16} --{experiment.images:7} {experiment.what}")
    elif args.all:
        run_queue(args)
    else:
        run_one(args)


def run_one(args) -> None:
    """Every seed of one experiment, or the one that was asked for."""
    experiment = EXPERIMENTS[args.name]
    place = place_of(args, experiment)
    for seed in experiment.seeds if args.seed is None else (args.seed,):
        found = record.run(args.name, experiment, place, seed, quick=args.quick)
        print(record.line(args.name, found), flush=True)
        record.keep(args.out, args.name, found)


def run_queue(args) -> None:
    """What has no file yet, so many at a time, each in a process of its own."""
    queue = [(name, seed) for name, seed in in_order() if not record.path(args.out, name, seed).exists()]
    for experiment in {EXPERIMENTS[name].images: EXPERIMENTS[name] for name, _ in queue}.values():
        record.OPEN[experiment.images](place_of(args, experiment))  # prepared once, before runs want it all at a time
    commands = [command(args, name, seed) for name, seed in queue]
    print(f"{len(commands)} runs to do", flush=True)
    with ThreadPoolExecutor(args.jobs) as pool:
        try:
            failed = sum(pool.map(lambda words: subprocess.run(words).returncode != 0, commands))
        except KeyboardInterrupt:  # the runs under way get it, too
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failed:
        raise RunError(f"{failed} of {len(commands)} runs ended early: what they said stands above")


def in_order() -> list[tuple[str, int]]:
    """The first seed of every experiment before the second of any: a queue that is stopped early has told the most."""
    everything = [(name, seed, place) for name, one in EXPERIMENTS.items() for place, seed in enumerate(one.seeds)]
    return [(name, seed) for name, seed, _ in sorted(everything, key=lambda each: each[2])]


def command(args, name: str, seed: int) -> list[str]:
    """The words that run one seed of one experiment."""
    experiment = EXPERIMENTS[name]
    place = ["--" + experiment.images, place_of(args, experiment)]
    quick = ["--quick"] if args.quick else []
    return [sys.executable, __file__, name, *place, "--seed", str(seed), "--out", str(args.out), *quick]


def place_of(args, experiment) -> str:
    """Where the images are that an experiment needs; UserError where the user has not said."""
    place = getattr(args, experiment.images)
    if place is None:
        raise UserError(f"--{experiment.images} PATH is missing: where the images are")
    return place


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", choices=EXPERIMENTS, metavar="NAME", help="of one experiment: see --list")
    which.add_argument("--all", action="store_true", help="every experiment and seed that has no file yet")
    which.add_argument("--list", action="store_true", help="tell the names and what each changes")
    which.add_argument("--table", action="store_true", help="write README.md, of all results so far, beside them")
    parser.add_argument("--cifar", metavar="PATH", help="CIFAR-10: its archive or folder, or an .npz of its images")
    parser.add_argument("--photos", metavar="PATH", help="photographs in train/CLASS/ and val/CLASS/ of a folder")
    parser.add_argument("--seed", type=int, help="one seed alone (default: all that the experiment has)")
    parser.add_argument("--quick", action="store_true", help="a form of seconds, which tells nothing but that it runs")
    parser.add_argument("--jobs", type=int, default=cores(), help="of --all, runs at a time (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the results there (default: lessons/results)")
    args = parser.parse_args(argv)
    if args.jobs < 1:
        parser.error("--jobs must be at least 1")
    if args.out is None:
        if args.quick:
            parser.error("--quick needs --out DIR: what it finds is no result for the lessons")
        args.out = RESULTS
    return args


if __name__ == "__main__":
    sys.exit(main_status(main))
