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
        xp, size = xp_of(images), patches.size
        order = slice(None, None, 1 if self.order == "RGB" else -1)
        part, colour = self._mean_parts(xp, size, order, dtype), self._colour(xp, size, order, noise, divisor, dtype)
        x = xp.empty((len(patches), size, size, 3), dtype)
        places = zip(patches.image.tolist(), patches.offsets.tolist(), patches.mirrored.tolist(), strict=True)
        for p, (image, (top, left), mirrored) in enumerate(places):  # all of one patch, while it is in the cache
            out = x[p]
            patch = images[image, top : top + size, left : left + size]
            _cast(patch.copy()[:, ::-1, order] if mirrored else patch[..., order], out)
            out -= part(top, left, mirrored)
            colour(p, out)
        return x

    def _mean_parts(self, xp, size: int, order: slice, dtype):
        """The function (top, left, mirrored) -> the part of the mean image to subtract from such a patch."""
        mean = xp.ascontiguousarray(xp.asarray(self.mean)[..., order].astype(dtype, copy=False))
        if self.central:
            middle = (SIDE - size) // 2
            part = mean[middle : middle + size, middle : middle + size]
            return lambda top, left, mirrored: part
        flipped = xp.ascontiguousarray(mean[:, ::-1])  # once: to read it backwards for each patch is slow

        def part_at(top, left, mirrored):
            image, left = (flipped, SIDE - size - left) if mirrored else (mean, left)
            return image[top : top + size, left : left + size]

        return part_at

    def _colour(self, xp, size: int, order: slice, noise, divisor: float, dtype):
        """The function (p, out) that adds patch p's noise to out (size,size,3), and scales and divides it, in place."""
        factor = (np.asarray(self.scale)[order] / divisor).astype(dtype)
        factor = None if (factor == 1).all() else xp.tile(xp.asarray(factor), size)  # (size 3,)
        shift = None if noise is None else xp.tile(xp.asarray(noise[:, order].astype(dtype)), size)  # (P,size 3)

        def colour(p, out):
            line = out.reshape(size, size * 3)  # the same memory: NumPy is slow along three channels, fast along a line
            if shift is not None:
                line += shift[p]
            if factor is not None:
                line *= factor

        return colour


def _cast(patch, out) -> None:
    """Copy uint8 pixels into `out` of another type.

    NumPy reads planes backwards five times faster than triples of bytes, and from a copy, which is in the processor's
    cache, twice as fast again.
    """
    if patch.strides[1:] != (3, 1):
        xp = xp_of(patch)
        read, patch = patch, xp.empty(patch.shape, patch.dtype)
        for channel in range(3):
            patch[:, :, channel] = read[:, :, channel]
    out[...] = patch
