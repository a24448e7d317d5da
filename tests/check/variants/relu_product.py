"""A product with the mask; the cache is a dict."""


def relu_forward(x):
    return x * (x > 0), {"x": x}


def relu_backward(dy, cache):
    return dy * (cache["x"] > 0)
