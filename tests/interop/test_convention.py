import json

import numpy as np
import pytest

from minialex.data.augment import center_patches
from minialex.data.preprocess import Preprocessing
from minialex.interop.convention import assumed, declaration, declared, describe, torchvision


def test_the_input_is_torchvisions():
    """(x / 255 - mean) / std, in RGB, of the central 224 of 256 pixels."""
    images = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    x = torchvision().apply(images, center_patches(2, 224))
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(x, (images[:, 16:240, 16:240] / 255 - mean) / std, rtol=0, atol=1e-5)


@pytest.mark.parametrize("colours", [1, 256])
def test_a_declaration_says_it_all(colours):
    mean = np.random.default_rng(0).uniform(90, 130, (colours, colours, 3)).astype("float32")
    mean = np.array(np.broadcast_to(mean, (256, 256, 3)))
    mine = Preprocessing(mean, central=True, scale=(1, 0.1, 2), order="BGR")
    its, classes, words = declared(declaration(mine, ["a", "b"], ["Hund", "猫"]))
    assert its.mean.tobytes() == mean.tobytes() and its.mean.dtype == np.float32 and its.mean.flags.writeable
    assert (its.options(), classes, words) == (mine.options(), ("a", "b"), ("Hund", "猫"))


def test_a_mean_of_one_colour_is_three_numbers(made):
    colour = np.float32([103.1, 116.7, 0.1])
    mean = np.array(np.broadcast_to(colour, (256, 256, 3)))
    told = json.loads(declaration(Preprocessing(mean), ["a", "b"], ["cat", "dog"]))
    assert (np.float32(told["mean"]) == colour).all()
    assert told["classes"] == ["a", "b"] and told["words"] == ["cat", "dog"]
    mean[255, 255, 2] += 1
    assert isinstance(json.loads(declaration(Preprocessing(mean), [], []))["mean"], str)


def test_the_input_in_words():
    mean = np.array(np.broadcast_to(np.float32([3, 2, 1]), (256, 256, 3)))
    assert describe(Preprocessing(mean)) == "RGB channels; of pixels 0..255: minus a mean of R G B 3.000 2.000 1.000"
    assert describe(Preprocessing(mean, scale=(1, 0.5, 1), order="BGR")).startswith("BGR channels")
    assert describe(Preprocessing(mean, scale=(1, 0.5, 1))).endswith("times 1.000000 0.500000 1.000000")


@pytest.mark.parametrize("variant, order", [("caffe", "BGR"), ("paper", "RGB"), ("code2012", "RGB"), ("bn", "RGB")])
def test_what_is_assumed(variant, order):
    preprocessing, note = assumed(variant)
    assert (preprocessing.order, preprocessing.scale, preprocessing.central) == (order, (1, 1, 1), False)
    np.testing.assert_allclose(preprocessing.mean[100, 7], [122.679, 116.669, 104.007], rtol=1e-6)
    assert f"assumed: {order} minus Caffe's mean" in note


def test_torchvisions_is_assumed_for_its_network():
    preprocessing, note = assumed("owt")
    assert preprocessing.options() == torchvision().options() and "assumed: torchvision's" in note
