"""What a network's input has to be, and its classes: what travels with the weights in an ONNX file's metadata."""

import base64
import json

import numpy as np

from minialex.data.preprocess import Preprocessing

METADATA = "minialex"  # the key of our entry, a JSON object
# (x / 255 - mean) / std of RGB images, the convention of all of torchvision's models.
TORCHVISION_MEAN, TORCHVISION_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN = (122.679, 116.669, 104.007)  # R, G, B


def declaration(preprocessing: Preprocessing, classes, words) -> str:
    """The entry: class names, words for them, preprocessing, and the mean image.

    The mean (256,256,3) is base64 of little-endian float32, or three numbers where it is one colour.
    """
    mean = np.asarray(preprocessing.mean, "<f4")
    plain = bool((mean == mean[0, 0]).all())
    entry = {
        "classes": list(classes),
        "words": list(words),
        "preprocessing": preprocessing.options(),
        "mean": mean[0, 0].tolist() if plain else base64.b64encode(mean.tobytes()).decode("ascii"),
    }
    return json.dumps(entry)


def declared(text: str) -> tuple[Preprocessing, tuple[str, ...], tuple[str, ...]]:
    """Preprocessing, classes and words of an entry. Raises an error of some kind for one that is damaged."""
    entry = json.loads(text)
    mean, classes, words = entry["mean"], tuple(entry["classes"]), tuple(entry["words"])
    if not all(isinstance(name, str) for name in classes + words):
        raise ValueError("its classes have names that are no text")
    if isinstance(mean, str):
        image = np.frombuffer(base64.b64decode(mean, validate=True), "<f4").reshape(256, 256, 3).astype("float32")
    else:
        image = one_colour(mean)
    if not np.isfinite(image).all():
        raise ValueError("its mean is not finite")
    return Preprocessing.from_config(image, entry), classes, words


def assumed(variant: str) -> tuple[Preprocessing, str]:
    """What a file of another program is taken to want of its input, and how that is said."""
    if variant == "owt":
        return torchvision(), "the file does not say what its input is; assumed: torchvision's"
    order = "BGR" if variant == "caffe" else "RGB"
    note = f"the file does not say what its input is; assumed: {order} minus Caffe's mean"
    return Preprocessing(one_colour(CAFFE_MEAN), order=order), note


def torchvision() -> Preprocessing:
    """torchvision's input in our terms: (pixel - 255 mean) / (255 std)."""
    mean = one_colour([255 * value for value in TORCHVISION_MEAN])
    return Preprocessing(mean, scale=tuple(1 / (255 * value) for value in TORCHVISION_STD), order="RGB")


def one_colour(rgb) -> np.ndarray:
    """A mean image of one colour."""
    return np.array(np.broadcast_to(np.array(rgb, "float32").reshape(3), (256, 256, 3)))


def describe(preprocessing: Preprocessing) -> str:
    """The input convention as a sentence."""
    colour = np.asarray(preprocessing.mean).mean(axis=(0, 1), dtype="float64")
    minus = " ".join(f"{value:.3f}" for value in colour)
    scale = "" if set(preprocessing.scale) == {1.0} else f", times {' '.join(f'{f:.6f}' for f in preprocessing.scale)}"
    return f"{preprocessing.order} channels; of pixels 0..255: minus a mean of R G B {minus}{scale}"
