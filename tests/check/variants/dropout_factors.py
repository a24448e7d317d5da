"""A table of factors; the cache is a dict."""


def dropout_forward(x, mask, p=0.5, inverted=False):
    scale = {(True, True): 1 / (1 - p), (True, False): 1.0, (False, True): 1.0, (False, False): 1 - p}
    cache = {"mask": mask, "scale": scale[mask is not None, inverted]}
    return _times(x, cache), cache


def dropout_backward(dy, cache):
    return _times(dy, cache)


def _times(v, cache):
    v = v * cache["scale"]
    return v if cache["mask"] is None else v * cache["mask"]
