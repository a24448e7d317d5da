"""Places as arrays, and a stack over all images."""

import numpy as np


def ten_crops(images, size):
    N, H, W, C = images.shape
    out = np.empty((N, 10, size, size, C), images.dtype)
    tops = [0, 0, H - size, H - size, (H - size) // 2]
    lefts = [0, W - size, 0, W - size, (W - size) // 2]
    for k, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        patch = images[:, top : top + size, left : left + size, :]
        out[:, k] = patch
        out[:, k + 5] = np.flip(patch, axis=2)
    return out.reshape(N * 10, size, size, C)


def ten_crop_probabilities(logits):
    N, M = len(logits) // 10, logits.shape[1]
    mean = np.zeros((N, M))
    for row in range(10 * N):
        e = np.exp(logits[row] - np.max(logits[row]))
        mean[row // 10] += e / e.sum() / 10
    return mean
