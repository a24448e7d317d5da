"""One encoded image to RGB pixels, and those to the 256x256 that the network is trained on (section 2).

Pillow decides what is an image and what there is to say of it. The pixels of a plain JPEG come from simplejpeg, which
has the same libjpeg-turbo inside and hands them over in less time, and cykooz-resizer resizes as Pillow does, by vector
instructions. Scaled decoding, which JPEG allows, is not used: it misses Pillow's pixels by up to 17 grey levels.
"""

import io
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

try:
    from cykooz_resizer import CropBox, FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
except ImportError:  # no wheel for this machine: Pillow resizes, within two grey levels of it
    Resizer = None

from minialex.data.packed import IMAGE, SIDE

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
ALIASES = {"JPG": "JPEG", "MPO": "JPEG", "TIF": "TIFF"}  # of formats and suffixes
MODES = {"L": "grey", "LA": "grey", "P": "palette", "PA": "palette", "1": "1-bit", "RGBA": "RGB"}
ORIENTATION = 0x0112  # the EXIF tag


class BrokenImage(ValueError):
    """Bytes that are no image, or not a whole one; the message is one line."""


class _Heard(threading.local):
    """What Pillow warned of while this thread decoded its image."""

    def __init__(self):
        self.warnings = []


_heard = _Heard()


@contextmanager
def pillow_warnings():
    """Within, Pillow's warnings become notes of the image that caused them, decompression bombs errors.

    Python's warning filters belong to the process: this stands around a pool of threads, not inside it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.showwarning = lambda message, *rest: _heard.warnings.append(message)
        yield


def decode(data: bytes, name: str = "") -> tuple[np.ndarray, tuple[str, ...]]:
    """Decode an encoded image by Pillow's rules to RGB, with three choices of our own.

    16-bit grey values are divided by 257 and rounded (Pillow clips them to white); transparency is dropped,
    not blended; EXIF orientation is not applied. Of an animation the first frame is taken.

    data: the bytes of a file.  name: its name, to notice a format that its suffix does not tell.
    Returns (image uint8 (H,W,3), notes): notes tell what was converted ("grey", "CMYK", "orientation 6").
    Raises BrokenImage with the reason.
    """
    with pillow_warnings():
        return _decode(data, name)


def _decode(data: bytes, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    _heard.warnings.clear()
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            pixels = _from_plain_jpeg(image, data)
            return np.array(_to_rgb(image)) if pixels is None else pixels, _notes(image, name)
    except MemoryError:
        raise
    except Exception as error:  # crafted bytes make Pillow raise nearly anything
        reason = "not an image" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise BrokenImage(" ".join(reason.split()) or type(error).__name__) from error


def _from_plain_jpeg(image: Image.Image, data: bytes) -> np.ndarray | None:
    """The pixels of a JPEG in colour or grey without a fault; None for all else, and Pillow judges."""
    if image.format not in ("JPEG", "MPO") or image.mode not in ("RGB", "L"):
        return None
    try:
        return simplejpeg.decode_jpeg(data, "RGB")
    except ValueError:
        return None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # I;16 in either byte order, or I, which some formats use for 16 bits
        values = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def _notes(image: Image.Image, name: str) -> tuple[str, ...]:
    mode = "16-bit" if image.mode.startswith("I") else MODES.get(image.mode, image.mode)
    orientation = image.getexif().get(ORIENTATION, 1)
    suffix = Path(name).suffix
    claimed = suffix[1:].upper()
    notes = {
        mode: mode != "RGB",
        "alpha": image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info,
        "first frame": getattr(image, "is_animated", False),
        f"orientation {orientation}": orientation in range(2, 9),  # 1 is upright, 0 means nothing
        "damaged metadata": bool(_heard.warnings),
        f"{image.format} named {suffix}": suffix
        and ALIASES.get(claimed, claimed) != ALIASES.get(image.format, image.format),
    }
    return tuple(note for note, holds in notes.items() if holds)


def resize_crop(image: np.ndarray) -> np.ndarray:
    """Bring the shorter side to 256 pixels, keep the aspect ratio, cut out the central 256x256 (section 2).

    The pixels are those of torchvision's Resize(256) and CenterCrop(256), which round the longer side down and the
    cut to a whole pixel, but nothing is computed of what would be cut off. Bilinear with Pillow's antialiasing: the
    field's usual choice, and it does not overshoot as bicubic does.

    image: uint8 (H,W,3).  Returns uint8 (256,256,3); an image of 256x256 comes back unchanged.
    """
    shorter = min(image.shape[:2])
    (rows, top, height), (columns, left, width) = (_central(length, shorter) for length in image.shape[:2])
    image = image[rows, columns]
    if Resizer is None:
        box = (left, top, left + width, top + height)
        return np.array(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box))
    bilinear = ResizeAlg.convolution(FilterType.bilinear)
    options = ResizeOptions(resize_alg=bilinear, crop_box=CropBox(left, top, width, height))
    H, W = image.shape[:2]
    square = ImageData(SIDE, SIDE, PixelType.U8x3)
    Resizer().resize(ImageData(W, H, PixelType.U8x3, image.tobytes()), square, options)
    return np.frombuffer(square.get_buffer(), np.uint8).reshape(IMAGE)


def _central(length: int, shorter: int) -> tuple[slice, float, float]:
    """Where the 256 central pixels of a resized side come from: the pixels that have a part in them, and among these
    the place at which they begin and how far they reach, in pixels before resizing."""
    resized = SIDE * length // shorter
    scale = length / resized
    start = round((resized - SIDE) / 2) * length / resized
    reach = scale + 1  # of the filter, beyond the cut
    first = max(0, int(start - reach))
    return slice(first, int(start + SIDE * scale + reach) + 1), start - first, SIDE * length / resized
