"""The images are mirrored as a whole first, where left and right change places."""

import numpy as np


def ten_crops(images, size):
    five, turned = places(images, size, False), places(images[:, :, ::-1], size, True)
    return np.concatenate([five, turned], axis=1).reshape(-1, size, size, images.shape[3])


def places(images, size, mirrored):
    _, H, W, _ = images.shape
    lefts = [0, W - size, 0, W - size, (W - size) // 2]
    if mirrored:
        lefts = [W - size - left for left in lefts]
    tops = [0, 0, H - size, H - size, (H - size) // 2]
    return np.stack([images[:, t : t + size, s : s + size] for t, s in zip(tops, lefts, strict=True)], axis=1)


def ten_crop_probabilities(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    p = np.exp(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
    return p.reshape(len(p) // 10, 10, -1).sum(axis=1) / 10
