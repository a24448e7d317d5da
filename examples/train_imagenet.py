"""Train AlexNet: on the toy set, or with --data on a folder of photographs.

Ctrl-C finishes the step and saves; the same command with --resume --out DIR
goes on, bit for bit as if nothing had happened.
"""

import argparse
import itertools
import math
import sys
import warnings
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from minialex import alexnet, kernels, network, train
from minialex.backend import get_backend
from minialex.checkpoint import Snapshot
from minialex.data.augment import COLORS
from minialex.data.packed import Packed
from minialex.data.prepare import open_data
from minialex.errors import UserError, main_status
from minialex.files import alone_in
from minialex.optim import Steps
from minialex.parallel import ALONE, TEAMS, cores, for_backend, from_first, in_turn, on_ranks, team_of
from minialex.precision import PRECISIONS
from minialex.recipes import RECIPES, Recipe, recipe_for
from minialex.threads import compute_threads

DATA_HELP = """a folder (or .tar) with train/CLASS/ and val/CLASS/ of images, prepared once into a cache, or a folder
prepared before; without it, the toy set that minialex draws"""
RECIPES_HELP = """Without --recipe it is toy for the built-in images, small for data of up to
100 classes, and else the variant's own: paper's for bn, caffe's for owt.
paper drops its rate where the validation error has stalled; code2012, from the
authors' released code, slows conv1 after 67 epochs and freezes it after 72.
The run's config.json holds all that was used.
"""

PARALLEL_HELP = """on several processors, GPUs or machines (pip install "minialex[mpi]"):
  one machine, a rank a GPU  mpiexec -n 8 python examples/train_imagenet.py
                               --parallel data --backend cupy --data DIR
  machines listed in HOSTS   mpiexec -f HOSTS -n 32 ...          (MPICH), or
                             mpiexec --hostfile HOSTS -n 32 ...  (Open MPI)
  machines under SLURM       srun --kill-on-bad-exit=1 --nodes 4
                               --ntasks-per-node 8 --gpus-per-node 8 python ...
With --parallel data each rank has the network and a share of every batch,
whose size --batch is; with towers two ranks have half of the kernels each, as
in section 3.2. Each machine needs the data under the same path. The first rank
alone reads and writes the run's folder; --resume takes any number of ranks.
"""

RESUME_HELP = """go on with the run in --out from its newest checkpoint; or, where that one is damaged, from the
last good one"""


def main(argv=None):
    args = arguments(argv)
    if args.parallel:
        return on_ranks(lambda ranks: run(args, ranks))
    return run(args, None)


def run(args, ranks) -> None:
    """Train in this process alone, or as one of several ranks."""
    first = not (ranks and ranks.rank)
    if args.out and first:
        check_out(args.out, args.resume)  # before anything is prepared, which may take hours
    warnings.filterwarnings("ignore", "overflow|invalid value|divide by zero", RuntimeWarning)  # the loss tells
    xp = get_backend(args.backend, tf32=args.tf32)
    if args.kernels and xp is np:
        raise UserError(
            "--kernels are for a GPU with CuPy: leave it out, or --backend cupy, which tells what is missing"
        )
    team = team_of(args.parallel, ranks, xp) if ranks else ALONE
    threads = args.threads or cores(ranks)

    def prepared() -> Packed:
        return open_data(args.data, workers=args.workers)

    packed = in_turn(ranks, prepared) if ranks else prepared()
    packed = packed.first_classes(args.classes) if args.classes else packed
    config = configure(args, packed)
    folder = team.told(args.out or new_folder(Path("runs"), f"{config.data}-{config.variant}"))
    with alone_in(folder) if first else nullcontext(), compute_threads(threads) as pool:
        layers, ops = for_backend(team.layers(config.network().layers), xp, pool)

        def begin() -> Snapshot:
            return first_snapshot(args, config, packed, folder, xp)

        snapshot = team.part(from_first(ranks, begin, xp)) if ranks else begin()
        if snapshot.config != config.plain():
            raise UserError("not every rank has the same images and options: give each the same command and data")
        layers, how = (kernels.fuse(layers), own_kernels()) if config.kernels else (layers, {"ops": ops})
        many = f" on each of {team.size} ranks ({args.parallel})" if ranks else ""
        print(f"{introduction(config, packed, xp, threads)}{many}; everything goes to {folder}", flush=True)
        if late := unreached(config.recipe):
            print(f"the rate will not be divided after {late}: --drop-after names other epochs", flush=True)
        record = train.Trainer(config, packed, snapshot, layers, folder, xp, team=team, **how).run()
    print(f"done: top-1 {record['val_top1']:.1%}, top-5 {record['val_top5']:.1%} on {len(packed.val):,} images")
    print(f"look at {folder / 'curves.png'} and {folder / 'conv1.png'}; checkpoints are in {folder / 'checkpoints'}")


