"""The general eigenvalue routine, sorted; the noise component by component."""

import numpy as np


def principal_components(covariance):
    values, vectors = np.linalg.eig(covariance)
    order = np.argsort(values)
    values, vectors = values[order].real, vectors[:, order].real
    for i in range(3):
        vectors[:, i] *= 1 if max(vectors[:, i], key=abs) > 0 else -1
    return np.sqrt(values), vectors


def color_noise(images, a, stdevs, vectors):
    noise = sum(np.outer(a[:, i] * stdevs[i], vectors[:, i]) for i in range(3))
    return images + noise.reshape(-1, 1, 1, 3)
