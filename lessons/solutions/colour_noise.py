"""Colour noise (section 4.1)."""

import numpy as np


def principal_components(covariance):
    """(3,3) -> the standard deviations along the components, from the smallest, and the components as columns."""
    values, vectors = np.linalg.eigh(covariance)
    for i in range(3):
        component = vectors[:, i]
        if component[np.abs(component).argmax()] < 0:  # either sign is an eigenvector: fix one
            vectors[:, i] = -component
    return np.sqrt(values), vectors


def color_noise(images, a, stdevs, vectors):
    """Each image's own colour, added to all of its pixels.  images (N,H,W,3), a (N,3) -> (N,H,W,3)."""
    noise = np.einsum("ni,i,ci->nc", a, stdevs, vectors)  # (N,3): the components i are summed
    return images + noise[:, None, None, :]
