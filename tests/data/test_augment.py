"""Crops, mirroring and the mean against plain slices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.data.augment import center_crop, random_crop_mirror, subtract_mean


@st.composite
def images_and_size(draw):
    N, H, W = draw(st.integers(1, 4)), draw(st.integers(1, 12)), draw(st.integers(1, 12))
    images = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, (N, H, W, 3), dtype=np.uint8)
    return images, draw(st.integers(1, min(H, W)))


def naive(image, size, offset, mirror):
    top, left = offset
    patch = image[top : top + size, left : left + size]
    return np.flip(patch, axis=1) if mirror else patch


@given(images_and_size(), st.integers(0, 1000))
def test_random_crops_are_slices_of_the_images(case, seed):
    images, size = case
    before = images.copy()
    crops, offsets, mirrored = random_crop_mirror(images, size, np.random.default_rng(seed))
    assert crops.shape == (len(images), size, size, 3) and crops.dtype == np.uint8
    assert mirrored.dtype == bool and offsets.shape == (len(images), 2)
    for crop, image, offset, mirror in zip(crops, images, offsets, mirrored, strict=True):
        np.testing.assert_array_equal(crop, naive(image, size, offset, mirror))
    np.testing.assert_array_equal(images, before)


def test_every_position_is_as_likely_as_any_other():
    images = np.zeros((18_000, 4, 5, 3), np.uint8)
    _, offsets, mirrored = random_crop_mirror(images, 3, np.random.default_rng(0))
    counts = np.zeros((2, 3, 2), int)
    np.add.at(counts, (offsets[:, 0], offsets[:, 1], mirrored.astype(int)), 1)
    assert abs(counts - 1500).max() < 5 * 1500**0.5  # and so none of the 12 is left out


def test_a_256_image_has_33_by_33_patches_of_224():
    images = np.broadcast_to(np.zeros((256, 256, 3), np.uint8), (400, 256, 256, 3))
    _, offsets, _ = random_crop_mirror(images, 224, np.random.default_rng(1))
    assert offsets.min(axis=0).tolist() == [0, 0] and offsets.max(axis=0).tolist() == [32, 32]


@pytest.mark.parametrize(("size", "top", "left"), [(4, 2, 1), (5, 1, 1), (7, 0, 0)])
def test_the_central_patch(size, top, left):
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 7, 3), dtype=np.uint8)
    crops, offsets, mirrored = center_crop(images, size)
    np.testing.assert_array_equal(crops, images[:, top : top + size, left : left + size])
    assert offsets.tolist() == [[top, left]] * 2 and not mirrored.any()


@pytest.mark.parametrize(("size", "offset"), [(224, 16), (227, 14)])
def test_the_central_patch_of_the_networks(size, offset):
    assert center_crop(np.zeros((1, 256, 256, 3), np.uint8), size)[1].tolist() == [[offset, offset]]


@given(images_and_size(), st.integers(0, 1000), st.sampled_from(["float32", "float64"]))
def test_the_mean_is_subtracted_where_each_pixel_lay(case, seed, dtype):
    images, size = case
    mean = np.random.default_rng(seed).uniform(0, 255, images.shape[1:]).astype(np.float32)
    for crops, offsets, mirrored in (
        random_crop_mirror(images, size, np.random.default_rng(seed)),
        center_crop(images, size),
    ):
        before = crops.copy()
        x = subtract_mean(crops, mean, offsets, mirrored, dtype)
        difference = images.astype(np.float64) - mean
        expected = [naive(*args) for args in zip(difference, [size] * len(images), offsets, mirrored, strict=True)]
        assert x.dtype == dtype
        np.testing.assert_allclose(x, expected, rtol=0, atol=2e-5 if dtype == "float32" else 0)
        np.testing.assert_array_equal(crops, before)


@pytest.mark.parametrize("crop", [center_crop, lambda images, size: random_crop_mirror(images, size, None)])
@pytest.mark.parametrize(
    ("images", "size", "got"),
    [
        (np.zeros((2, 8, 6, 3), np.uint8), 7, "7 pixels does not fit images of 8x6"),
        (np.zeros((2, 8, 6, 3), np.uint8), 0, "0 pixels"),
        (np.zeros((2, 8, 6, 3), np.float32), 5, "float32"),
        (np.zeros((2, 8, 6, 4), np.uint8), 5, r"\(2, 8, 6, 4\)"),
        (np.zeros((8, 6, 3), np.uint8), 5, r"\(8, 6, 3\)"),
    ],
)
def test_wrong_images_and_sizes_are_named(crop, images, size, got):
    with pytest.raises(ValueError, match=got):
        crop(images, size)
