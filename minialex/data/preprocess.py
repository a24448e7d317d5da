"""From uint8 images to what a network is fed: crop, mirror, colour, mean, cast (sections 2 and 4.1)."""

from dataclasses import dataclass

import numpy as np

from minialex.backend import xp_of
from minialex.data.augment import SIDE, Patches
from minialex.errors import UserError

ORDERS = ("RGB", "BGR")


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """What a network expects of its input: raw pixels minus the mean image in the paper (section 2), and nothing else.

    mean: float32 (256,256,3), RGB, in pixels 0..255; of NumPy or of the device.
    central: subtract the central part of the mean image from every patch, and never mirrored, as the released code of
        2012 does; else the part that lies where the patch was cut, mirrored with it.
    scale: factor of each channel (R, G, B) after the mean was subtracted.
    order: of the channels, "RGB" or "BGR", as the network wants them.
    """

    mean: np.ndarray
    central: bool = False
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    order: str = "RGB"

    def __post_init__(self):
        if self.mean.shape != (SIDE, SIDE, 3):
            raise ValueError(f"a mean image of {self.mean.shape}: expected {(SIDE, SIDE, 3)}")
        if len(self.scale) != 3 or not all(np.isfinite(factor) for factor in self.scale):
            raise ValueError(f"a scale of {self.scale}: expected three finite numbers")
        if self.order not in ORDERS:
            raise ValueError(f"channels in the order {self.order!r}: expected {' or '.join(ORDERS)}")

    def options(self) -> dict:
        """All but the mean, as JSON has it."""
        return {"central": self.central, "scale": list(self.scale), "order": self.order}

    @classmethod
    def from_config(cls, mean: np.ndarray, config: dict) -> "Preprocessing":
        """What a run's config says under "preprocessing", with its mean image; the paper's where it says nothing.

        Raises UserError where it says nonsense.
        """
        options = config.get("preprocessing", {})
        try:
            return cls(mean, **(options | {"scale": tuple(options.get("scale", cls.scale))}))
        except (AttributeError, TypeError, ValueError) as error:
            raise UserError(f"the config's preprocessing {options} cannot be used: {error}") from error

    def apply(self, images, patches: Patches, *, noise=None, divisor: float = 1.0, dtype="float32"):
        """Cut patches out of images and make them the network's input: (patch - mean + noise) scale / divisor.

        images: uint8 (N,256,256,3), RGB.  noise: (P,3) in pixels, added to every pixel of a patch, or None.
        Returns x (P,size,size,3) of `dtype`, of the images' library.
        """
        if dtype == "float16":  # of a mean near 128 it has but the eighths
            return self.apply(images, patches, noise=noise, divisor=divisor).astype(dtype)
        cut = self._one_by_one if xp_of(images) is np else self._all_at_once
        return cut(images, patches, noise, divisor, np.dtype(dtype))

    def _all_at_once(self, images, patches: Patches, noise, divisor: float, dtype):
        """On a GPU it is the number of operations that costs: one gather for all patches, and one for their means."""
        xp, order = xp_of(images), self._channels()
        image, rows, columns = (xp.asarray(index) for index in _indices(patches))
        x = images[image, rows, columns][..., order].astype(dtype)  # (P,size,size,3)
        middle = slice((SIDE - patches.size) // 2, (SIDE + patches.size) // 2)
        mean = xp.asarray(self.mean)
        part = mean[middle, middle] if self.central else mean[rows, columns]
        x -= part[..., order].astype(dtype)
        shift, factor = self._colour_values(noise, divisor, dtype)
        if shift is not None:
            x += xp.asarray(shift)[:, None, None]
        if factor is not None:
            x *= xp.asarray(factor)
        return x

    def _one_by_one(self, images, patches: Patches, noise, divisor: float, dtype):
        """On a CPU all that is done to a patch is done while it is in the cache."""
        size, order = patches.size, self._channels()
        part, colour = self._mean_parts(size, order, dtype), self._colour(size, noise, divisor, dtype)
        x = np.empty((len(patches), size, size, 3), dtype)
        places = zip(patches.image.tolist(), patches.offsets.tolist(), patches.mirrored.tolist(), strict=True)
        for p, (image, (top, left), mirrored) in enumerate(places):
            out = x[p]
            patch = images[image, top : top + size, left : left + size]
            _cast(patch.copy()[:, ::-1, order] if mirrored else patch[..., order], out)
            out -= part(top, left, mirrored)
            colour(p, out)
        return x

    def _channels(self) -> slice:
        return slice(None, None, 1 if self.order == "RGB" else -1)

    def _colour_values(self, noise, divisor: float, dtype) -> tuple:
        """What to add to the channels of each patch (P,3), and the factor of each channel (3,); None for nothing."""
        factor = (np.asarray(self.scale)[self._channels()] / divisor).astype(dtype)
        shift = None if noise is None else noise[:, self._channels()].astype(dtype)
        return shift, None if (factor == 1).all() else factor

    def _mean_parts(self, size: int, order: slice, dtype):
        """The function (top, left, mirrored) -> the part of the mean image to subtract from such a patch."""
        mean = np.ascontiguousarray(self.mean[..., order].astype(dtype, copy=False))
        if self.central:
            middle = (SIDE - size) // 2
            part = mean[middle : middle + size, middle : middle + size]
            return lambda top, left, mirrored: part
        flipped = np.ascontiguousarray(mean[:, ::-1])  # once: to read it backwards for each patch is slow

        def part_at(top, left, mirrored):
            image, left = (flipped, SIDE - size - left) if mirrored else (mean, left)
            return image[top : top + size, left : left + size]

        return part_at

    def _colour(self, size: int, noise, divisor: float, dtype):
        """The function (p, out) that adds patch p's noise to out (size,size,3), and scales and divides it, in place."""
        shift, factor = self._colour_values(noise, divisor, dtype)
        shift, factor = (None if value is None else np.tile(value, size) for value in (shift, factor))

        def colour(p, out):
            line = out.reshape(size, size * 3)  # the same memory: NumPy is slow along three channels, fast along a line
            if shift is not None:
                line += shift[p]
            if factor is not None:
                line *= factor

        return colour


def _indices(patches: Patches) -> tuple:
    """Image (P,1,1), row (P,size,1) and column (P,1,size) of every pixel of patches."""
    pixels = np.arange(patches.size)
    rows, columns = patches.offsets[:, :1] + pixels, patches.offsets[:, 1:] + pixels  # (P,size)
    columns = np.where(patches.mirrored[:, None], columns[:, ::-1], columns)
    return patches.image[:, None, None], rows[:, :, None], columns[:, None, :]


def _cast(patch, out) -> None:
    """Copy uint8 pixels into `out` of another type.

    NumPy reads planes backwards five times faster than triples of bytes, and from a copy, which is in the processor's
    cache, twice as fast again.
    """
    if patch.strides[1:] != (3, 1):
        read, patch = patch, np.empty(patch.shape, patch.dtype)
        for channel in range(3):
            patch[:, :, channel] = read[:, :, channel]
    out[...] = patch
