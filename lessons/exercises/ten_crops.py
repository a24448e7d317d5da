"""Exercise: ten crops of an image (section 4.1, lesson 08).

Check it with `python -m minialex check ten_crops`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def ten_crops(images, size):
    """Ten patches of each image: top left, top right, bottom left, bottom right, centre, then the five mirrored

    images  (N,H,W,C)
    size    side of a patch, in pixels
    Returns (N*10,size,size,C): the ten of an image follow each other. The centre's place is rounded down. A mirror
    image exchanges left and right.
    """
    raise NotImplementedError("TODO")


def ten_crop_probabilities(logits):
    """p[n] = the mean of softmax(logits) over the ten patches of image n

    logits  (N*10,M), the ten of an image next to each other
    Returns p (N,M).
    """
    raise NotImplementedError("TODO")
