"""What LRN and the normalisation inside a map share: y = x s^-beta with s = k + alpha sum x^2 over a neighbourhood."""

from functools import partial


def normalise(x, total, *, k, alpha, beta, power=2):
    """y, for any `total` that sums over a neighbourhood."""
    return x * (k + alpha * total(abs(x) ** power)) ** -beta


def gradient(dy, x, total, *, k, alpha, beta, direct=1.0, cross=2.0, exponent=1.0, back=None):
    """dx; the keywords after beta are what people get wrong."""
    s = k + alpha * total(x * x)
    back = back or total
    return direct * dy * s**-beta - cross * alpha * beta * x * back(dy * x * s ** -(beta + exponent))


def forward_mistakes(x, total, size, name, *, k, alpha, beta):
    """What people get wrong in the forward, whatever the neighbourhood; size is how many it holds, called `name`."""
    right = dict(k=k, alpha=alpha, beta=beta)
    for words, change in (
        (f"alpha is divided by {name} = {size}: here alpha multiplies the sum itself", dict(alpha=alpha / size)),
        ("k is left out of the sum", dict(k=0.0)),
        ("k is 1 whatever it is given as", dict(k=1.0)),
        ("k is 2 whatever it is given as", dict(k=2.0)),
        ("alpha is left out", dict(alpha=1.0)),
        ("alpha multiplies k too: it belongs to the sum alone", dict(k=alpha * k)),
        ("beta is left out: s is not raised to a power", dict(beta=1.0)),
        ("a square root in place of the power beta", dict(beta=0.5)),
        ("multiplied by s^beta instead of divided", dict(beta=-beta)),
        ("the values are summed, not their squares", dict(power=1)),
    ):
        yield words, partial(normalise, x, total, **right | change)
    yield "the values are summed, not their squares", lambda: x * (k + alpha * total(x)) ** -beta
    yield "this is s^-beta alone: x is left out", lambda: normalise(x, total, **right) / x
    yield "this is s, not x s^-beta", lambda: k + alpha * total(x * x)


def backward_mistakes(dy, x, total, size, name, *, k, alpha, beta):
    """What people get wrong in the backward, whatever the neighbourhood."""
    right = dict(k=k, alpha=alpha, beta=beta)
    s = k + alpha * total(x * x)

    def wrong(**change):
        return partial(gradient, dy, x, total, **right | change)

    def cross(inner, outer=1.0):
        return dy * s**-beta - 2 * alpha * beta * outer * total(inner)

    yield "the cross-term is missing: x also acts through the sums of its neighbours", wrong(cross=0.0)
    yield "the cross-term has the wrong sign: it should be subtracted", wrong(cross=-2.0)
    yield "the 2 of the cross-term is missing: the derivative of x^2 is 2 x", wrong(cross=1.0)
    yield "alpha is missing in the cross-term", wrong(cross=2 / alpha)
    yield "beta is missing in the cross-term", wrong(cross=2 / beta)
    yield f"alpha is divided by {name} = {size} in the cross-term", wrong(cross=2 / size)
    yield f"alpha is divided by {name} = {size} in the backward", wrong(alpha=alpha / size)
    yield "the exponent in the cross-term is -beta: it is -(beta + 1)", wrong(exponent=0.0)
    yield "the exponent in the cross-term is -(beta - 1): it is -(beta + 1)", wrong(exponent=-1.0)
    yield "dy s^-beta is missing: this is the cross-term alone", wrong(direct=0.0)
    yield "the cross-term has x itself alone: it sums over the neighbours", wrong(back=lambda v: v)
    yield (
        "dy stands outside the sum of the cross-term: each neighbour brings its own dy",
        lambda: cross(x * s ** -(beta + 1), dy * x),
    )
    yield (
        "s stands outside the sum of the cross-term: each neighbour brings its own s",
        lambda: cross(dy * x, x * s ** -(beta + 1)),
    )
    yield "x inside and outside the sum of the cross-term are mixed up", lambda: cross(dy * s ** -(beta + 1), x * x)
    yield (
        "x in front of the sum of the cross-term stands inside it, as the neighbour's",
        lambda: cross(dy * x * x * s ** -(beta + 1)),
    )
    yield "x in front of the sum of the cross-term is missing", lambda: cross(dy * x * s ** -(beta + 1))
