"""Each colour resized by itself as floating-point numbers, rounded at the end."""

import numpy as np
from PIL import Image


def resized_size(height, width):
    shorter = min(height, width)
    return [256 * height // shorter, 256 * width // shorter]


def resize_crop(image):
    height, width = resized_size(*image.shape[:2])
    colours = []
    for c in range(3):
        plane = Image.fromarray(image[:, :, c].astype(np.float32))
        colours.append(np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR)))
    whole = np.stack(colours, axis=2)
    top, left = (height - 256) // 2, (width - 256) // 2
    return np.round(whole[top : top + 256, left : left + 256]).astype(np.uint8)
