"""What `python -m minialex` runs: small questions about networks, machine and exercises, and weights in and out."""

import argparse
import math
import os
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from minialex import __version__, alexnet, doctor
from minialex.errors import UserError, main_status
from minialex.recipes import RECIPES, recipe_for
from minialex.rng import ORDER, generator

CLASSES_HELP = "outputs of the network (the data's classes); labels are drawn where the data have fewer"


def summary(args: argparse.Namespace) -> None:
    """Print shape, parameters and multiply-adds of each layer of a variant, and the totals."""
    from minialex import network

    try:
        net = alexnet.build(args.variant, classes=args.classes, width=args.width)
    except ValueError as error:
        raise UserError(str(error)) from error
    print(network.summary(net.layers, net.input_shape))


def show_health(args: argparse.Namespace) -> None:
    """Print how a network's layers and its next step look, before its first step and after args.steps of them."""
    from minialex import train
    from minialex.backend import get_backend
    from minialex.data.prepare import open_data
    from minialex.parallel import for_backend
    from minialex.threads import compute_threads

    check(args)
    xp, cores = get_backend(args.backend), os.cpu_count() or 1
    packed = open_data(args.data)
    packed = with_classes(packed, args.classes, args.seed) if args.classes else packed
    classes = packed.classes
    recipe = RECIPES[args.recipe or (recipe_for(args.variant, len(classes)) if args.data else "toy")]
    recipe = replace(recipe.at_rate(args.lr or recipe.rate), batch=args.batch or recipe.batch)
    width = args.width or (1.0 if args.data else 0.25)
    config = train.Config(str(args.data), args.variant, width, classes, recipe, args.seed)
    with TemporaryDirectory() as folder, compute_threads(cores) as pool:
        layers, ops = for_backend(config.network().layers, xp, pool)
        trainer = train.Trainer(config, packed, train.start(config, packed, xp=xp), layers, Path(folder), xp, ops)
        for report in trainer.rehearse(args.steps):
            print(report, flush=True)


def with_classes(packed, count: int, seed: int):
    """The first `count` classes of a data set; or, where it has fewer, its images under labels drawn from so many.

    How large a first step is depends on how many classes there are, not on which image is of which.
    """
    if count <= len(packed.classes):
        return packed.first_classes(count)
    labels = generator(seed, ORDER).integers(count, size=len(packed.train))
    return replace(packed, classes=tuple(map(str, range(count))), train=replace(packed.train, labels=labels))


def check(args: argparse.Namespace) -> None:
    """Raise UserError for numbers that there cannot be."""
    for name in ("classes", "width", "batch", "lr"):
        value = getattr(args, name)
        if value is not None and not 0 < value < math.inf:
            raise UserError(f"--{name} is {value}: it needs to be above 0, and finite")
    for name in ("seed", "steps"):
        if getattr(args, name) < 0:
            raise UserError(f"--{name} is {getattr(args, name)}: it needs to be 0 or above")


def show_doctor(args: argparse.Namespace) -> None:
    """Print what this machine has and which extra to install."""
    print(doctor.report())


def show_verify(args: argparse.Namespace) -> None:
    """Compare every byte of a packed data set with its checksums."""
    from minialex.data.packed import verify

    verify(args.folder)
    print(f"{args.folder} is as it was made")


def import_weights(args: argparse.Namespace) -> None:
    """Write another program's weights as a checkpoint, and say what was found."""
    from minialex import interop

    print("\n".join(interop.import_weights(args.source, args.out, args.data)))


def export_onnx(args: argparse.Namespace) -> None:
    """Write a run's weights as an ONNX file, and say what is in it."""
    from minialex import interop

    print("\n".join(interop.export_onnx(args.run_folder, args.out)))


def check_exercise(args: argparse.Namespace) -> int:
    """Say what is right and what is wrong in an exercise of the lessons; status 1 where something is."""
    from minialex.check import NAMES, command

    if args.all:
        return command.check_all(args.name)
    if args.name is None:
        raise UserError(f"which exercise? name one, as in: python -m minialex check lrn; there are {', '.join(NAMES)}")
    return command.check(args.name, exercise_name=args.exercise, hint=args.hint, watch=args.watch)


