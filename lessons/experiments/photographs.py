"""Figures 3 and 4 of a network that learnt from photographs: its first kernels, and what it holds alike (section 6.1).

The photographs stay where they are. What is kept are conv1's kernels, and of the six training images nearest to each
validation image how many are of its class: in the last hidden layer, and in pixels at 64x64.

    python examples/train_imagenet.py --data IMAGES --width 0.375 --out RUN
    python lessons/experiments/photographs.py RUN IMAGES
"""

import argparse
import sys

import numpy as np
from results import PIXELS, alike
from small import RESULTS, keep

from minialex import alexnet, checkpoint
from minialex.data.batches import test_batches
from minialex.data.packed import Split
from minialex.data.prepare import open_data
from minialex.data.preprocess import Preprocessing
from minialex.errors import main_status
from minialex.evaluate import evaluate, features
from minialex.ops import fast


def pixels(split: Split) -> np.ndarray:
    """The images with blocks of pixels averaged, one a row."""
    images = (split.images(np.array([k])) for k in range(len(split)))
    block = 256 // PIXELS
    return np.stack([x.reshape(PIXELS, block, PIXELS, block, 3).mean(axis=(1, 3)).ravel() for x in images])


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="the folder of a run")
    parser.add_argument("images", metavar="IMAGES", help="what it was trained on")
    args = parser.parse_args(argv)
    snapshot, packed = checkpoint.load(checkpoint.best_of(args.run), xp=np), open_data(args.images)
    network, learnt = alexnet.from_config(snapshot.config), (snapshot.params, snapshot.state)
    preprocessing = Preprocessing.from_config(snapshot.mean, snapshot.config)

    def batches(split: Split):
        return test_batches(split, preprocessing, size=network.input_shape[0], batch=100, crops=1)

    found = evaluate(network.layers, *learnt, batches(packed.val), ops=fast)
    rows, queries = (
        np.concatenate(list(features(network.layers, *learnt, batches(split), ops=fast)))
        for split in (packed.train, packed.val)
    )
    nearest = {"features": alike(queries, rows), "pixels": alike(pixels(packed.val), pixels(packed.train))}
    same = {space: packed.train.labels[six] == packed.val.labels[:, None] for space, six in nearest.items()}
    shared = np.mean([len(set(a) & set(b)) for a, b in zip(*nearest.values(), strict=True)])
    np.savez_compressed(RESULTS / "photographs.npz", conv1=snapshot.params["conv1.W"])
    keep(
        "photographs",
        command="python lessons/experiments/photographs.py RUN IMAGES",
        data=f"{len(packed.train):,} training and {len(packed.val):,} validation photographs of ten ImageNet classes",
        run=f"train_imagenet.py --data IMAGES --width {snapshot.config['width']}, {snapshot.epoch} epochs",
        val_error=round(1 - found.top1, 4),
        **{f"same_class_by_{space}": round(float(of_class.mean()), 4) for space, of_class in same.items()},
        neighbours_in_both=round(float(shared), 3),
        arrays="photographs.npz: conv1.W",
    )


if __name__ == "__main__":
    sys.exit(main_status(main))
