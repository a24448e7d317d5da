"""What a training step needs of a device's memory, told before the first step."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from minialex.backend import xp_of
from minialex.errors import UserError
from minialex.layers import LRN, BatchNorm, Conv, MapNorm, Tanh
from minialex.ops import reference
from minialex.ops.windows import pair
from minialex.precision import cast, mixed
from minialex.rng import DROPOUT, generator

GIB = 2**30
USABLE = 0.9  # the share of a device's memory that arrays can fill: the rest is lost between them, and to libraries

# How many arrays as large as its input or output a layer's backward has at once, the gradient that it is given among
# them, and beside what its cache keeps.
ARRAYS = {LRN: 7, MapNorm: 9}
OTHERS = 4
WIDENED = (LRN, MapNorm, BatchNorm, Tanh)  # where it is float16 their backward has that many of float32 beside it


@dataclass(frozen=True)
class Need:
    """Bytes that a step needs at its fullest: in a layer's backward, or in the update where a batch is small.

    params: parameters, their velocities and their gradients.  image: for each image what all caches keep, and what the
    hungriest layer's backward has beside that.  update: what the update has, when caches are gone.
    """

    params: int
    image: int
    update: int

    def of(self, batch: int) -> int:
        """Bytes for a step on so many images."""
        return self.params + max(batch * self.image, self.update)

    def largest_batch(self, available: int) -> int:
        """The largest batch for which so many bytes are enough; 0 where there is none."""
        left = available - self.params
        return left // self.image if left >= self.update else 0


def estimate(layers, params, state, input_shape: tuple, *, dtype, beside: int = 0) -> Need:
    """What a step on the reference pairs needs, told from a table of layers and two images of zeros.

    They are sent through as in training, which says what caches keep. What a layer's backward has beside that is known
    from its kind: a convolution's largest array is that of im2col.

    input_shape: (H,W,C).  dtype: of the images.  beside: bytes for an image that others hold, as the data path does.
    """
    images = 2  # one alone has no variance where a layer normalises over the batch
    x = xp_of(*params.values()).zeros((images, *input_shape), dtype)
    used, ops = cast(params, dtype), mixed(reference, xp_of(x))
    caches, working = [], 0
    for layer in layers:
        y, cache = layer.forward(used, x, state=state, train=True, rng=generator(0, DROPOUT), ops=ops)
        working = max(working, _working(layer, x, y))
        caches.append(cache)
        x = y
    given = {id(value) for value in (used | state).values()}
    kept = sum({id(array): array.nbytes for array in _arrays(caches) if id(array) not in given}.values())
    sizes = [value.nbytes for value in params.values()]
    # In mixed precision a cast parameter and its gradient are together as large as a gradient is without it; the update
    # then has such gradients beside those that are divided by the loss scale.
    narrow = sum(value.nbytes for name, value in used.items() if value.dtype != params[name].dtype)
    return Need(3 * sum(sizes), (kept + working) // images + beside, max(sizes) + narrow)


def _working(layer, x, y) -> int:
    """Bytes that the layer's backward has at once, beside its cache, for the images of x."""
    if isinstance(layer, Conv):
        rows = y[..., 0].size * prod(pair(layer.kernel)) * x.shape[-1] // layer.groups * x.itemsize
        return rows + x.nbytes + y.nbytes
    largest, arrays = max(x.nbytes, y.nbytes), ARRAYS.get(type(layer), OTHERS)
    if x.dtype == "float16" and isinstance(layer, WIDENED):
        return largest + 2 * largest * arrays
    return largest * arrays


def _arrays(cache) -> Iterator:
    """All arrays in a nest of tuples, lists and dicts."""
    if isinstance(cache, dict):
        cache = tuple(cache.values())
    if isinstance(cache, (tuple, list)):
        for part in cache:
            yield from _arrays(part)
    elif hasattr(cache, "nbytes"):
        yield cache


def check_fits(need: Need, batch: int, available: int, *, rows: int | None = None) -> None:
    """Raise UserError, with a batch that fits, where a step on `batch` images needs more bytes than are available.

    rows: of the batch, on this device, where it is one of several.
    """
    usable, rows = int(USABLE * available), rows or batch
    if need.of(rows) <= usable:
        return
    fits = need.largest_batch(usable) * batch // rows
    advice = f"--batch {fits} fits" if fits else "even --batch 1 is too large: take a smaller --width"
    raise UserError(
        f"a batch of {batch} needs about {need.of(rows) / GIB:.1f} GiB on the device, which has "
        f"{usable / GIB:.1f} GiB for it: {advice}"
    )
