"""Singular values of a symmetric matrix are its eigenvalues; a loop over the images."""

import numpy as np


def principal_components(covariance):
    vectors, values, _ = np.linalg.svd(covariance)
    vectors, values = vectors[:, ::-1], values[::-1]
    signs = np.sign(np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0))
    return values**0.5, vectors * signs


def color_noise(images, a, stdevs, vectors):
    out = images.astype(float).copy()
    for n in range(len(images)):
        out[n] += vectors @ (a[n] * stdevs)
    return out
