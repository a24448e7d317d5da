"""Which patch of which image, mirrored or not, and how much colour noise: section 4.1 of the paper.

Here it is decided; `preprocess` cuts the pixels. Decisions are small host arrays, whatever the network runs on.
"""

from dataclasses import dataclass

import numpy as np

SIDE = 256  # pixels of a prepared image, section 2
COLORS = ("none", "stdev", "eigenvalue", "unit")


@dataclass(frozen=True, eq=False)
class Patches:
    """P square patches of a batch of images: patch p lies in image `image[p]`, its top left at `offsets[p]`."""

    size: int  # pixels
    image: np.ndarray  # (P,) int64
    offsets: np.ndarray  # (P,2) int64, top and left
    mirrored: np.ndarray  # (P,) bool

    def __len__(self) -> int:
        return len(self.image)

    def of(self, images: slice) -> "Patches":
        """Those of some images alone, counted anew, where each image has one patch."""
        offsets, mirrored = self.offsets[images], self.mirrored[images]
        return Patches(self.size, np.arange(len(mirrored)), offsets, mirrored)


@dataclass(frozen=True)
class Augmentation:
    """How training images are varied (section 4.1). The paper and its code leave open what colour noise is exactly.

    crops_per_draw: consecutive images of a batch that share one draw of place and mirroring: 1, or 32 as in the
        released code of 2012. Colour noise is drawn for each image in both ("once per image per use").
    color: what is added to every pixel of an image, for the eigenvalues l and eigenvectors p of the covariance of
        RGB values and a ~ N(0, color_sigma) drawn three times an image. In pixels 0..255, with ImageNet's covariance
        and sigma 0.1, the noise along the first component has the standard deviation on the right.
        "none"        nothing
        "stdev"       p a sqrt(l)    12.2    what the released code does
        "eigenvalue"  p a l          1,483   the paper to the letter: noise that drowns every image
        "unit"        p a l          5.8     with l of images in [0,1], as later re-implementations have it
    divisor: (patch - mean + noise) / divisor wherever there is noise, so that images stay on the scale of those
        without: 1.1 in the released code.
    """

    crops_per_draw: int = 1
    color: str = "none"
    color_sigma: float = 0.1
    divisor: float = 1.0

    def __post_init__(self):
        if self.crops_per_draw < 1:
            raise ValueError(f"{self.crops_per_draw} crops share a draw: expected at least 1")
        if self.color not in COLORS:
            raise ValueError(f"there is no colour noise {self.color!r}: choose {', '.join(COLORS)}")
        if not 0 <= self.color_sigma < np.inf or not 0 < self.divisor < np.inf:
            raise ValueError(
                f"color_sigma {self.color_sigma} and divisor {self.divisor} must be finite, and not below 0"
            )


def random_patches(n: int, size: int, rng: np.random.Generator, *, per_draw: int = 1) -> Patches:
    """A random patch of each of n images, every other one mirrored on average (section 4.1).

    Of an image of 256x256 there are 33 x 33 x 2 = 2178 such patches of 224x224 (the paper says 2048).

    size: side of a patch in pixels.  rng: decides place and mirroring.  per_draw: so many neighbours share a draw.
    Raises ValueError if a patch does not fit.
    """
    draws = -(-n // per_draw)
    offsets = rng.integers(0, _positions(size), size=(draws, 2))
    mirrored = rng.random(draws) < 0.5
    shared = np.arange(n) // per_draw
    return Patches(size, np.arange(n), offsets[shared], mirrored[shared])


def center_patches(n: int, size: int) -> Patches:
    """The central patch of each of n images, as in validation. Raises ValueError if a patch does not fit."""
    middle = (_positions(size) - 1) // 2
    return Patches(size, np.arange(n), np.full((n, 2), middle), np.zeros(n, bool))


def ten_patches(n: int, size: int) -> Patches:
    """Ten patches of each of n images: the four corners and the centre, then their mirror images (section 4.1).

    The ten of an image follow each other: patch 10 k + j belongs to image k. Raises ValueError if a patch does not fit.
    """
    last = _positions(size) - 1
    five = [(0, 0), (0, last), (last, 0), (last, last), (last // 2, last // 2)]
    return Patches(size, np.repeat(np.arange(n), 10), np.tile(five + five, (n, 1)), np.tile(np.arange(10) >= 5, n))


def _positions(size: int) -> int:
    """In how many places along a side a patch fits."""
    if not 1 <= size <= SIDE:
        raise ValueError(f"a patch of {size} pixels does not fit images of {SIDE}x{SIDE}")
    return SIDE - size + 1


def principal_components(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The principal components of RGB values (section 4.1).

    covariance: (3,3) in squared pixels 0..255.
    Returns (stdevs (3,), the square roots of the eigenvalues, from the smallest, and vectors (3,3), whose columns are
    the components, each with its largest entry positive: their signs are arbitrary and would differ between machines).
    Raises ValueError where it is no covariance.
    """
    covariance = np.asarray(covariance, np.float64)
    if covariance.shape != (3, 3) or not np.isfinite(covariance).all() or (covariance != covariance.T).any():
        raise ValueError(f"{covariance.tolist()} is no covariance of RGB: expected a symmetric (3,3)")
    values, vectors = np.linalg.eigh(covariance)
    largest = np.abs(vectors).argmax(axis=0)
    return np.sqrt(np.maximum(values, 0)), vectors * np.sign(vectors[largest, range(3)])


def color_noise(n: int, covariance: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """What to add to every pixel of each of n images: [p1,p2,p3][a1 l1, a2 l2, a3 l3]^T (section 4.1).

    covariance: (3,3) of RGB in squared pixels 0..255.  augmentation: which l, and the spread of a.
    Returns (n,3) float64 in pixels 0..255; zeros, and nothing is drawn, for the colour "none".
    """
    if augmentation.color == "none":
        return np.zeros((n, 3))
    stdevs, vectors = principal_components(covariance)
    size = {"stdev": stdevs, "eigenvalue": stdevs**2, "unit": stdevs**2 / 255}[augmentation.color]
    return rng.standard_normal((n, 3)) * augmentation.color_sigma * size @ vectors.T
