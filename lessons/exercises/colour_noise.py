"""Exercise: colour noise (section 4.1, lesson 08).

Check it with `python -m minialex check colour_noise`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def principal_components(covariance):
    """The standard deviations of RGB values along their principal components, and the components

    covariance  (3,3) of RGB values 0..255
    Returns stdevs (3,), the square roots of the eigenvalues, from the smallest; and vectors (3,3), whose COLUMNS are
    the components, each with the sign that makes its largest entry positive.
    """
    raise NotImplementedError("TODO")


def color_noise(images, a, stdevs, vectors):
    """To every pixel of image n is added [p1,p2,p3] [a[n,1] stdev1, a[n,2] stdev2, a[n,3] stdev3]^T

    images   (N,H,W,3)
    a        (N,3), drawn from N(0, 0.1) beforehand: three numbers an image
    stdevs, vectors  as principal_components gives them; p1, p2, p3 are the columns
    Returns (N,H,W,3); values may leave 0..255.
    """
    raise NotImplementedError("TODO")
