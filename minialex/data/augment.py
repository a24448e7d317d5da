"""Crops, mirror images and the mean image: sections 2 and 4.1 of the paper.

Host code: batches are cut from uint8 images by NumPy before they go to a device.
"""

import numpy as np


def random_crop_mirror(images: np.ndarray, size: int, rng: np.random.Generator):
    """Cut a random patch out of each image and mirror half of them (section 4.1).

    Of 256x256 images there are 33 x 33 x 2 = 2178 such patches of 224x224 (the paper says 2048).

    images: uint8 (N,H,W,3).  size: side of the patch in pixels.  rng: decides offsets and mirroring.
    Returns (crops uint8 (N,size,size,3), offsets (N,2) as top and left in the image, mirrored (N,) bool).
    Raises ValueError if a patch does not fit.
    """
    N, H, W = _check_images(images, size)
    offsets = rng.integers(0, (H - size + 1, W - size + 1), size=(N, 2))
    mirrored = rng.random(N) < 0.5
    crops = np.empty((N, size, size, 3), np.uint8)
    for crop, image, (top, left), mirror in zip(crops, images, offsets, mirrored, strict=True):
        patch = image[top : top + size, left : left + size]
        if mirror:
            for channel in range(3):  # NumPy reverses a plane five times faster than triples of bytes
                crop[:, :, channel] = patch[:, ::-1, channel]
        else:
            crop[...] = patch
    return crops, offsets, mirrored


def center_crop(images: np.ndarray, size: int):
    """Cut the central patch out of each image, as in validation.

    images: uint8 (N,H,W,3).  size: side of the patch in pixels.
    Returns (crops, offsets, mirrored) as `random_crop_mirror` does; nothing is mirrored.
    Raises ValueError if a patch does not fit.
    """
    N, H, W = _check_images(images, size)
    top, left = (H - size) // 2, (W - size) // 2
    crops = np.ascontiguousarray(images[:, top : top + size, left : left + size])
    return crops, np.tile([top, left], (N, 1)), np.zeros(N, bool)


def subtract_mean(crops: np.ndarray, mean: np.ndarray, offsets, mirrored, dtype="float32") -> np.ndarray:
    """Subtract from every pixel the mean activity over the training set at its place (section 2).

    Each crop meets the part of the mean image that it was cut over, mirrored if it was mirrored.

    crops, offsets, mirrored: as the croppers return them.  mean: float (H,W,3) in pixels 0..255.
    Returns (N,size,size,3) of `dtype` in pixels, about -128..128. Nothing is divided.
    """
    N, size = crops.shape[:2]
    W = mean.shape[1]
    mean = mean.astype(dtype)
    flipped = np.ascontiguousarray(mean[:, ::-1])
    x = np.empty(crops.shape, dtype)
    for n, (top, left) in enumerate(offsets):
        part, left = (flipped, W - size - left) if mirrored[n] else (mean, left)
        x[n] = crops[n]  # cast, then subtract in place: faster than one operation of mixed types
        x[n] -= part[top : top + size, left : left + size]
    return x


def _check_images(images: np.ndarray, size: int) -> tuple[int, int, int]:
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise ValueError(f"images are {images.dtype} {images.shape}: expected uint8 (N,H,W,3)")
    N, H, W, _ = images.shape
    if not 1 <= size <= min(H, W):
        raise ValueError(f"a patch of {size} pixels does not fit images of {H}x{W}")
    return N, H, W
