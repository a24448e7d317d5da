"""What does a trained network see in an image? Prints its five likeliest classes."""

import argparse
import sys
from pathlib import Path

import numpy as np

from minialex import alexnet, checkpoint, network
from minialex.data.augment import center_patches
from minialex.data.decode import BrokenImage, decode, resize_crop
from minialex.data.preprocess import Preprocessing
from minialex.errors import UserError, main_status
from minialex.ops import softmax
from minialex.precision import PRECISIONS

BAR = 30  # characters at 100%


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path, help="an image file, of any size")
    parser.add_argument("--run", type=Path, required=True, metavar="RUN", help="a run's folder, or a checkpoint")
    args = parser.parse_args(argv)
    snapshot = checkpoint.load(checkpoint.best_of(args.run), xp=np)
    probabilities = predict(snapshot, read(args.image))
    sys.stdout.reconfigure(errors="replace")  # a class may have a name that the console cannot show
    block = block_for(sys.stdout.encoding)
    words = snapshot.config.get("words") or snapshot.config["classes"]
    for label in np.argsort(-probabilities)[:5]:
        p = probabilities[label]
        print(f"{p:6.1%}  {block * round(p * BAR):<{BAR}}  {words[label]}")


def block_for(encoding: str) -> str:
    """What a bar is made of: Windows consoles may lack the full block."""
    try:
        "█".encode(encoding)
    except UnicodeEncodeError:
        return "#"
    return "█"


def read(path: Path) -> np.ndarray:
    """The image as training saw its images: uint8 (256,256,3)."""
    try:
        image, _ = decode(path.read_bytes(), path.name)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except BrokenImage as error:
        raise UserError(f"{path} is no image that can be read: {error}") from error
    return resize_crop(image)


def predict(snapshot: checkpoint.Snapshot, image: np.ndarray) -> np.ndarray:
    """Probabilities (classes,) of the central crop."""
    config = snapshot.config
    net = alexnet.from_config(config)
    preprocessing = Preprocessing.from_config(snapshot.mean, config)
    dtype = PRECISIONS[config["dtype"]].params
    x = preprocessing.apply(image[None], center_patches(1, net.input_shape[0]), dtype=dtype)
    logits, _ = network.forward(net.layers, snapshot.params, x, state=snapshot.state, train=False)
    return softmax(logits)[0]


if __name__ == "__main__":
    sys.exit(main_status(main))
