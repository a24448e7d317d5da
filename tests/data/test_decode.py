"""Decoding by Pillow's rules with our choices; the central square of 256x256."""

import csv
import io
import tarfile
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from minialex.data import decode as module
from minialex.data.decode import BrokenImage, decode, pillow_warnings, resize_crop


def encode(image, format="PNG", **options) -> bytes:
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, format, **options)
    return file.getvalue()


def random_pixels(*shape) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


ODD_NOTES = {
    "16bit.cropped.tif": ("16-bit",),
    "1_trns.png": ("1-bit", "alpha"),
    "caffe_cat.jpg": (),
    "caffe_fish-bike.jpg": (),
    "chi.gif": ("palette", "alpha", "first frame"),
    "flower.jpg": (),
    "hopper.gif": ("palette",),
    "hopper.jpg": (),
    "hopper_gray.jpg": ("grey",),
    "hopper_orientation_6.jpg": ("orientation 6",),
    "hopper_orientation_8.jpg": ("orientation 8",),
    "invalid-exif.jpg": (),
    "itxt_chunks.png": (),
    "pil123p.png": ("palette", "alpha"),
    "pil_sample_cmyk.jpg": ("CMYK",),
    "png_named.JPEG": ("PNG named .JPEG",),
    "tRNS_null_1x1.png": ("palette", "alpha"),
    "transparent.png": ("alpha",),
}


