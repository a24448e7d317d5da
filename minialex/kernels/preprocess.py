"""From uint8 images to a network's input in one kernel: preprocess.cu, the twin of data.preprocess."""

import numpy as np

from minialex.backend import xp_of
from minialex.data.augment import SIDE, Patches
from minialex.kernels.launch import launch
from minialex.ops.checks import require


def preprocess(preprocessing, images, patches: Patches, *, noise=None, divisor: float = 1.0, dtype="float32"):
    """Cut patches out of images and make them the network's input: see data.preprocess.Preprocessing.apply.

    It computes in float32, for float16 too. Raises ValueError for images that are not uint8 (N,256,256,3), and patches
    that do not lie in them.
    """
    _check(images, patches)
    xp, P, size = xp_of(images), len(patches), patches.size
    places = np.column_stack((patches.image, patches.offsets, patches.mirrored)).astype(np.int32)
    noise = np.zeros((P, 3)) if noise is None else noise
    x = xp.empty((P, size, size, 3), dtype)
    arrays = (
        xp.ascontiguousarray(images),
        xp.ascontiguousarray(xp.asarray(preprocessing.mean, "float32")),
        xp.asarray(places),
        xp.asarray(np.ascontiguousarray(noise, np.result_type(dtype, "float32"))),
    )
    factors = (factor / divisor for factor in preprocessing.scale)
    flags = int(preprocessing.central), int(preprocessing.order == "BGR")
    launch("preprocess", "preprocess", P * size, (x, *arrays, size, *flags, *map(float, factors)))
    return x


def _check(images, patches: Patches) -> None:
    shape = f"preprocess: images are {images.dtype} of {images.shape}, they need to be uint8 of (N,{SIDE},{SIDE},3)"
    require(images.dtype == "uint8" and images.shape[1:] == (SIDE, SIDE, 3), shape)
    inside = (0 <= patches.offsets) & (patches.offsets <= SIDE - patches.size)
    require(inside.all(), f"preprocess: a patch of {patches.size} pixels leaves its image of {SIDE}x{SIDE}")
    known = (0 <= patches.image) & (patches.image < len(images))
    require(known.all(), f"preprocess: a patch is of an image that is not among the {len(images)}")
