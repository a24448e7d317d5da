"""Dropout (section 4.2): x times a factor, in training and in testing."""


def dropout_forward(x, *, mask, p=0.5, inverted=False):
    """y = x times a factor: of 0 and 1 in training, of 1 - p in testing; inverted, the scaling is done in training."""
    training = mask is not None
    if training and inverted:
        factor = mask / (1 - p)
    elif training:
        factor = mask
    elif inverted:
        factor = 1.0
    else:
        factor = 1 - p
    return (x * factor).astype(x.dtype), factor


def dropout_backward(dy, cache):
    """dx = dy times the same factor: the mask that was drawn once, and the same scaling."""
    factor = cache
    return (dy * factor).astype(dy.dtype)