def test_odd_images_are_read_or_refused_as_their_manifest_says(real_data):
    folder = real_data / "odd_images"
    rows = list(csv.DictReader((folder / "manifest.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 21
    read = {}
    for row in rows:
        path = folder / row["file"]
        assert path.stat().st_size == int(row["bytes"])
        if row["convert_rgb"] != "ok":
            with pytest.raises(BrokenImage):
                decode(path.read_bytes())
            continue
        image, read[path.name] = decode(path.read_bytes(), path.name)
        assert image.shape == (int(row["height"]), int(row["width"]), 3) and image.dtype == np.uint8
        with Image.open(path) as original:
            if row["mode"] == "I;16":
                expected = np.rint(np.asarray(original) / 257).astype(int)[..., None]
            else:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # Pillow would have transparent palettes kept as RGBA
                    expected = np.asarray(original.convert("RGB")).astype(int)
        off = abs(image - expected).max()
        assert off <= (4 if row["format"] == "JPEG" else 0), (row["file"], off)
    assert read == ODD_NOTES


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken.png", "not an image"),
        ("truncated_image.png", "truncated"),
        ("decompression_bomb.gif", "decompression bomb"),
    ],
)
def test_the_reason_of_a_refusal_is_one_line(real_data, name, reason):
    with pytest.raises(BrokenImage, match=reason) as error:
        decode((real_data / "odd_images" / name).read_bytes())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_sixteen_bits_are_divided_by_257_and_rounded(dtype):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    image, notes = decode(encode(values.astype(dtype), "TIFF"))
    np.testing.assert_array_equal(image, np.rint(values / 257)[..., None].repeat(3, axis=2))
    assert notes == ("16-bit",)


@pytest.mark.parametrize("data", [b"P5 2 1 65535\n\x12\x34\xff\xff", b"P2 2 1 65535\n4660 65535"])
def test_sixteen_bits_in_a_mode_of_thirty_two(data):
    image, notes = decode(data)
    assert image[0, :, 0].tolist() == [round(0x1234 / 257), 255] and notes == ("16-bit",)


def test_values_beyond_sixteen_bits_are_clipped():
    image, _ = decode(encode(np.array([[-5, 70_000, 257]], np.int32), "TIFF"))
    assert image[0, :, 1].tolist() == [0, 255, 1]


def test_transparency_is_dropped_and_not_blended():
    rgba = random_pixels(9, 7, 4)
    image, notes = decode(encode(rgba))
    np.testing.assert_array_equal(image, rgba[..., :3])
    assert notes == ("alpha",)
    image, notes = decode(encode(rgba[..., :2].copy()))
    np.testing.assert_array_equal(image, rgba[..., :1].repeat(3, axis=2))
    assert notes == ("grey", "alpha")


def test_a_palette_whose_colours_are_partly_transparent():
    palette = random_pixels(256, 3)
    indices = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = Image.frombytes("P", (16, 16), indices.tobytes())
    picture.putpalette(palette.ravel().tolist())
    image, notes = decode(encode(picture, transparency=bytes(range(256))))
    np.testing.assert_array_equal(image, palette[indices])
    assert notes == ("palette", "alpha")


def test_grey_gives_three_equal_channels():
    grey = random_pixels(9, 7)
    image, notes = decode(encode(grey))
    np.testing.assert_array_equal(image, grey[..., None].repeat(3, axis=2))
    assert notes == ("grey",)


def test_one_bit_is_black_and_white():
    bits = random_pixels(9, 7) > 127
    image, notes = decode(encode(Image.fromarray(bits)))
    np.testing.assert_array_equal(image, 255 * bits[..., None].repeat(3, axis=2))
    assert notes == ("1-bit",)


@pytest.mark.parametrize(
    ("orientation", "notes"),
    [(0, ()), (1, ()), (2, ("orientation 2",)), (6, ("orientation 6",)), (8, ("orientation 8",)), (9, ())],
)
def test_orientation_is_noted_and_not_applied(orientation, notes):
    pixels = random_pixels(6, 9, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image, found = decode(encode(pixels, exif=exif.tobytes()))
    np.testing.assert_array_equal(image, pixels)
    assert found == notes


def test_the_first_frame_of_an_animation():
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue")]
    image, notes = decode(encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert (image == [255, 0, 0]).all() and image.shape == (4, 5, 3)
    assert notes == ("palette", "first frame")


@pytest.mark.parametrize(
    ("format", "name", "notes"),
    [
        ("PNG", "x.JPEG", ("PNG named .JPEG",)),
        ("JPEG", "x.png", ("JPEG named .png",)),
        ("JPEG", "x.jpg", ()),
        ("JPEG", "x.JPeG", ()),
        ("TIFF", "x.tif", ()),
        ("TIFF", "x.TIFF", ()),
        ("PNG", "", ()),
    ],
)
def test_a_name_that_tells_another_format_is_noted(format, name, notes):
    assert decode(encode(random_pixels(4, 4, 3), format), name)[1] == notes


def damaged_exif() -> bytes:
    """A JPEG whose EXIF claims an entry that lies beyond its end; Pillow reads it and warns."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\xff\0\0\0\x00\x10\0\0"
    return encode(random_pixels(8, 8, 3), "JPEG", exif=exif)


def test_warnings_become_notes_and_stay_with_their_image():
    good, bad = encode(random_pixels(8, 8, 3), "JPEG"), damaged_exif()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(bad)[1] == ("damaged metadata",)
        assert decode(good)[1] == ()
        with pillow_warnings(), ThreadPoolExecutor(4) as pool:
            notes = list(pool.map(lambda data: module._decode(data, "")[1], [good, bad, bad] * 50))
    assert notes == [(), ("damaged metadata",), ("damaged metadata",)] * 50


@pytest.mark.parametrize("side", [11, 15])
def test_decompression_bombs_are_errors_whether_pillow_warns_or_raises(monkeypatch, side):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    decode(encode(random_pixels(10, 10, 3)))
    with pytest.raises(BrokenImage, match="decompression bomb"):
        decode(encode(random_pixels(side, side, 3)))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_whatever_is_cut_off_an_image_it_is_refused(format):
    data = encode(random_pixels(40, 30, 3), format)
    for length in (0, 3, 20, len(data) // 3, len(data) * 2 // 3):
        with pytest.raises(BrokenImage, match="^[^\n]+$"):
            decode(data[:length])


@given(st.binary(max_size=60), st.sampled_from(["PNG", "JPEG", "GIF", "TIFF"]), st.integers(0, 200))
def test_damaged_bytes_give_an_image_or_a_reason(noise, format, at):
    data = bytearray(encode(random_pixels(9, 7, 3), format))
    data[at : at + len(noise)] = noise
    try:
        image, _ = decode(bytes(data))
    except BrokenImage as error:
        assert str(error) and "\n" not in str(error)
    else:
        assert image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8


def by_pillow(data: bytes) -> np.ndarray | None:
    try:
        return np.array(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    except (OSError, SyntaxError):
        return None


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": "4:4:4"}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("shape", [(37, 50, 3), (64, 64), (1, 1, 3)])
def test_jpegs_are_taken_from_the_fast_decoder_and_are_pillows(monkeypatch, shape, options):
    data = encode(np.sort(random_pixels(*shape), axis=0), "JPEG", quality=90, **options)
    pillow = by_pillow(data)
    monkeypatch.setattr(module, "_to_rgb", None)  # Pillow's pixels are not asked for
    image, notes = decode(data)
    assert np.abs(image - pillow).max() <= 2 and notes == (("grey",) if len(shape) == 2 else ())


@settings(max_examples=200)
@given(st.integers(2, 1500), st.binary(min_size=1, max_size=3))
def test_a_damaged_jpeg_is_read_or_refused_as_pillow_does(at, noise):
    data = bytearray(encode(np.sort(random_pixels(40, 60, 3), axis=1), "JPEG"))
    data[at : at + len(noise)] = noise
    pillow = by_pillow(bytes(data))
    if pillow is None:
        with pytest.raises(BrokenImage):
            decode(bytes(data))
    else:
        assert np.abs(decode(bytes(data))[0] - pillow).max() <= 4


def test_a_lack_of_memory_is_not_the_images_fault(monkeypatch):
    def fail(image):
        raise MemoryError

    monkeypatch.setattr(module, "_to_rgb", fail)
    with pytest.raises(MemoryError):
        decode(encode(random_pixels(4, 4, 3)))


# Resizing


def test_an_image_of_256_is_left_as_it_is():
    image = random_pixels(256, 256, 3)
    np.testing.assert_array_equal(resize_crop(image), image)
    wide = np.pad(image, ((0, 0), (20, 20), (0, 0)))
    np.testing.assert_array_equal(resize_crop(wide), image)
    tall = np.pad(image, ((7, 7), (0, 0), (0, 0)))
    np.testing.assert_array_equal(resize_crop(tall), image)


@settings(max_examples=40)
@given(st.integers(1, 500), st.integers(1, 500))
def test_the_central_square_keeps_its_shape(H, W):
    """Row and column numbers, as brightness, come back scaled alike and centred, for any shape."""
    rows, columns = np.mgrid[:H, :W]
    scale = 250 / max(H, W)
    image = np.stack([rows * scale, columns * scale, 0 * rows + 77], axis=2).round().astype(np.uint8)
    out = resize_crop(image).astype(float)
    assert out.shape == (256, 256, 3)
    side = min(H, W)
    places = (np.arange(256) + 0.5) * side / 256 - 0.5  # in pixels of the image's central square
    inner = (places > side / 256 + 1) & (places < side - 2 - side / 256)  # away from the edges' clamping
    for axis, length in enumerate((H, W)):
        expected = (places + (length - side) / 2) * scale
        got = out[..., axis].mean(axis=1 - axis)
        np.testing.assert_allclose(got[inner], expected[inner], atol=1.5)
    assert (out[..., 2] == 77).all()


def resize_all_then_crop(image: np.ndarray) -> np.ndarray:
    """torchvision's Resize(256) and CenterCrop(256), as its documentation has them, by Pillow."""
    H, W = image.shape[:2]
    size = (256, int(256 * H / W)) if W <= H else (int(256 * W / H), 256)
    left, top = (int(round((side - 256) / 2)) for side in size)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + 256, top + 256)))


