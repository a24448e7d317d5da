"""Pixels against the definition, in the simplest words: (patch - mean + noise) scale / divisor."""

import json

import numpy as np
import pytest

from minialex.backend import to_numpy
from minialex.data.augment import Patches, center_patches, random_patches, ten_patches
from minialex.data.preprocess import Preprocessing
from minialex.errors import UserError
from tests.strict_cupy import StandIn

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 256, 256, 3), dtype=np.uint8)
MEAN = RNG.uniform(0, 255, (256, 256, 3)).astype(np.float32)
NOISE = RNG.normal(0, 10, (3, 3))
PATCHES = {
    "random": lambda: random_patches(3, 199, np.random.default_rng(4)),
    "central": lambda: center_patches(3, 227),
    "ten": lambda: ten_patches(2, 251),
}


def place(size, top, left, mirrored):
    """Rows and columns of a patch in its image."""
    columns = np.arange(left, left + size)
    return np.arange(top, top + size)[:, None], columns[::-1] if mirrored else columns


def definition(patches, *, central=False, scale=(1, 1, 1), order="RGB", noise=None, divisor=1):
    """In float64."""
    made = []
    for p, image in enumerate(patches.image):
        at = place(patches.size, *patches.offsets[p], patches.mirrored[p])
        middle = (256 - patches.size) // 2
        mean = MEAN[place(patches.size, middle, middle, False) if central else at].astype(np.float64)
        x = IMAGES[image][at] - mean + (0 if noise is None else noise[p])
        x = x * scale / divisor
        made.append(x if order == "RGB" else np.stack([x[..., 2], x[..., 1], x[..., 0]], axis=-1))
    return np.stack(made)


@pytest.fixture(params=["on the host", "on a device"])
def apply(request):
    """apply(patches, options, **how): IMAGES preprocessed, one by one on the host or all at once on a device."""

    def apply(patches, options, **how):
        if request.param == "on the host":
            return Preprocessing(MEAN, **options).apply(IMAGES, patches, **how)
        xp = StandIn()
        return to_numpy(Preprocessing(xp.asarray(MEAN), **options).apply(xp.asarray(IMAGES), patches, **how))

    return apply


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", PATCHES)
def test_the_mean_is_subtracted_where_each_pixel_lay(apply, kind, dtype):
    patches = PATCHES[kind]()
    before = IMAGES.copy(), MEAN.copy()
    x = apply(patches, {}, dtype=dtype)
    assert x.shape == (len(patches), patches.size, patches.size, 3)
    np.testing.assert_array_equal(x, definition(patches).astype(dtype), strict=True)  # one rounding: the same bits
    np.testing.assert_array_equal(IMAGES, before[0])
    np.testing.assert_array_equal(MEAN, before[1])


def test_float16_is_rounded_once_from_float32(apply):
    given = {"noise": NOISE, "divisor": 1.1}
    x, x16 = (apply(PATCHES["random"](), {}, **given, dtype=d) for d in ("float32", "float16"))
    np.testing.assert_array_equal(x16, x.astype("float16"), strict=True)


OPTIONS = {
    "central": {"central": True},
    "scale": {"scale": (0.5, -2.0, 3.0)},
    "order": {"order": "BGR"},
    "all": {"central": True, "scale": (0.5, 2.0, 3.0), "order": "BGR"},
}


@pytest.mark.parametrize("noisy", [False, True], ids=["", "noisy"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_every_option_does_what_it_says(apply, options, noisy):
    patches = PATCHES["random"]()
    assert patches.mirrored.any() and not patches.mirrored.all()
    colour = {"noise": NOISE, "divisor": 1.1} if noisy else {}
    x = apply(patches, options, **colour, dtype="float64")
    np.testing.assert_allclose(x, definition(patches, **options, **colour), rtol=1e-12, atol=1e-12)
    assert x.flags.c_contiguous


def test_noise_alone_and_divisor_alone(apply):
    patches = PATCHES["random"]()
    for colour in ({"noise": NOISE}, {"divisor": 2.0}):
        x = apply(patches, {}, **colour)
        np.testing.assert_allclose(x, definition(patches, **colour), rtol=0, atol=1e-4)


def test_patches_in_any_number_from_any_image(apply):
    patches = Patches(3, np.array([2, 0, 2, 2]), np.array([[0, 0], [253, 1], [7, 253], [8, 9]]), np.arange(4) > 1)
    x = apply(patches, {})
    np.testing.assert_array_equal(x, definition(patches).astype("float32"))
    assert apply(center_patches(0, 224), {}).shape == (0, 224, 224, 3)


def test_the_options_travel_as_json():
    for options in ({}, *OPTIONS.values()):
        one = Preprocessing(MEAN, **options)
        config = json.loads(json.dumps({"preprocessing": one.options()}))
        other = Preprocessing.from_config(MEAN, config)
        assert other.mean is MEAN
        assert (other.central, other.scale, other.order) == (one.central, one.scale, one.order)
    plain = Preprocessing.from_config(MEAN, {})
    assert plain.options() == Preprocessing(MEAN).options() == {"central": False, "scale": [1, 1, 1], "order": "RGB"}


@pytest.mark.parametrize(
    "wrong",
    [{"order": "GBR"}, {"scale": [1, 2]}, {"scale": 3}, {"scale": ["a", 1, 1]}, {"scale": [1, 1, "x"]}, {"size": 3}, 7],
)
def test_a_config_that_says_nonsense_is_told_in_one_line(wrong):
    with pytest.raises(UserError, match="preprocessing .* cannot be used") as error:
        Preprocessing.from_config(MEAN, {"preprocessing": wrong})
    assert "\n" not in str(error.value)


def test_a_mean_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(224, 224, 3\): expected \(256, 256, 3\)"):
        Preprocessing(MEAN[:224, :224])
