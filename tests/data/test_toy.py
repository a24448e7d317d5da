import io
import pickle

import numpy as np
import pytest
from PIL import Image

from minialex.data import toy

EVERY = range(len(toy.CLASSES))


@pytest.fixture(scope="module")
def images():
    """Six images of every class, (10, 6, 256, 256, 3): class, index, pixels."""
    return np.stack([[toy.draw(label, i, "train") for i in range(6)] for label in EVERY])


def test_ten_classes_of_photo_sized_images(images):
    assert len(toy.CLASSES) == len(set(toy.CLASSES)) == 10
    assert images.shape[2:] == (256, 256, 3) and images.dtype == np.uint8


def test_an_image_is_a_function_of_its_arguments(images):
    for label in reversed(EVERY):  # in another order than the fixture drew them
        np.testing.assert_array_equal(toy.draw(label, 3, "train"), images[label, 3])


def test_the_images_are_those_of_this_revision(images):
    """Coarse statistics: another Pillow may round a pixel differently, but a changed drawing shows."""
    found = [(image.mean(), image.std(), image[96:160, 96:160].mean()) for image in images[:, 0]]
    assert toy.source(1, 1).revision == "2"  # the numbers below and the revision change together
    np.testing.assert_allclose(found, GOLDEN, rtol=0, atol=0.5)


GOLDEN = [  # mean, standard deviation, and mean of the middle, of image 0 of each class
    (130.5, 45.1, 132.3),  # ball
    (119.7, 48.3, 118.6),  # chessboard
    (137.6, 59.2, 84.2),  # die
    (109.8, 40.8, 97.2),  # doughnut
    (142.8, 37.5, 118.8),  # flower
    (152.4, 44.9, 181.8),  # gear
    (142.6, 39.8, 160.6),  # leaf
    (114.8, 36.4, 124.9),  # lollipop
    (192.3, 57.6, 136.2),  # star
    (201.1, 53.0, 182.7),  # wheel
]


def test_label_index_and_split_all_matter(images):
    base = images[4, 5].astype(float)
    for other in (toy.draw(5, 5, "train"), toy.draw(4, 6, "train"), toy.draw(4, 5, "val")):
        assert np.abs(base - other).mean() > 5


def test_every_image_of_the_two_splits_differs(images):
    val = [toy.draw(label, i, "val").tobytes() for label in EVERY for i in range(2)]
    assert len({*val, *(image.tobytes() for row in images for image in row)}) == 20 + 60


@pytest.mark.parametrize("label", EVERY)
def test_every_class_paints_a_thing_inside_its_frame(label):
    """The thing covers a fair part of its disc and nothing beyond it, but for the corners of the board."""
    for seed in range(5):
        rng, canvas = np.random.default_rng(seed), toy.Canvas()
        canvas.place((128, 128), 80, rng.random(), 0.9, rng.random())
        toy._DRAWN[label](canvas, toy.palette(rng), rng)
        cover = np.asarray(canvas.paint)[..., 3] > 0
        y, x = np.indices(cover.shape) - cover.shape[0] / 2
        distance = np.sqrt(x * x + y * y) / toy.FINE
        assert 0.15 < cover.sum() / (np.pi * (80 * toy.FINE) ** 2) < 1.0
        assert distance[cover].max() < 80 * 1.09
        assert (np.asarray(canvas.relief)[cover] > 0).all()


def test_colours_and_brightness_do_not_tell_the_class(images):
    """Who knows only the mean colour and the contrast, and takes the nearest class, stays near 1 in 10."""
    val_images = np.stack([[toy.draw(label, i, "val") for i in range(6)] for label in EVERY])
    train, val = (
        np.concatenate([a.mean(axis=(2, 3)), a.std(axis=(2, 3, 4))[..., None]], axis=-1)  # (10, n, 4)
        for a in (images[:, :, ::4, ::4], val_images[:, :, ::4, ::4])
    )
    scale = train.std(axis=(0, 1))
    distance = np.linalg.norm((val[:, :, None] - train.mean(axis=1)) / scale, axis=-1)
    assert (distance.argmin(axis=-1) == np.arange(10)[:, None]).mean() < 0.3


def test_a_png_decodes_to_the_drawn_pixels():
    for item in toy.source(2, 1).splits["val"][::4]:
        with Image.open(io.BytesIO(item.read())) as image:
            assert image.format == "PNG" and image.mode == "RGB"
            np.testing.assert_array_equal(np.asarray(image), toy.draw(item.label, 0, "val"))


def test_a_source_is_balanced_and_its_names_are_its_own():
    source = toy.source()
    assert source.classes == toy.CLASSES
    for split, count in (("train", 200), ("val", 50)):
        assert np.bincount([item.label for item in source.splits[split]]).tolist() == [count] * 10
    names = [item.name for items in source.splits.values() for item in items]
    assert len(set(names)) == len(names) == 2500


def test_items_travel_to_worker_processes():
    item = toy.source(1, 1).splits["train"][7]
    copy = pickle.loads(pickle.dumps(item))
    assert copy == item and copy.name == item.name and copy.read() == item.read()
    assert item.size == len(item.read())
    with pytest.raises(AttributeError):
        item.label = 3


@pytest.mark.parametrize("wrong", [(10, 0, "train"), (-1, 0, "train"), (0, -1, "val"), (0, 0, "test")])
def test_what_does_not_exist_is_not_drawn(wrong):
    with pytest.raises(ValueError, match="need 0 <= label < 10"):
        toy.draw(*wrong)
