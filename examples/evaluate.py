"""How well do trained networks do? Their errors beside the paper's.

Top-1 and top-5 error on the validation images. Of several runs also that of
their outputs averaged, as the paper has it of five networks and of seven.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
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
from minialex.network import table
from minialex.ops import Ops
from minialex.parallel import ALONE, cores, for_backend, in_turn, on_ranks, team_of
from minialex.precision import PRECISIONS
from minialex.threads import compute_threads

# Top-1 and top-5 error in percent (section 6) by (several networks?, crops).
SEVERAL = [
    ("the paper: five CNNs, ILSVRC-2012 val, ten crops", 38.1, 16.4),
    ("the paper: seven CNNs, ILSVRC-2012 val, ten crops", 36.7, 15.4),
]
PAPER = {
    (False, 1): [("the paper: ILSVRC-2010 test, central crop", 39.0, 18.3)],
    (False, 10): [
        ("the paper: ILSVRC-2010 test, ten crops", 37.5, 17.0),
        ("the paper: ILSVRC-2012 val, ten crops", 40.7, 18.2),
    ],
    (True, 1): SEVERAL,
    (True, 10): SEVERAL,
}


@dataclass(frozen=True)
class Trained:
    """A network with what it learnt, as this machine runs it."""

    snapshot: Snapshot
    network: alexnet.Network
    layers: tuple
    ops: Ops
    batch: int
    xp: object

    def run(self, function, split, crops: int, what: str):
        """function (one of evaluate.py's) of the network and of the split's batches, under a progress bar."""
        batches = self._under_a_bar(split, crops, what)
        return function(self.layers, self.snapshot.params, self.snapshot.state, batches, ops=self.ops)

    def _under_a_bar(self, split, crops: int, what: str) -> Iterator:
        config = self.snapshot.config
        preprocessing = Preprocessing.from_config(self.snapshot.mean, config)
        how = {"size": self.network.input_shape[0], "batch": self.batch, "crops": crops}
        dtype = PRECISIONS[config["dtype"]].params
        with tqdm(total=len(split), desc=what, unit="img", leave=False, disable=None) as bar:
            for x, t in test_batches(split, preprocessing, **how, xp=self.xp, dtype=dtype):
                yield x, t
                bar.update(len(t))


def main(argv=None):
    args = arguments(argv)
    if args.parallel:
        return on_ranks(lambda ranks: run(args, ranks))
    return run(args, None)


def run(args, ranks) -> None:
    """Evaluate in this process alone, or as one of several ranks, each on its share of the images."""
    sys.stdout.reconfigure(errors="replace")  # a class may have a name that the console cannot show
    xp = get_backend(args.backend)
    team = team_of(args.parallel, ranks, xp) if ranks else ALONE
    snapshots = [checkpoint.load(checkpoint.best_of(run), xp=xp) for run in args.run]
    packed = in_turn(ranks, lambda: data_for(snapshots, args)) if ranks else data_for(snapshots, args)
    if len(packed.val) < team.size:
        raise UserError(f"there are {len(packed.val)} images for {team.size} ranks: start fewer")
    with compute_threads(args.threads or cores(ranks)) as pool:
        networks = [trained(snapshot, pool, args.batch, xp) for snapshot in snapshots]
        outputs = []
        for run_, network in zip(args.run, networks, strict=True):
            own = network.run(probabilities, team.split(packed.val), args.crops, str(run_))
            outputs.append(tuple(map(team.rows, own)))
        if team.rank == 0:
            tell(args, packed, snapshots, networks, outputs)


def tell(args, packed: Packed, snapshots: list[Snapshot], networks: list[Trained], outputs: list[tuple]) -> None:
    """Print and write what came out: of each network probabilities p (N,M), and labels t (N,)."""
    scores, t = [score(p, t) for p, t in outputs], outputs[0][1]
    p, words = sum(p for p, _ in outputs) / len(outputs), snapshots[0].config.get("words") or packed.words
    report(args, packed, snapshots, scores, score(p, t))
    if args.per_class:
        report_classes(words, p, t)
    if args.json:
        text = json.dumps(result(args, packed, scores, p, t), indent=2)
        write_atomically(args.json, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    if args.figure4:
        figures.figure4(guesses(packed.val, p), alike(networks[0], packed), words, args.figure4)
        print(f"\nFigure 4 is in {args.figure4}")


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = parser.add_argument
    option("--run", type=Path, action="append", required=True, help="a run's folder, or a checkpoint; may be repeated")
    option("--data", type=Path, metavar="DIR", help="the images, as for train_imagenet.py (else the toy set)")
    option("--crops", type=int, choices=(1, 10), default=10, help="patches an image, averaged (%(default)s)")
    option("--per-class", action="store_true", help="the errors of each class too, the worst first")
    option("--figure4", type=Path, metavar="FILE", help="Figure 4 of the paper, .png or .jpg; of the first run")
    option("--json", type=Path, metavar="FILE", help="the result as JSON")
    option("--batch", type=int, metavar="N", default=128, help="patches at a time (%(default)s)")
    option("--backend", choices=("numpy", "cupy", "auto"), default="auto", help="auto: CuPy where a GPU works")
    option("--threads", type=int, metavar="N", help=f"threads that compute ({cores()}, shared by ranks)")
    option("--parallel", choices=("data",), help="on all ranks that mpiexec starts, each a share of the images")
    args = parser.parse_args(argv)
    check(args)
    return args


def check(args) -> None:
    """Before anything is computed, which may take hours."""
    for name in ("batch", "threads"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
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
    packed = open_data(args.data, workers=args.threads or cores())
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
    """The network of a snapshot, as this machine runs it."""
    network = alexnet.from_config(snapshot.config)
    return Trained(snapshot, network, *for_backend(network.layers, xp, pool), batch, xp)


def report(args, packed: Packed, snapshots: list[Snapshot], scores: list[Score], average: Score) -> None:
    """Print a table of the runs, of their average, and of the paper."""
    crops = "ten crops averaged" if args.crops == 10 else "the central crop"
    M = len(packed.classes)
    print(f"{len(packed.val):,} images of {M} classes, {crops}{strange(snapshots, packed)}\n")
    rows = [(str(run), *errors(one), f"{one.loss:.3f}") for run, one in zip(args.run, scores, strict=True)]
    if len(scores) > 1:
        rows.append((f"the outputs of these {len(scores)}, averaged", *errors(average), f"{average.loss:.3f}"))
    rows += [(name, f"{top1}%", f"{top5}%", "") for name, top1, top5 in PAPER[len(scores) > 1, args.crops]]
    print(table([("", "top-1 error", "top-5 error", "loss"), *rows]))
    if M != 1000:
        chance = f"{1 - 1 / M:.1%} and {max(0, 1 - 5 / M):.1%}"
        print(f"\nThe paper's are on 1000 classes. Of {M}, guessing gets {chance} wrong.")


def strange(snapshots: list[Snapshot], packed: Packed) -> str:
    """A warning where a run tells which images it knows, and these are others."""
    mark = packed.index["fingerprint"]
    same = all(snapshot.config.get("images", mark) == mark for snapshot in snapshots)
    return "" if same else " (not the images that came with its training set)"


def errors(one: Score) -> tuple[str, str]:
    return f"{1 - one.top1:.1%}", f"{1 - one.top5:.1%}"


def report_classes(words, p: np.ndarray, t: np.ndarray) -> None:
    """Print the errors of each class that has images, the worst first."""
    top1, top5, images = class_errors(p, t, 1), class_errors(p, t, 5), np.bincount(t, minlength=p.shape[1])
    worst = sorted(np.flatnonzero(images), key=lambda label: (-top1[label], -top5[label]))
    rows = [(words[label], f"{images[label]:,}", f"{top1[label]:.1%}", f"{top5[label]:.1%}") for label in worst]
    print()
    print(table([("class", "images", "top-1 error", "top-5 error"), *rows]))


def result(args, packed: Packed, scores: list[Score], p: np.ndarray, t: np.ndarray) -> dict:
    """What was found, as JSON has it: errors are shares of 1."""

    def plain(one: Score) -> dict:
        return {"top1_error": 1 - one.top1, "top5_error": 1 - one.top5, "loss": one.loss}

    rest = {"images": len(t), "classes": len(packed.classes), "crops": args.crops}
    runs = [{"run": str(run)} | plain(one) for run, one in zip(args.run, scores, strict=True)]
    return rest | {"runs": runs, "average": plain(score(p, t))}


def spread(n: int, count: int) -> np.ndarray:
    """So many of n images, from all over: validation is sorted by class."""
    return np.unique(((np.arange(count) + 0.5) * n / count).astype(np.int64))


def guesses(val, p: np.ndarray) -> list[tuple]:
    """The left side of Figure 4: eight images, their labels, their probabilities."""
    chosen = spread(len(val), 8)
    return list(zip(val.images(chosen), val.labels[chosen], p[chosen], strict=True))


def alike(network: Trained, packed: Packed) -> list[tuple]:
    """The right side of Figure 4: five validation images, their labels, the six training images nearest to each."""
    val, train = packed.val, packed.train
    chosen = spread(len(val), 5)
    queries = network.xp.concatenate(list(network.run(features, Subset(val, chosen), 1, "Figure 4")))
    rows, _ = nearest(queries, network.run(features, train, 1, "Figure 4: training images"))
    found = [train.images(row) for row in to_numpy(rows)]
    return list(zip(val.images(chosen), val.labels[chosen], found, strict=True))


if __name__ == "__main__":
    sys.exit(main_status(main))
