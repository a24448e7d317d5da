"""How well do trained networks do? Their top-1 and top-5 error on the validation images, beside the paper's.

Of several runs also what the average of their outputs gets wrong, as the
paper has it of five networks and of seven.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from minialex import alexnet, checkpoint, figures
from minialex.backend import get_backend, to_numpy
from minialex.checkpoint import Snapshot
from minialex.data.batches import test_batches
from minialex.data.packed import Packed, Subset
from minialex.data.prepare import open_data
from minialex.data.preprocess import Preprocessing
from minialex.errors import UserError, main_status
from minialex.evaluate import Score, class_errors, features, nearest, probabilities, score
from minialex.files import write_atomically
from minialex.parallel import by_image_chunks

# Top-1 and top-5 error in percent: section 6 of the paper, and its Table 2.
ONE = {
    10: [("the paper: ILSVRC-2010 test, ten crops", 37.5, 17.0), ("the paper: ILSVRC-2012 val, ten crops", 40.7, 18.2)],
    1: [("the paper: ILSVRC-2010 test, one crop", 39.0, 18.3)],
}
SEVERAL = [
    ("the paper: five CNNs, ILSVRC-2012 val, ten crops", 38.1, 16.4),
    ("the paper: seven CNNs, ILSVRC-2012 val, ten crops", 36.7, 15.4),
]


@dataclass(frozen=True)
class Trained:
    """A network with what it learnt, as this machine runs it."""

    snapshot: Snapshot
    network: alexnet.Network
    layers: tuple
    batch: int
    xp: object

    def run(self, function, split, crops: int, what: str):
        """function (one of evaluate.py's) of the network and of the split's batches, under a progress bar."""
        batches = self._under_a_bar(split, crops, what)
        return function(self.layers, self.snapshot.params, self.snapshot.state, batches)

    def _under_a_bar(self, split, crops: int, what: str) -> Iterator:
        config = self.snapshot.config
        preprocessing = Preprocessing.from_config(self.snapshot.mean, config)
        how = {"size": self.network.input_shape[0], "batch": self.batch, "crops": crops}
        with tqdm(total=len(split), desc=what, unit="img", leave=False, disable=None) as bar:
            for x, t in test_batches(split, preprocessing, **how, xp=self.xp, dtype=config["dtype"]):
                yield x, t
                bar.update(len(t))


def main(argv=None):
    args = arguments(argv)
    sys.stdout.reconfigure(errors="replace")  # a class may have a name that the console cannot show
    xp = get_backend(args.backend)
    snapshots = [checkpoint.load(checkpoint.best_of(run), xp=xp) for run in args.run]
    packed = data_for(snapshots, args)
    with ThreadPoolExecutor(args.threads) as pool, threadpool_limits(args.threads):
        networks = [trained(snapshot, pool, args.batch, xp) for snapshot in snapshots]
        scores, total = [], 0
        for run, network in zip(args.run, networks, strict=True):
            p, t = network.run(probabilities, packed.val, args.crops, str(run))
            scores.append(score(p, t))
            total = total + p
        p = total / len(networks)
        report(args, packed, scores, p, t)
        if args.figure4:
            words = snapshots[0].config.get("words") or packed.classes
            figures.figure4(guesses(packed, p), alike(networks[0], packed), words, args.figure4)
            print(f"Figure 4 is in {args.figure4}")


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = os.cpu_count() or 1
    option = parser.add_argument
    option("--run", type=Path, action="append", required=True, help="a run's folder, or a checkpoint; may be repeated")
    option("--data", type=Path, metavar="DIR", help="the images, as for train_imagenet.py; not for the toy set")
    option("--crops", type=int, choices=(1, 10), default=10, help="patches an image, averaged (%(default)s)")
    option("--per-class", action="store_true", help="the errors of each class too, the worst first")
    option("--figure4", type=Path, metavar="FILE", help="draw Figure 4 of the paper (.png or .jpg), of the first run")
    option("--json", type=Path, metavar="FILE", help="write the result there too")
    option("--batch", type=int, metavar="N", default=128, help="patches at a time (%(default)s)")
    option("--backend", choices=("numpy", "cupy", "auto"), default="auto", help="auto: CuPy where a GPU works")
    option("--threads", type=int, metavar="N", default=cores, help="threads that compute (%(default)s)")
    args = parser.parse_args(argv)
    check(args)
    return args


def check(args) -> None:
    """Before anything is computed, which may take hours."""
    for name in ("batch", "threads"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} is {getattr(args, name)}: it needs to be 1 or above")
    for name in ("figure4", "json"):
        path = getattr(args, name)
        if path and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise UserError(f"--{name} {path}: name a file, in a folder that there is")
    if args.figure4 and args.figure4.suffix.lower() not in (".png", ".jpg"):
        raise UserError(f"--figure4 {args.figure4}: its name needs to end in .png or .jpg")


def data_for(snapshots: list[Snapshot], args) -> Packed:
    """The data of the command line, or the toy set of runs on it, where its classes are those of every run."""
    first = tuple(snapshots[0].config["classes"])
    for run, snapshot in zip(args.run, snapshots, strict=True):
        if tuple(snapshot.config["classes"]) != first:
            raise UserError(f"{run} has other classes than {args.run[0]}: outputs of the same ones can be averaged")
    names = {snapshot.config.get("data") for snapshot in snapshots}
    if args.data is None and names != {"toy"}:
        raise UserError(f"{args.run[0]} was not trained on the toy set: name the folder of its images with --data")
    packed = open_data(args.data, workers=args.threads)
    if packed.classes[: len(first)] != first:
        raise UserError(f"{args.run[0]} has other classes than {args.data or 'the toy set'}: {differ(first, packed)}")
    packed = packed.first_classes(len(first)) if len(first) < len(packed.classes) else packed
    if not len(packed.val):
        raise UserError(f"{args.data} has no validation images of the run's classes")
    return packed


def differ(classes: tuple, packed: Packed) -> str:
    """The first class that differs, in words."""
    pairs = zip(classes, (*packed.classes, *[None] * len(classes)), strict=False)
    label, (mine, its) = next((label, pair) for label, pair in enumerate(pairs) if pair[0] != pair[1])
    return f"class {label} is {mine}, not {its}" if its else f"it has {len(packed.classes)}, not {len(classes)}"


def trained(snapshot: Snapshot, pool: ThreadPoolExecutor, batch: int, xp) -> Trained:
    """The network of a snapshot: on a CPU, with its layers in chunks for the threads."""
    config = snapshot.config
    network = alexnet.build(config["variant"], classes=len(config["classes"]), width=config["width"])
    layers = by_image_chunks(network.layers, pool) if xp is np else network.layers
    return Trained(snapshot, network, layers, batch, xp)


def report(args, packed: Packed, scores: list[Score], p: np.ndarray, t: np.ndarray) -> None:
    """Print the table, the errors of each class where they are asked for, and write the result."""
    average = score(p, t)
    rows = [(str(run), *errors(one)) for run, one in zip(args.run, scores, strict=True)]
    rows += [(f"their outputs averaged, {len(scores)} runs", *errors(average))] if len(scores) > 1 else []
    rows += [(name, top1 / 100, top5 / 100, math.nan) for name, top1, top5 in paper(len(scores), args.crops)]
    crops = "ten crops averaged" if args.crops == 10 else "the central crop"
    M = len(packed.classes)
    print(f"{len(t):,} images of {M} classes, {crops}\n")
    print_table("", rows)
    if M != 1000:
        print(f"\nThe paper's are on 1000 classes; of {M}, guessing gets {1 - 1 / M:.1%} and {max(0, 1 - 5 / M):.1%} wrong.")
...
