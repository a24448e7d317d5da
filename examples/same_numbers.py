"""Ten training steps on several ranks, held against the same steps in one process.

    mpiexec -n 2 python examples/same_numbers.py towers
    mpiexec -n 3 python examples/same_numbers.py data --batch 7

Every rank does the steps a second time on its own, in float64, and compares what it holds of the network; the first one
prints the largest differences, and how many bytes a rank has sent in a step.
"""

import argparse
import sys

import numpy as np

from minialex import alexnet, network, optim, train
from minialex.checkpoint import Snapshot
from minialex.errors import main_status
from minialex.network import table
from minialex.parallel import ALONE, TEAMS, Mpi, Team, world
from minialex.recipes import RECIPES
from minialex.rng import DROPOUT, INIT, generator


def main(argv=None):
    args = arguments(argv)
    ranks = world()
    comm = Mpi(ranks)
    net = alexnet.build(args.variant, classes=args.classes, width=args.width)
    rng = np.random.default_rng(1)
    x, t = 50 * rng.standard_normal((args.batch, *net.input_shape)), rng.integers(args.classes, size=args.batch)
    whole, losses = train_on(net, x, t, args.steps, ALONE)
    team = TEAMS[args.kind](ranks, comm, np)
    parts, shared = train_on(net, x, t, args.steps, team)
    found = ranks.gather(differences(parts, team.part(whole)))
    if ranks.rank == 0:
        report(args, found, losses, shared)
        print(f"a rank sent, in bytes a step: {per_step(comm.sent, args.steps)}")


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=TEAMS)
    parser.add_argument("--variant", choices=alexnet.VARIANTS, default="paper")
    parser.add_argument("--width", type=float, default=0.125, metavar="F")
    parser.add_argument("--classes", type=int, default=10, metavar="N")
    parser.add_argument("--batch", type=int, default=8, metavar="N")
    parser.add_argument("--steps", type=int, default=10, metavar="N")
    return parser.parse_args(argv)


def train_on(net, x, t, steps: int, team: Team) -> tuple[Snapshot, list[float]]:
    """What this rank of a team holds after so many steps on one batch, and the loss of each."""
    params, state = network.init(net.layers, net.input_shape, generator(0, INIT), xp=np, dtype="float64")
    now = team.part(Snapshot(params, optim.init_velocity(params), state, np.zeros(0), {}))
    layers, losses, rates = team.layers(net.layers), [], RECIPES["small"].rates(0, 1.0, [])
    for step in range(steps):
        share = team.share(len(x))

        def check(loss, logits, grads, share=share):
            losses.append(float(share.total(loss, np.float64(0))[0]))
            return True

        how = {"rates": rates, "rng": generator(0, DROPOUT, 0, step), "share": share, "check": check}
        rows = x[share.rows], t[share.rows]
        _, _, now.state = train.step(layers, now.params, now.velocity, now.state, *rows, **how)
    return now, losses


def differences(own: Snapshot, expected: Snapshot) -> dict[str, float]:
    """The largest difference in each of a rank's arrays, relative to the largest number in it."""
    found = {}
    for group in ("params", "velocity", "state"):
        for name, value in getattr(expected, group).items():
            found[f"{group}/{name}"] = float(np.abs(getattr(own, group)[name] - value).max() / np.abs(value).max())
    return found


def report(args, found: list[dict], losses: list[float], shared: list[float]) -> None:
    print(f"{args.steps} steps of {args.variant} on {args.batch} images, {len(found)} ranks ({args.kind}), float64")
    rows = []
    for name in ("conv1.W", "conv2.W", "conv3.W", "conv4.W", "conv5.W", "fc6.W", "fc7.W", "fc8.W"):
        rows.append((name, *(f"{rank[f'params/{name}']:.1e}" for rank in found)))
    rows.append(("largest of all", *(f"{max(rank.values()):.1e}" for rank in found)))
    print(table([("relative difference", *(f"rank {rank}" for rank in range(len(found)))), *rows]))
    loss = max(abs(a - b) / abs(a) for a, b in zip(losses, shared, strict=True))
    print(f"losses of {losses[0]:.4f} to {losses[-1]:.4f}, which differ by {loss:.1e} at most")


def per_step(sent, steps: int) -> str:
    return ", ".join(f"{what} {count // steps:,}" for what, count in sorted(sent.items()))


if __name__ == "__main__":
    sys.exit(main_status(main))