@pytest.fixture(params=["cykooz-resizer", "Pillow"])
def resizer(request, monkeypatch):
    """With the fast resizer where there is one, and without."""
    if request.param == "Pillow":
        monkeypatch.setattr(module, "Resizer", None)
    elif module.Resizer is None:
        pytest.skip("cykooz-resizer is not installed")


SHAPES = [(256, 256), (375, 500), (500, 333), (257, 256), (300, 1999), (1200, 901), (56, 75), (1, 3), (7, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_resizing_the_square_is_resizing_all_and_cropping(resizer, shape):
    image = random_pixels(*shape, 3)
    off = np.abs(resize_crop(image).astype(int) - resize_all_then_crop(image))
    assert off.shape == (256, 256, 3) and off.max() <= 2 and off.mean() <= 0.3


def test_photographs_are_within_four_grey_levels_of_pillows(real_data, resizer):
    with tarfile.open(real_data / "imagenet_samples" / "imagenet_samples_97.tar") as tar:
        photos = [tar.extractfile(member).read() for member in tar if member.isreg()]
    assert len(photos) == 97
    for data in photos:
        expected = resize_all_then_crop(np.array(Image.open(io.BytesIO(data)).convert("RGB")))
        off = np.abs(resize_crop(decode(data)[0]).astype(int) - expected)
        assert off.max() <= 4 and off.mean() <= 0.5
