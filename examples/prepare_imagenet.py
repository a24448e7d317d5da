"""Prepare photographs for training: each is decoded once, to 256x256 pixels.

What SOURCE is, is recognised by looking. OUT is what train_imagenet.py takes as
--data. The same command goes on after an interruption, and repairs what was
damaged; python -m minialex verify OUT compares each byte with its checksum.
"""

import argparse
import os
import sys
from pathlib import Path

from minialex.data.prepare import list_images, prepare, report
from minialex.data.sources import md5_report
from minialex.errors import main_status


def main(argv=None):
    args = arguments(argv)
    if args.md5:
        print("\n".join(md5_report(args.source)), flush=True)
    source = list_images(args.source)
    print(report(prepare(source, args.out, workers=args.workers, max_rejected=args.max_rejected)))


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a folder or a .tar of images")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder that it makes; 197 KB an image")
    cores = os.cpu_count() or 1
    parser.add_argument("--workers", type=int, metavar="N", default=cores, help="processes that decode (%(default)s)")
    parser.add_argument(
        "--max-rejected", type=int, metavar="N", help="how many images may be broken (100, or 1%% of all if more)"
    )
    parser.add_argument(
        "--md5", action="store_true", help="first compare ILSVRC2012's three files with their published md5 sums"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main_status(main))