def parser() -> argparse.ArgumentParser:
    """The command line: one sub-command for each question."""
    what = "Small questions about networks, machine and exercises, and weights in and out."
    top = argparse.ArgumentParser(prog="python -m minialex", description=what)
    top.add_argument("--version", action="version", version=f"minialex {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    command = commands.add_parser("summary", help="shape, parameters and multiply-adds of each layer")
    command.add_argument("variant", metavar="VARIANT", help="paper, code2012, caffe, owt or bn")
    command.add_argument("--classes", type=int, default=1000, help="outputs of the last layer (1000)")
    command.add_argument("--width", type=float, default=1.0, help="factor on every hidden layer (1.0)")
    command.set_defaults(run=summary)

    _add_health(commands)

    command = commands.add_parser("doctor", help="what this machine has, and which extra to install")
    command.set_defaults(run=show_doctor)

    command = commands.add_parser("verify", help="whether each byte of prepared data is as it was made")
    command.add_argument("folder", metavar="FOLDER", help="what examples/prepare_imagenet.py made")
    command.set_defaults(run=show_verify)

    _add_weights(commands)
    _add_check(commands)
    return top


def _add_health(commands) -> None:
    command = commands.add_parser("health", help="will it learn? each layer and the first step, measured on one batch")
    command.add_argument("--variant", choices=alexnet.VARIANTS, default="code2012", help="which AlexNet (%(default)s)")
    command.add_argument("--recipe", choices=RECIPES, help="how it is trained (what train_imagenet.py would choose)")
    command.add_argument("--data", type=Path, metavar="DIR", help="images, as for train_imagenet.py (the toy set)")
    command.add_argument("--classes", type=int, metavar="N", help=CLASSES_HELP)
    command.add_argument("--width", type=float, metavar="F", help="factor on every hidden layer (1; toy set 0.25)")
    command.add_argument("--batch", type=int, metavar="N", help="images in a step (the recipe's)")
    command.add_argument("--lr", type=float, metavar="R", help="learning rate (the recipe's)")
    command.add_argument("--steps", type=int, metavar="N", default=0, help="measure again after so many steps (0)")
    command.add_argument("--seed", type=int, metavar="N", default=0, help="decides weights and images (%(default)s)")
    command.add_argument("--backend", choices=("numpy", "cupy", "auto"), default="auto", help="(%(default)s)")
    command.set_defaults(run=show_health)


def _add_weights(commands) -> None:
    command = commands.add_parser("import", help="weights of torchvision or of an ONNX file, as a checkpoint")
    what = "torchvision's alexnet (.safetensors, or a .pth state dict), or an ONNX file of any variant"
    command.add_argument("source", type=Path, metavar="SOURCE", help=what)
    command.add_argument("out", type=Path, metavar="OUT.safetensors", help="the checkpoint to write")
    command.add_argument("--data", type=Path, metavar="DIR", help="prepared data whose classes these are, in order")
    command.set_defaults(run=import_weights)

    command = commands.add_parser("export", help="a run's weights, as an ONNX file")
    command.add_argument("run_folder", type=Path, metavar="RUN", help="a run's folder, or a checkpoint")
    command.add_argument("out", type=Path, metavar="OUT.onnx", help="the ONNX file to write")
    command.set_defaults(run=export_onnx)


def _add_check(commands) -> None:
    command = commands.add_parser("check", help="an exercise of the lessons: what is right, and which mistake was made")
    what = "an exercise, as lrn, or a file that ends with its name; with --all a folder (lessons/exercises)"
    command.add_argument("name", metavar="NAME", nargs="?", help=what)
    command.add_argument("--as", dest="exercise", metavar="NAME", help="which exercise the file is")
    command.add_argument("--hint", action="store_true", help="give the next of three hints")
    command.add_argument("--watch", action="store_true", help="check again whenever the file is saved, until Ctrl-C")
    command.add_argument("--all", action="store_true", help="a table of every exercise")
    command.set_defaults(run=check_exercise)


def main(argv: list[str] | None = None) -> int | None:
    """Run the sub-command that `argv` names (sys.argv's arguments if None), and return its status if it has one."""
    args = parser().parse_args(argv)
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main_status(main))
