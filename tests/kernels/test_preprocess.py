"""The preprocessing in one kernel, on an emulated GPU: as the array code, reached through the batches, and refusals."""

import numpy as np
import pytest

from minialex import kernels
from minialex.data.augment import Augmentation, Patches, center_patches
from minialex.data.batches import train_batches
from minialex.data.preprocess import Preprocessing
from tests.data.test_batches import ARGUMENTS, COVARIANCE, FakeSplit
from tests.kernels.cases import LIMITS
from tests.kernels.others import IMAGES, MEAN, NOISE, OTHERS

CASES = {name: other for name, other in OTHERS.items() if other.pair == "preprocess"}


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_agrees_with_the_array_code(xp, case, dtype):
    case.check(dtype, xp)
    assert len(xp.downloads) == 1, "only what the test itself asked for comes to the host"


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("central", [False, True])
def test_it_makes_the_bits_of_the_array_code(xp, central, dtype):
    patches, how = center_patches(3, 227), {"noise": NOISE, "divisor": 1.1, "dtype": dtype}
    images = xp.asarray(IMAGES)
    ours = kernels.preprocess(Preprocessing(xp.asarray(MEAN), central), images, patches, **how)
    theirs = Preprocessing(MEAN, central).apply(IMAGES, patches, **how)
    np.testing.assert_array_equal(ours.get(), theirs, strict=True)


def test_batches_of_a_run_come_through_it(xp):
    """With its uploads: no pixel but the images' bytes, which go once."""
    how = ARGUMENTS | {"augmentation": Augmentation(color="stdev", divisor=1.1), "covariance": COVARIANCE}
    made = list(train_batches(FakeSplit(), Preprocessing(xp.asarray(MEAN)), **how, xp=xp, apply=kernels.preprocess))
    expected = list(train_batches(FakeSplit(), Preprocessing(MEAN), **how))
    assert xp.downloads == []
    sent = [shape for shape in xp.uploads if len(shape) > 2]
    assert sorted(sent) == [(3, 256, 256, 3), *[(5, 256, 256, 3)] * 4, (256, 256, 3)]  # threads send them: in any order
    for (x, t), (y, u) in zip(made, expected, strict=True):
        np.testing.assert_array_equal(x.get(), y, strict=True)
        np.testing.assert_array_equal(t.get(), u, strict=True)


def at(image=0, top=0, left=0, size=200):
    return Patches(size, np.array([image]), np.array([[top, left]]), np.array([False]))


OUTSIDE = {
    "below": (at(top=57), "leaves its image"),
    "to the left": (at(left=-1), "leaves its image"),
    "of no image": (at(image=3), "not among the 3"),
    "before the first": (at(image=-1), "not among the 3"),
}


@pytest.mark.parametrize("patches, told", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_patches_that_are_not_there_are_refused(xp, patches, told):
    with pytest.raises(ValueError, match=told):
        kernels.preprocess(Preprocessing(xp.asarray(MEAN)), xp.asarray(IMAGES), patches)


@pytest.mark.parametrize("images", [IMAGES[:, :200], IMAGES.astype("float32"), IMAGES[0]])
def test_what_is_no_batch_of_prepared_images_is_refused(xp, images):
    with pytest.raises(ValueError, match="they need to be uint8 of .N,256,256,3."):
        kernels.preprocess(Preprocessing(xp.asarray(MEAN)), xp.asarray(images), at())


def test_no_patches(xp):
    x = kernels.preprocess(Preprocessing(xp.asarray(MEAN)), xp.asarray(IMAGES[:0]), center_patches(0, 9))
    assert x.shape == (0, 9, 9, 3)
