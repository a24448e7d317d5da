"""Colour noise along the principal components of RGB values (section 4.1)."""

import numpy as np

from minialex.check.cases import RESULT, SEED, Case, Exercise, function_case
from minialex.check.mistakes import Looks
from minialex.data.augment import principal_components

HINTS = (
    "np.linalg.eigh gives the eigenvalues of a symmetric matrix, from the smallest, and its eigenvectors as COLUMNS. "
    "Standard deviations are the square roots of eigenvalues. An eigenvector may come with either sign: turn each so "
    "that its largest entry is positive.",
    "One image's noise is a vector of three: the sum over components i of p_i a_i stdev_i, p_i being column i. For all "
    "images at once it is (a * stdevs) @ vectors.T, (N,3).",
    "The same three numbers go to every pixel of an image, and others to the next image: noise[:, None, None, :].",
)


def component_mistakes(covariance, which):
    """Known mistakes: (words, function that gives the wrong result)."""
    values, _ = np.linalg.eigh(covariance)
    stdevs, vectors = principal_components(covariance)
    if which == "stdevs":
        yield "these are the eigenvalues: standard deviations are their square roots", lambda: values
        yield "from the largest: they come from the smallest", lambda: stdevs[::-1]
        yield "these are the eigenvalues, from the largest", lambda: values[::-1]
        yield (
            "these are the standard deviations of the channels: take the eigenvalues' roots",
            lambda: np.sqrt(np.diag(covariance)),
        )
        yield "in units of images in [0,1]: pixels are 0..255", lambda: stdevs / 255
        yield "the eigenvalues in squared units of images in [0,1]: pixels are 0..255", lambda: values / 255**2
    else:
        yield "the components are rows: they should be columns", lambda: vectors.T
        yield "the components come from the largest eigenvalue: they come from the smallest", lambda: vectors[:, ::-1]
        yield (
            "the components are rows, from the largest eigenvalue: columns, from the smallest",
            lambda: vectors.T[::-1],
        )
        yield (
            "the signs: each component is turned so that its largest entry is positive",
            (
                Looks(
                    lambda got: (
                        got.shape == (3, 3) and np.allclose(abs(got), abs(vectors)) and not np.allclose(got, vectors)
                    )
                )
            ),
        )
        yield "the components are multiplied by their standard deviations: they have length 1", lambda: vectors * stdevs


def noise_mistakes(images, a, stdevs, vectors):
    """Known mistakes: (words, function that gives the wrong result)."""
    def added(noise):
        return lambda: images + noise[:, None, None, :]

    right = (a * stdevs) @ vectors.T
    yield "images are multiplied by the noise: it should be added", lambda: images * right[:, None, None, :]
    yield (
        "this is the noise alone: add it to the images",
        lambda: np.broadcast_to(right[:, None, None, :], images.shape),
    )
    yield (
        "the eigenvalues are used: it should be their square roots, stdevs as they are given",
        added((a * stdevs**2) @ vectors.T),
    )
    yield "the square roots of the stdevs: these are roots already", added((a * np.sqrt(stdevs)) @ vectors.T)
    yield "the components are taken as rows: they should be columns", added((a * stdevs) @ vectors)
    yield "the stdevs are left out", added(a @ vectors.T)
    yield "the components are left out: the noise is along R, G and B", added(a * stdevs)
    yield "the noise is subtracted", added(-right)
    yield "in units of images in [0,1]: divided by 255", added(right / 255)
    yield "a is multiplied by 0.1 again: it was drawn with that", added(right / 10)
    yield "one number for all three colours: each has its own", added(right.sum(axis=1, keepdims=True) * np.ones(3))
    yield (
        "the result is cut off at 0 and 255: it should not be",
        lambda: np.clip(images + right[:, None, None, :], 0, 255),
    )
    for index, which in ((0, "first"), (-1, "last")):
        one = np.broadcast_to(right[index], right.shape)
        yield f"one draw for all images, the {which}'s: each image has its own", added(one)
    yield (
        "the mean of the draws for all images: each image has its own",
        added(np.broadcast_to(right.mean(axis=0), right.shape)),
    )
    yield (
        "noise per pixel: one draw is added to every pixel of an image",
        Looks(lambda got: got.shape == images.shape and np.ptp(got - images, axis=(1, 2)).max() > 1e-6),
    )


def _cases():
    rng = np.random.default_rng(SEED)
    values = rng.integers(0, 256, (500, 1)) + rng.standard_normal((500, 3)) * [20, 5, 30]
    covariance = np.cov(values, rowvar=False)
    covariance = (covariance + covariance.T) / 2
    stdevs, vectors = principal_components(covariance)
    yield Case(
        stage=RESULT,
        about="principal_components",
        inputs=dict(covariance=covariance),
        call=lambda learner, covariance: dict(
            zip(("stdevs", "vectors"), learner.call("principal_components", covariance), strict=True)
        ),
        want=dict(stdevs=stdevs, vectors=vectors),
        known=lambda name: component_mistakes(covariance, name),
    )
    images, a = rng.integers(0, 256, (4, 5, 6, 3)).astype(float), 0.1 * rng.standard_normal((4, 3))
    for about, i, j, edge in (("color_noise", images, a, False), ("color_noise, one image", images[:1], a[:1], True)):
        given = dict(images=i, a=j, stdevs=stdevs, vectors=vectors)
        want = i + ((j * stdevs) @ vectors.T)[:, None, None, :]
        yield function_case(
            "color_noise",
            about,
            given,
            want,
            edge=edge,
            output="y",
            known=lambda name, given=given: noise_mistakes(**given),
        )


EXERCISE = Exercise("colour_noise", ("principal_components", "color_noise"), HINTS, lambda: list(_cases()))
