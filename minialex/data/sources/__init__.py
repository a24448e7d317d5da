"""Where images come from. `open_source(path)` tells the layout by looking; there is no flag for it.

    train/<class>/<image>, val/<class>/<image>      folders, .tar files with such members, or one .tar: any photos,
                                                    Imagenette, ImageNet unpacked
    ILSVRC2012_img_train.tar, ..._img_val.tar,      ImageNet as it is downloaded; the tars stay packed
    ILSVRC2012_devkit_t12.tar.gz
    train/<wnid>/ or train/<wnid>.tar, val/         ImageNet half unpacked: val/ may hold the images without class
                                                    folders where the devkit (packed or not) lies beside it
    ILSVRC/Data/CLS-LOC/{train,val}                 ImageNet from Kaggle, with LOC_synset_mapping.txt and
                                                    LOC_val_solution.csv
    cifar-10-batches-bin, cifar-10-batches-py       CIFAR-10 unpacked or as .tar.gz, or as an .npz

A label is the place of a class among the sorted classes that the devkit or the mapping lists, or else those in train/.
"""

import os
from pathlib import Path

from minialex.data.sources.cifar import open_cifar
from minialex.data.sources.md5 import md5_report
from minialex.data.sources.photos import open_photos
from minialex.data.sources.records import SPLITS, FileItem, Item, Source, TarItem
from minialex.errors import UserError, one_line

__all__ = ["SPLITS", "FileItem", "Item", "Source", "TarItem", "md5_report", "open_source"]


def open_source(path: str | Path) -> Source:
    """List the images below `path`, in any of the layouts above.

    Items are sorted by label, then by name, and are named "train/<class>/<image>" whatever the layout, so that the
    same images give the same data set wherever they lie.
    Raises UserError, in one line with what was found and what was expected, for anything else.
    """
    path = Path(path)
    try:
        if path.is_dir():
            os.scandir(path).close()  # where it cannot be read, the error is to name it, not a file looked for in it
        return open_cifar(path) or open_photos(path)
    except OSError as error:
        raise UserError(f"cannot read {error.filename or path}: {one_line(error)}") from error
