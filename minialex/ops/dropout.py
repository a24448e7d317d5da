"""Dropout (section 4.2), and masks whose bits depend on a key and a position only."""

from math import prod

from minialex.ops.checks import require, require_float, require_shape


def dropout_forward(x, *, mask, p=0.5, inverted=False):
    """Dropout (section 4.2): in training each unit is set to 0 with probability p.

                        training (mask of 0/1)   testing (mask=None)
    as in the paper     y = x mask               y = x (1 - p)
    inverted            y = x mask / (1 - p)     y = x

    x any shape; mask of that shape, or None; p in [0, 1) -> y and the cache.
    Raises ValueError for a type, mask or p that does not fit.
    """
    require_float("dropout", x=x)
    require(0 <= p < 1, f"dropout: p is {p}, it needs 0 <= p < 1")
    if mask is None:
        factor = 1.0 if inverted else 1.0 - p
    else:
        require_shape("dropout", "mask", mask.shape, x.shape, "one 0 or 1 for each element of x")
        factor = mask.astype(x.dtype)
        factor = factor / (1.0 - p) if inverted else factor
    return x * factor, factor


def dropout_backward(dy, cache):
    """Gradient of dropout: dx = dy times the factor that the forward used, the same mask and the same scale."""
    factor = cache
    return dy * factor


def dropout_mask(shape, p, rng, *, xp, dtype="bool"):
    """A mask of 0 (with probability p) and 1: the same bits on NumPy and on a GPU.

    One 64-bit key comes from `rng`, a NumPy generator; element i is 1 where the i-th output of SplitMix64 from
    that key is at least p 2^64. Returns an array of `shape`, made by `xp`.
    """
    key, least = key_and_least(p, rng)
    bits = splitmix64(key, prod(shape), xp=xp)
    return (bits >= xp.uint64(least)).reshape(shape).astype(dtype)


def key_and_least(p, rng):
    """What a mask is made from: the 64-bit key that `rng` gives, and the least 64 bits that make a 1, p 2^64."""
    require(0 <= p < 1, f"dropout: p is {p}, it needs 0 <= p < 1")
    return int(rng.integers(2**64, dtype="uint64")), int(p * 2**64)


def splitmix64(key, count, *, xp):
    """The first `count` outputs of SplitMix64 from the state `key`, as uint64 (count,), all at once.

    Its state only counts up by a constant, so that output i is a hash of key + (i + 1) times the constant
    (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). Arithmetic is modulo 2^64.
    """
    u64 = xp.uint64  # CuPy 14 overflows on Python's own ints above the largest int64
    z = xp.arange(1, count + 1, dtype=u64) * u64(0x9E3779B97F4A7C15) + u64(key)
    z = (z ^ (z >> 30)) * u64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> 27)) * u64(0x94D049BB133111EB)
    return z ^ (z >> 31)