def arguments(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=recipe_table(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = parser.add_argument_group("data")
    data.add_argument("--data", type=Path, metavar="DIR", help=DATA_HELP)
    data.add_argument("--classes", type=int, metavar="N", help="the first N classes of the data alone")
    net = parser.add_argument_group("network")
    net.add_argument(
        "--variant", choices=alexnet.VARIANTS, default="code2012", help="which AlexNet (default: %(default)s)"
    )
    net.add_argument("--width", type=float, metavar="F", help="factor on every hidden layer (1; toy set 0.25)")
    add_training(parser)
    where = parser.add_argument_group("machine and files")
    where.add_argument(
        "--backend", choices=("numpy", "cupy", "auto"), default="auto", help="auto: CuPy where a GPU works, else NumPy"
    )
    where.add_argument("--workers", type=int, metavar="N", default=cores(), help="processes that decode (%(default)s)")
    where.add_argument("--threads", type=int, metavar="N", help=f"threads that compute ({cores()}, shared by ranks)")
    where.add_argument("--parallel", choices=TEAMS, help="on all ranks that mpiexec or srun starts; see below")
    where.add_argument("--out", type=Path, metavar="DIR", help="folder of the run; without it, a new one in runs/")
    where.add_argument("--resume", choices=("newest", "last-good"), nargs="?", const="newest", help=RESUME_HELP)
    args = parser.parse_args(argv)
    check(args)
    return args


def add_training(parser) -> None:
    how = parser.add_argument_group("training (what is not given is the recipe's)")
    how.add_argument("--recipe", choices=RECIPES, help="how it is trained; see below")
    how.add_argument("--epochs", type=int, metavar="N", help="passes over the training images")
    how.add_argument("--batch", type=int, metavar="N", help="images in a step")
    how.add_argument("--lr", type=float, metavar="R", help="first learning rate; the biases' keeps its ratio to it")
    how.add_argument("--bias-lr", type=float, metavar="R", help="first learning rate of the biases")
    how.add_argument("--warm-up", type=int, metavar="N", help="steps in which the rate rises to its full size")
    how.add_argument(
        "--drop-after", type=int, nargs="+", metavar="N", help="epochs, the rate is divided by 10 after each"
    )
    how.add_argument("--momentum", type=float, metavar="M", help="what of a step goes on into the next, below 1")
    how.add_argument("--decay", type=float, metavar="D", help="weight decay; of biases too where the recipe has it")
    how.add_argument("--color", choices=COLORS, help="colour noise; the paper is read as stdev")
    how.add_argument("--crops-per-draw", type=int, metavar="N", help="neighbours in a batch that are cropped alike")
    how.add_argument(
        "--seed", type=int, metavar="N", default=0, help="decides weights, order, crops and dropout (%(default)s)"
    )
    how.add_argument(
        "--dtype",
        choices=PRECISIONS,
        default="float32",
        help="numbers it computes with (%(default)s); mixed: float16 in a step, float32 in sums and what is kept",
    )
    how.add_argument("--kernels", action="store_true", help="our own CUDA kernels where there are some (untried yet)")
    how.add_argument("--tf32", action="store_true", help="factors of matrix products rounded to TF32: faster on a GPU")


def recipe_table() -> str:
    """The recipes side by side, how one is chosen, and how ranks are started."""
    rows = [("recipes", "batch", "epochs", "rate", "of biases", "divided by 10", "colour noise")]
    for name, recipe in RECIPES.items():
        schedule = recipe.schedule
        drops = f"after {', '.join(map(str, schedule.epochs))}" if isinstance(schedule, Steps) else "three times"
        numbers = map(str, (recipe.batch, recipe.epochs, recipe.rate, recipe.bias_rate))
        rows.append((name, *numbers, drops, recipe.augmentation.color))
    return f"{network.table(rows)}\n\n{RECIPES_HELP}\n{PARALLEL_HELP}"


def check(args) -> None:
    for name in ("classes", "workers", "width", "epochs", "batch", "lr", "bias_lr", "crops_per_draw", "threads"):
        _check_number(args, name, "above 0, and finite", lambda value: 0 < value < math.inf)
    for name in ("seed", "warm_up"):
        _check_number(args, name, "0 or above", lambda value: value >= 0)
    for name in ("momentum", "decay"):
        _check_number(args, name, "0 or above, and below 1", lambda value: 0 <= value < 1)
    if args.tf32 and args.dtype != "float32":
        raise UserError(f"--tf32 is about products of float32: leave it out, or --dtype {args.dtype}")
    if args.resume and not args.out:
        raise UserError("--resume needs --out, the folder of the run to go on with")


def _check_number(args, name: str, needed: str, good) -> None:
    value = getattr(args, name)
    if value is not None and not good(value):
        raise UserError(f"--{name.replace('_', '-')} is {value}: it needs to be {needed}")


def check_out(folder: Path, resume) -> None:
    begun = any((folder / "checkpoints").glob("*.safetensors"))
    if begun and not resume:
        raise UserError(f"{folder} holds a run already: go on with --resume, or choose another --out")
    if resume and not begun:
        raise UserError(f"{folder} has no checkpoint to resume from: start without --resume")


def configure(args, packed: Packed) -> train.Config:
    """All that decides the run: data, network, and the recipe with what the command line changed."""
    recipe = RECIPES[args.recipe or (recipe_for(args.variant, len(packed.classes)) if args.data else "toy")]
    recipe = changed(recipe, args)
    name = args.data.resolve().name.removesuffix(".tar") if args.data else "toy"
    if len(packed.classes) < 2 or not len(packed.val):
        raise UserError(f"{name} needs two classes, and images of them in val/: it has {packed.classes}")
    width = args.width or (1.0 if args.data else 0.25)
    options = {"seed": args.seed, "dtype": args.dtype, "kernels": args.kernels, "tf32": args.tf32}
    seen = {"images": packed.index["fingerprint"], "words": packed.words}
    return train.Config(name, args.variant, width, packed.classes, recipe, **options, **seen)


def changed(recipe: Recipe, args) -> Recipe:
    """The recipe with what the command line gives in place of its own."""
    recipe = recipe.at_rate(args.lr or recipe.rate)
    decay = recipe.decay if args.decay is None else args.decay
    augmentation = given(color=args.color, crops_per_draw=args.crops_per_draw)
    recipe = replace(
        recipe,
        decay=decay,
        bias_decay=decay * (recipe.bias_decay / recipe.decay),
        augmentation=replace(recipe.augmentation, **augmentation),
        **given(epochs=args.epochs, batch=args.batch, bias_rate=args.bias_lr, momentum=args.momentum),
        **given(warm_up=args.warm_up, schedule=args.drop_after and Steps(tuple(args.drop_after))),
    )
    for epoch in args.drop_after or ():
        if not 0 < epoch < recipe.epochs:
            raise UserError(f"--drop-after {epoch} never comes: the run has {recipe.epochs} epochs (--epochs)")
        if args.drop_after.count(epoch) > 1:
            raise UserError(f"--drop-after has {epoch} more than once: name each epoch once")
    return recipe


def unreached(recipe: Recipe) -> str:
    """The drops of the rate that a shortened run does not live to see."""
    drops = recipe.schedule.epochs if isinstance(recipe.schedule, Steps) else ()
    return ", ".join(str(epoch) for epoch in drops if epoch >= recipe.epochs)


def given(**options) -> dict:
    """Those of the options that the command line gave."""
    return {name: value for name, value in options.items() if value is not None}


def first_snapshot(args, config, packed, folder, xp):
    """Where training begins: the start, or a checkpoint of the run in `folder`, which is ours alone by now."""
    check_out(folder, args.resume)  # another may have begun and ended there in the meantime
    if args.resume:
        return train.resume(config, folder, xp=xp, last_good=args.resume == "last-good")
    return train.start(config, packed, xp=xp)


def introduction(config, packed, xp, threads) -> str:
    images, classes = len(packed.train), len(packed.classes)
    extras = [name for name, on in {"our kernels": config.kernels, "TF32": config.tf32}.items() if on]
    gpu = f"CuPy with {' and '.join(extras)}" if extras else "CuPy"
    machine = f"NumPy, {threads} threads" if xp is np else gpu
    return f"{config.variant} at width {config.width}, {images:,} images of {classes} classes, on {machine}"


def own_kernels() -> dict:
    """What a Trainer takes in place of array code: the table `fused`, and the kernels beside it."""
    return {"ops": kernels.fused, "update": kernels.update, "preprocess": kernels.preprocess}


def new_folder(parent: Path, name: str) -> Path:
    """parent/name-1, or the first number that is not taken."""
    return next(path for n in itertools.count(1) if not (path := parent / f"{name}-{n}").exists())


if __name__ == "__main__":
    sys.exit(main_status(main))
