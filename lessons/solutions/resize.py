"""256x256 from a picture of any size (section 2)."""

import numpy as np
from PIL import Image


def resized_size(height, width):
    """The shorter side becomes 256, the longer one in proportion, rounded down."""
    shorter = min(height, width)
    return 256 * height // shorter, 256 * width // shorter


def resize_crop(image):
    """uint8 (H,W,3) -> uint8 (256,256,3): resized, then the centre cut out."""
    height, width = resized_size(*image.shape[:2])
    whole = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    top, left = round((height - 256) / 2), round((width - 256) / 2)
    return whole[top : top + 256, left : left + 256]
