"""Train AlexNet: on the toy set, or with --data on a folder of photographs.

Ctrl-C finishes the step and saves; the same command with --resume --out DIR
goes on, bit for bit as if nothing had happened.
"""

import argparse
import itertools
import math
import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from minialex import alexnet, train
from minialex.backend import get_backend
from minialex.data.packed import Packed
from minialex.data.prepare import open_data
from minialex.errors import UserError, main_status
from minialex.files import alone_in
from minialex.parallel import by_image_chunks
from minialex.recipes import RECIPES, recipe_for

DATA_HELP = """a folder (or .tar) with train/CLASS/ and val/CLASS/ of images, prepared once into a cache, or a folder
prepared before; without it, the toy set that minialex draws"""

RESUME_HELP = """go on with the run in --out from its newest checkpoint; or, where that one is damaged, from the last good
one"""


def main(argv=None):
    args = arguments(argv)
    if args.out:
        check_out(args.out, args.resume)  # before anything is prepared, which may take hours
    warnings.filterwarnings("ignore", "overflow|invalid value|divide by zero", RuntimeWarning)  # the loss tells
    xp = get_backend(args.backend)
    packed = open_data(args.data, workers=args.workers)
    packed = packed.first_classes(args.classes) if args.classes else packed
    config = configure(args, packed)
    folder = args.out or new_folder(Path("runs"), f"{config.data}-{config.variant}")
    with alone_in(folder), ThreadPoolExecutor(args.threads) as pool, threadpool_limits(args.threads):
        snapshot = first_snapshot(args, config, packed, folder, xp)
        layers = config.network().layers
        if xp is np:
            layers = by_image_chunks(layers, pool)
        print(f"{introduction(config, packed, xp, args.threads)}; everything goes to {folder}", flush=True)
        record = train.Trainer(config, packed, snapshot, layers, folder, xp).run()
    print(f"done: top-1 {record['val_top1']:.1%}, top-5 {record['val_top5']:.1%} on {len(packed.val):,} images")
    print(f"look at {folder / 'curves.png'} and {folder / 'conv1.png'}; checkpoints are in {folder / 'checkpoints'}")


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = os.cpu_count() or 1
    data = parser.add_argument_group("data")
    data.add_argument("--data", type=Path, metavar="DIR", help=DATA_HELP)
    data.add_argument("--classes", type=int, metavar="N", help="the first N classes of the data alone")
    net = parser.add_argument_group("network")
    net.add_argument(
        "--variant", choices=alexnet.VARIANTS, default="code2012", help="which AlexNet (default: %(default)s)"
    )
    net.add_argument("--width", type=float, metavar="F", help="factor on every hidden layer (1; toy set 0.25)")
    how = parser.add_argument_group("training (what is not given is the recipe's)")
    how.add_argument("--epochs", type=int, metavar="N", help="passes over the training images")
    how.add_argument("--batch", type=int, metavar="N", help="images in a step")
    how.add_argument("--lr", type=float, metavar="R", help="first learning rate, of weights and biases")
    how.add_argument(
        "--seed", type=int, metavar="N", default=0, help="decides weights, order, crops and dropout (%(default)s)"
    )
    how.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="numbers it computes with (%(default)s)"
    )
    where = parser.add_argument_group("machine and files")
    where.add_argument(
        "--backend", choices=("numpy", "cupy", "auto"), default="auto", help="auto: CuPy where a GPU works, else NumPy"
    )
    where.add_argument("--workers", type=int, metavar="N", default=cores, help="processes that decode (%(default)s)")
    where.add_argument("--threads", type=int, metavar="N", default=cores, help="threads that compute (%(default)s)")
    where.add_argument("--out", type=Path, metavar="DIR", help="folder of the run; without it, a new one in runs/")
    where.add_argument("--resume", choices=("newest", "last-good"), nargs="?", const="newest", help=RESUME_HELP)
    args = parser.parse_args(argv)
    check(args)
    return args


def check(args) -> None:
    for name in ("classes", "workers", "width", "epochs", "batch", "lr", "threads"):
        value = getattr(args, name)
        if value is not None and not 0 < value < math.inf:
            raise UserError(f"--{name} is {value}: it needs to be above 0, and finite")
    if args.seed < 0:
        raise UserError(f"--seed is {args.seed}: it needs to be 0 or above")
    if args.resume and not args.out:
        raise UserError("--resume needs --out, the folder of the run to go on with")


def check_out(folder: Path, resume) -> None:
    begun = any((folder / "checkpoints").glob("*.safetensors"))
    if begun and not resume:
        raise UserError(f"{folder} holds a run already: go on with --resume, or choose another --out")
    if resume and not begun:
        raise UserError(f"{folder} has no checkpoint to resume from: start without --resume")


def configure(args, packed: Packed) -> train.Config:
    """The recipe for so many classes, with what the command line changed."""
    recipe = RECIPES[recipe_for(len(packed.classes)) if args.data else "toy"]
    changed = {"epochs": args.epochs, "batch": args.batch, "rate": args.lr, "bias_rate": args.lr}
    recipe = replace(recipe, **{name: value for name, value in changed.items() if value is not None})
    name = args.data.resolve().name.removesuffix(".tar") if args.data else "toy"
    if len(packed.classes) < 2 or not len(packed.val):
        raise UserError(f"{name} needs two classes, and images of them in val/: it has {packed.classes}")
    images = packed.index["fingerprint"]
    width = args.width or (1.0 if args.data else 0.25)
    return train.Config(name, args.variant, width, packed.classes, recipe, args.seed, args.dtype, images)


def first_snapshot(args, config, packed, folder, xp):
    """Where training begins: the start, or a checkpoint of the run in `folder`, which is ours alone by now."""
    check_out(folder, args.resume)  # another may have begun and ended there in the meantime
    if args.resume:
        return train.resume(config, folder, xp=xp, last_good=args.resume == "last-good")
    return train.start(config, packed, xp=xp)


def introduction(config, packed, xp, threads) -> str:
    images, classes = len(packed.train), len(packed.classes)
    machine = f"NumPy, {threads} threads" if xp is np else "CuPy"
    return f"{config.variant} at width {config.width}, {images:,} images of {classes} classes, on {machine}"


def new_folder(parent: Path, name: str) -> Path:
    """parent/name-1, or the first number that is not taken."""
    return next(path for n in itertools.count(1) if not (path := parent / f"{name}-{n}").exists())


if __name__ == "__main__":
    sys.exit(main_status(main))
