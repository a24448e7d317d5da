"""A fully connected layer (section 3.5): three matrix products and a sum."""


def linear_forward(x, W, b):
    """y = x W + b.  x (N,D), W (D,M), b (M,) -> y (N,M), cache."""
    return x @ W + b, (x, W)


def linear_backward(dy, cache):
    """dx = dy W^T, dW = x^T dy, db = sum of dy over the batch: each has the shape of its array."""
    x, W = cache
    dx = dy @ W.T  # (N,M) (M,D)
    dW = x.T @ dy  # (D,N) (N,M): the batch is summed in the product
    db = dy.sum(axis=0)
    return dx, dW, db
