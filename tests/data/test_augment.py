"""Where patches lie, and how much colour noise there is, against the definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.data.augment import (
    Augmentation,
    center_patches,
    color_noise,
    principal_components,
    random_patches,
    ten_patches,
)
from minialex.rng import AUGMENT, generator

# Patches


def test_a_seed_means_these_patches_for_good():
    patches = random_patches(5, 224, generator(3, AUGMENT, 2, 1))
    assert patches.offsets.tolist() == [[3, 5], [24, 6], [2, 27], [21, 31], [3, 18]]
    assert patches.mirrored.tolist() == [True, False, False, False, False]
    assert patches.image.tolist() == [0, 1, 2, 3, 4] and patches.size == 224 and len(patches) == 5


def test_patches_lie_everywhere():
    patches = random_patches(50_000, 224, generator(0, AUGMENT))
    assert patches.offsets.min(axis=0).tolist() == [0, 0] and patches.offsets.max(axis=0).tolist() == [256 - 224] * 2
    different = np.unique(np.column_stack([patches.offsets, patches.mirrored]), axis=0)
    assert len(different) == 33 * 33 * 2 == 2178


def test_every_position_is_as_likely_as_any_other():
    patches = random_patches(18_000, 254, np.random.default_rng(0))
    counts = np.zeros((3, 3, 2), int)
    np.add.at(counts, (*patches.offsets.T, patches.mirrored.astype(int)), 1)
    assert abs(counts - 1000).max() < 5 * 1000**0.5  # and so none of the 18 is left out


@given(st.integers(1, 70), st.integers(1, 256), st.integers(1, 40), st.integers(0, 99))
def test_neighbours_share_a_draw(n, size, per_draw, seed):
    patches = random_patches(n, size, np.random.default_rng(seed), per_draw=per_draw)
    draws = random_patches(-(-n // per_draw), size, np.random.default_rng(seed))
    assert len(patches) == n and patches.image.tolist() == list(range(n))
    for k in range(n):
        assert patches.offsets[k].tolist() == draws.offsets[k // per_draw].tolist()
        assert patches.mirrored[k] == draws.mirrored[k // per_draw]
    assert patches.offsets.min() >= 0 and patches.offsets.max() <= 256 - size


@pytest.mark.parametrize(("size", "offset"), [(224, 16), (227, 14), (256, 0), (255, 0)])
def test_the_central_patch(size, offset):
    patches = center_patches(2, size)
    assert patches.offsets.tolist() == [[offset, offset]] * 2 and not patches.mirrored.any()
    assert patches.image.tolist() == [0, 1]


def test_the_patches_of_some_images():
    whole = random_patches(7, 200, generator(0, AUGMENT))
    some = whole.of(slice(2, 5))
    assert (len(some), some.size, some.image.tolist()) == (3, 200, [0, 1, 2])
    np.testing.assert_array_equal(some.offsets, whole.offsets[2:5])
    np.testing.assert_array_equal(some.mirrored, whole.mirrored[2:5])


def test_ten_patches_are_the_corners_and_the_centre_then_their_mirror_images():
    patches = ten_patches(2, 227)
    five = [[0, 0], [0, 29], [29, 0], [29, 29], [14, 14]]
    assert patches.offsets.tolist() == (five + five) * 2
    assert patches.mirrored.tolist() == ([False] * 5 + [True] * 5) * 2
    assert patches.image.tolist() == [0] * 10 + [1] * 10


@pytest.mark.parametrize("size", [0, 257])
def test_a_patch_that_does_not_fit_is_refused(size):
    for patches in (center_patches, ten_patches, lambda n, size: random_patches(n, size, np.random.default_rng())):
        with pytest.raises(ValueError, match=f"a patch of {size} pixels does not fit images of 256x256"):
            patches(2, size)


# Colour

VECTORS = np.array([[0.6, 0.48, 0.64], [-0.8, 0.36, 0.48], [0.0, -0.8, 0.6]])  # columns, orthonormal
STDEVS = np.array([20.0, 40.0, 120.0])
COVARIANCE = VECTORS * STDEVS**2 @ VECTORS.T
COVARIANCE = (COVARIANCE + COVARIANCE.T) / 2


def test_principal_components_of_a_covariance_made_from_them():
    stdevs, vectors = principal_components(COVARIANCE)
    np.testing.assert_allclose(stdevs, STDEVS, rtol=1e-12)
    np.testing.assert_allclose(vectors, VECTORS * [-1, -1, 1], atol=1e-12)  # the largest entry is positive


def test_principal_components_of_one_colour():
    stdevs, vectors = principal_components(np.ones((3, 3)))
    np.testing.assert_allclose(stdevs, [0, 0, 3**0.5], atol=1e-7)
    np.testing.assert_allclose(vectors[:, 2], 3**-0.5)


@pytest.mark.parametrize("wrong", [np.eye(2), np.arange(9.0).reshape(3, 3), np.full((3, 3), np.nan)])
def test_what_is_no_covariance_is_refused(wrong):
    with pytest.raises(ValueError, match="no covariance"):
        principal_components(wrong)


SPREADS = {"stdev": STDEVS, "eigenvalue": STDEVS**2, "unit": (STDEVS / 255) ** 2 * 255}


@pytest.mark.parametrize("color", SPREADS)
def test_colour_noise_is_independent_along_the_components(color):
    noise = color_noise(4000, COVARIANCE, Augmentation(color=color, color_sigma=0.2), np.random.default_rng(0))
    along = noise @ VECTORS / SPREADS[color]
    assert noise.shape == (4000, 3)
    np.testing.assert_allclose(along.mean(axis=0), 0, atol=0.2 * 4 / 4000**0.5)
    np.testing.assert_allclose(np.cov(along.T), 0.04 * np.eye(3), atol=0.04 * 4 * (2 / 4000) ** 0.5)


def test_each_image_has_a_draw_of_three():
    noise = color_noise(5, COVARIANCE, Augmentation(crops_per_draw=32, color="stdev"), np.random.default_rng(7))
    a = 0.1 * np.random.default_rng(7).standard_normal((5, 3))
    stdevs, vectors = principal_components(COVARIANCE)
    expected = [sum(vectors[:, k] * a[i, k] * stdevs[k] for k in range(3)) for i in range(5)]
    np.testing.assert_allclose(noise, expected, rtol=1e-12)


def test_without_colour_nothing_is_drawn():
    rng = np.random.default_rng(0)
    assert not color_noise(3, COVARIANCE, Augmentation(), rng).any()
    assert rng.random() == np.random.default_rng(0).random()


@pytest.fixture
def imagenet(real_data):
    stats = np.load(real_data / "ilsvrc2012_meta" / "imagenet_stats.npz")
    stdevs, vectors = (stats[f"krizhevsky_color_pca_{name}"].astype(np.float64) for name in ("stdevs", "vectors"))
    covariance = vectors * stdevs**2 @ vectors.T
    return (covariance + covariance.T) / 2


def test_the_sizes_that_the_documentation_tells(imagenet):
    """With ImageNet's covariance, along its first component."""
    stdevs, vectors = principal_components(imagenet)
    np.testing.assert_allclose(stdevs, [19.72, 37.09, 121.78], atol=0.005)
    for color, told in {"stdev": 12.2, "eigenvalue": 1483, "unit": 5.8}.items():
        assert str(told) in Augmentation.__doc__.replace(",", "")
        noise = color_noise(50_000, imagenet, Augmentation(color=color), np.random.default_rng(0))
        assert (noise @ vectors[:, 2]).std() == pytest.approx(told, rel=0.02)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"crops_per_draw": 0}, "0 crops"),
        ({"color": "hue"}, "'hue': choose none, stdev, eigenvalue, unit"),
        ({"color_sigma": -1.0}, "color_sigma -1.0"),
        ({"color_sigma": float("nan")}, "color_sigma nan"),
        ({"divisor": 0.0}, "divisor 0.0"),
        ({"divisor": float("inf")}, "divisor inf"),
    ],
)
def test_nonsense_is_refused(wrong, told):
    with pytest.raises(ValueError, match=told):
        Augmentation(**wrong)
