"""Ten crops of an image (section 4.1), and the mean of what a network says of them."""

import numpy as np


def ten_crops(images, size):
    """images (N,H,W,C) -> (N*10,size,size,C): four corners and the centre, then their mirror images."""
    _, H, W, _ = images.shape
    last_row, last_column = H - size, W - size
    patches = []
    for image in images:
        five = [
            image[top : top + size, left : left + size]
            for top, left in (
                (0, 0),
                (0, last_column),
                (last_row, 0),
                (last_row, last_column),
                (last_row // 2, last_column // 2),
            )
        ]
        patches += five + [patch[:, ::-1] for patch in five]
    return np.stack(patches)


def ten_crop_probabilities(logits):
    """p[n] = the mean of softmax(logits) over the ten patches of image n.  (N*10,M) -> (N,M)."""
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = exp / exp.sum(axis=1, keepdims=True)  # of each patch
    return p.reshape(-1, 10, p.shape[1]).mean(axis=1)
