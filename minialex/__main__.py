"""What `python -m minialex` runs: small questions about the networks and about this machine, and weights in and out."""

import argparse
import sys
from pathlib import Path

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


def import_weights(args: argparse.Namespace) -> None:
    """Write another program's weights as a checkpoint, and say what was found."""
    from minialex import interop

    print("\n".join(interop.import_weights(args.source, args.out, args.data)))


def export_onnx(args: argparse.Namespace) -> None:
    """Write a run's weights as an ONNX file, and say what is in it."""
    from minialex import interop

    print("\n".join(interop.export_onnx(args.run_folder, args.out)))


def parser() -> argparse.ArgumentParser:
    """The command line: one sub-command for each question."""
    what = "Small questions about the networks and about this machine, and weights in and out."
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
    return top


def main(argv: list[str] | None = None) -> None:
    """Run the sub-command that `argv` names (sys.argv's arguments if None)."""
    args = parser().parse_args(argv)
    args.run(args)


if __name__ == "__main__":
    sys.exit(main_status(main))
