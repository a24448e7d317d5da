"""What `python -m minialex` runs: small questions about the networks and about this machine."""

import argparse
import sys

from minialex import __version__, doctor
from minialex.errors import UserError, main_status


def summary(args: argparse.Namespace) -> None:
    """Print shape, parameters and multiply-adds of each layer of a variant, and the totals."""
    from minialex import alexnet, network

    try:
        net = alexnet.build(args.variant, classes=args.classes, width=args.width)
    except ValueError as error:
        raise UserError(str(error)) from error
    print(network.summary(net.layers, net.input_shape))


def show_doctor(args: argparse.Namespace) -> None:
    """Print what this machine has and which extra to install."""
    print(doctor.report())


def show_verify(args: argparse.Namespace) -> None:
    """Compare every byte of a packed data set with its checksums."""
    from minialex.data.packed import verify

    verify(args.folder)
    print(f"{args.folder} is as it was made")


def parser() -> argparse.ArgumentParser:
    """The command line: one sub-command for each question."""
    what = "Small questions about the networks and about this machine."
    top = argparse.ArgumentParser(prog="python -m minialex", description=what)
    top.add_argument("--version", action="version", version=f"minialex {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    command = commands.add_parser("summary", help="shape, parameters and multiply-adds of each layer")
    command.add_argument("variant", metavar="VARIANT", help="paper, code2012, caffe, owt or bn")
    command.add_argument("--classes", type=int, default=1000, help="outputs of the last layer (1000)")
    command.add_argument("--width", type=float, default=1.0, help="factor on every hidden layer (1.0)")
    command.set_defaults(run=summary)

    command = commands.add_parser("doctor", help="what this machine has, and which extra to install")
    command.set_defaults(run=show_doctor)

    command = commands.add_parser("verify", help="whether each byte of prepared data is as it was made")
    command.add_argument("folder", metavar="FOLDER", help="what examples/prepare_imagenet.py made")
    command.set_defaults(run=show_verify)
    return top


def main(argv: list[str] | None = None) -> None:
    """Run the sub-command that `argv` names (sys.argv's arguments if None)."""
    args = parser().parse_args(argv)
    args.run(args)


if __name__ == "__main__":
    sys.exit(main_status(main))
