"""Exercise: 256x256 from a picture of any size (section 2, lesson 02).

Check it with `python -m minialex check resize`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def resized_size(height, width):
    """What the sides become when the shorter one becomes 256 and the picture keeps its shape: (height, width)

    The longer side is rounded down.
    """
    raise NotImplementedError("TODO")


def resize_crop(image):
    """The picture at that size, and of it the central 256 x 256

    image  uint8 (H,W,3)
    Returns uint8 (256,256,3). The filter is bilinear: PIL.Image.fromarray(image).resize((width, height),
    PIL.Image.Resampling.BILINEAR). Two grey levels more or less are fine.
    """
    raise NotImplementedError("TODO")
