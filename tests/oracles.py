"""Every pair once more, as slow loops written from the formulas: what the fast code must agree with.

Forward functions return y; `*_grad` functions take dy and return the gradients in the order of the pair's
arrays. All of them compute in float64. Nothing here may be taken from minialex.
"""

import math

import numpy as np


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def pad_widths(pad):
    return ((pad, pad), (pad, pad)) if isinstance(pad, int) else pad


def zero_padded(x, pad):
    return np.pad(x, ((0, 0), *pad_widths(pad), (0, 0)))


def without_padding(x, pad):
    (top, bottom), (left, right) = pad_widths(pad)
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


def steps(size, kernel, stride):
    """How many windows of `kernel` fit into `size`: counted, one by one."""
    return len([start for start in range(0, size, stride) if start + kernel <= size])


# windows.py


def im2col(x, kernel, stride, pad):
    """Each row is one window, its values in the order row, column, channel."""
    padded, (KH, KW), (sh, sw) = zero_padded(x, pad), kernel, pair(stride)
    N, H, W, _ = padded.shape
    places = [(n, i, j) for n in range(N) for i in range(steps(H, KH, sh)) for j in range(steps(W, KW, sw))]
    return np.array([padded[n, i * sh : i * sh + KH, j * sw : j * sw + KW].ravel() for n, i, j in places])


def col2im(cols, x_shape, kernel, stride, pad):
    """Each pixel is the sum of its copies in `cols`."""
    numbers = np.arange(1, np.prod(x_shape) + 1).reshape(x_shape)  # 0 is what padding reads
    sums = np.zeros(np.prod(x_shape) + 1)
    for number, value in zip(im2col(numbers, kernel, stride, pad).ravel(), cols.ravel(), strict=True):
        sums[number] += value
    return sums[1:].reshape(x_shape)


# conv.py


def conv(x, W, b, stride=1, pad=0, groups=1):
    """y[n,i,j,o] = b[o] + sum of W[:,:,:,o] times the window at (i,j) of the channels of o's group."""
    padded, (sh, sw), (KH, KW, CG, OC) = zero_padded(x, pad), pair(stride), W.shape
    y = np.zeros((len(x), steps(padded.shape[1], KH, sh), steps(padded.shape[2], KW, sw), OC))
    for n, i, j, o in np.ndindex(y.shape):
        g = o // (OC // groups)
        window = padded[n, i * sh : i * sh + KH, j * sw : j * sw + KW, g * CG : (g + 1) * CG]
        y[n, i, j, o] = b[o] + np.sum(window * W[:, :, :, o])
    return y


def conv_grad(dy, x, W, b, stride=1, pad=0, groups=1):
    padded, (sh, sw), (KH, KW, CG, OC) = zero_padded(x, pad), pair(stride), W.shape
    dpadded, dW, db = np.zeros(padded.shape), np.zeros(W.shape), np.zeros(b.shape)
    for n, i, j, o in np.ndindex(dy.shape):
        g = o // (OC // groups)
        window = np.s_[n, i * sh : i * sh + KH, j * sw : j * sw + KW, g * CG : (g + 1) * CG]
        dpadded[window] += dy[n, i, j, o] * W[:, :, :, o]
        dW[:, :, :, o] += dy[n, i, j, o] * padded[window]
        db[o] += dy[n, i, j, o]
    return without_padding(dpadded, pad), dW, db


# linear.py


def linear(x, W, b):
    y = np.zeros((x.shape[0], W.shape[1]))
    for n, m in np.ndindex(y.shape):
        y[n, m] = b[m] + sum(x[n, d] * W[d, m] for d in range(x.shape[1]))
    return y


def linear_grad(dy, x, W, b):
    dx, dW, db = np.zeros(x.shape), np.zeros(W.shape), np.zeros(b.shape)
    for n, m in np.ndindex(dy.shape):
        db[m] += dy[n, m]
        for d in range(x.shape[1]):
            dx[n, d] += dy[n, m] * W[d, m]
            dW[d, m] += dy[n, m] * x[n, d]
    return dx, dW, db


# activations.py


def relu(x):
    return np.reshape([max(0.0, v) for v in x.ravel()], x.shape)


def relu_grad(dy, x):
    return np.reshape([d if v > 0 else 0.0 for d, v in zip(dy.ravel(), x.ravel(), strict=True)], x.shape)


def tanh(x):
    return np.reshape([math.tanh(v) for v in x.ravel()], x.shape)


def tanh_grad(dy, x):
    return np.reshape([d / math.cosh(v) ** 2 for d, v in zip(dy.ravel(), x.ravel(), strict=True)], x.shape)


# lrn.py


def lrn_window(c, C, n, groups):
    """The channels whose squares enter the sum of channel c: n around it, none of another group."""
    return [j for j in range(C) if abs(j - c) <= n // 2 and j // (C // groups) == c // (C // groups)]


def lrn_sums(x, n, k, alpha, groups):
    s = np.full(x.shape, float(k))
    for c in range(x.shape[-1]):
        for j in lrn_window(c, x.shape[-1], n, groups):
            s[..., c] += alpha * x[..., j] ** 2
    return s


def lrn(x, n=5, k=2.0, alpha=1e-4, beta=0.75, groups=1):
    return x / lrn_sums(x, n, k, alpha, groups) ** beta


def lrn_grad(dy, x, n=5, k=2.0, alpha=1e-4, beta=0.75, groups=1):
    """y_c = x_c s_c^-beta, so that dy_c reaches x_c itself and, through s_c, each x_j of the window."""
    s, C = lrn_sums(x, n, k, alpha, groups), x.shape[-1]
    dx = dy * s**-beta
    for c in range(C):
        for j in lrn_window(c, C, n, groups):
            ds = dy[..., c] * -beta * x[..., c] * s[..., c] ** (-beta - 1)
            dx[..., j] += ds * 2 * alpha * x[..., j]
    return dx


# pool.py


def max_pool_winners(x, kernel=3, stride=2):
    """{place in y: place in x of the window's maximum}; max() keeps the first of equals, row by row."""
    (KH, KW), (sh, sw), (N, H, W, C) = pair(kernel), pair(stride), x.shape
    winners = {}
    for n, i, j, c in np.ndindex(N, steps(H, KH, sh), steps(W, KW, sw), C):
        window = [(n, i * sh + u, j * sw + v, c) for u in range(KH) for v in range(KW)]
        winners[n, i, j, c] = max(window, key=lambda place: x[place])
    return winners


def max_pool(x, kernel=3, stride=2):
    winners = max_pool_winners(x, kernel, stride)
    y = np.zeros(np.add(max(winners), 1))  # the last place is the shape less one
    for place, winner in winners.items():
        y[place] = x[winner]
    return y


def max_pool_grad(dy, x, kernel=3, stride=2):
    dx = np.zeros(x.shape)
    for place, winner in max_pool_winners(x, kernel, stride).items():
        dx[winner] += dy[place]
    return dx


# dropout.py


def dropout(x, mask, p=0.5, inverted=False):
    if mask is None:
        return x * (1.0 if inverted else 1 - p)
    return np.where(mask == 1, x / (1 - p) if inverted else x, 0.0)


def dropout_grad(dy, x, mask, p=0.5, inverted=False):
    return dropout(dy, mask, p, inverted)  # linear, and the same factor on the way back


def splitmix64(state):
    """Steele, Lea and Flood (2014): the next state and its output, in Python's unbounded integers."""
    state = (state + 0x9E3779B97F4A7C15) % 2**64
    z = state
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return state, z ^ (z >> 31)


# softmax.py


def softmax(row):
    powers = [math.exp(v - max(row)) for v in row]
    return [v / math.fsum(powers) for v in powers]


def softmax_cross_entropy(logits, t):
    return -math.fsum(math.log(softmax(row)[label]) for row, label in zip(logits, t, strict=True)) / len(t)


def softmax_cross_entropy_grad(dloss, logits, t):
    dlogits = np.array([softmax(row) for row in logits])
    for n, label in enumerate(t):
        dlogits[n, label] -= 1
    return dloss * dlogits / len(t)


# batchnorm.py


def batchnorm(x, gamma, beta, eps=1e-5, mean=None, var=None):
    y = np.zeros(x.shape)
    for c in range(x.shape[-1]):
        v = x[..., c]
        m = np.sum(v) / v.size if mean is None else mean[c]
        s2 = np.sum((v - m) ** 2) / v.size if var is None else var[c]
        y[..., c] = gamma[c] * (v - m) / math.sqrt(s2 + eps) + beta[c]
    return y


def batchnorm_grad(dy, x, gamma, beta, eps=1e-5):
    """The chain rule as Ioffe and Szegedy (2015) print it in section 3, a channel at a time."""
    dx, dgamma, dbeta = np.zeros(x.shape), np.zeros(gamma.shape), np.zeros(beta.shape)
    for c in range(x.shape[-1]):
        v, d, m = x[..., c], dy[..., c], x[..., c].size
        mean = np.sum(v) / m
        var = np.sum((v - mean) ** 2) / m
        dhat = d * gamma[c]
        dvar = np.sum(dhat * (v - mean)) * -0.5 * (var + eps) ** -1.5
        dmean = np.sum(dhat) * -1 / math.sqrt(var + eps) + dvar * np.sum(-2 * (v - mean)) / m
        dx[..., c] = dhat / math.sqrt(var + eps) + dvar * 2 * (v - mean) / m + dmean / m
        dgamma[c] = np.sum(d * (v - mean)) / math.sqrt(var + eps)
        dbeta[c] = np.sum(d)
    return dx, dgamma, dbeta


def batchnorm_testing_grad(dy, x, gamma, beta, mean, var, eps=1e-5):
    """With mean and variance given the pair is linear in x."""
    dx, dgamma, dbeta = np.zeros(x.shape), np.zeros(gamma.shape), np.zeros(beta.shape)
    for c in range(x.shape[-1]):
        root = math.sqrt(var[c] + eps)
        dx[..., c] = dy[..., c] * gamma[c] / root
        dgamma[c] = np.sum(dy[..., c] * (x[..., c] - mean[c])) / root
        dbeta[c] = np.sum(dy[..., c])
    return dx, dgamma, dbeta


# mapnorm.py


def map_window(size, H, W, i, j):
    """The pixels of an H x W map inside the size x size square around (i, j)."""
    return [(u, v) for u in range(H) for v in range(W) if abs(u - i) <= size // 2 and abs(v - j) <= size // 2]


def mapnorm_sums(x, size, k, alpha):
    s, (_, H, W, _) = np.full(x.shape, float(k)), x.shape
    for i, j in np.ndindex(H, W):
        for u, v in map_window(size, H, W, i, j):
            s[:, i, j] += alpha * x[:, u, v] ** 2
    return s


def mapnorm(x, size=5, k=1.0, alpha=1e-3 / 25, beta=0.75):
    return x / mapnorm_sums(x, size, k, alpha) ** beta


def mapnorm_grad(dy, x, size=5, k=1.0, alpha=1e-3 / 25, beta=0.75):
    s, (_, H, W, _) = mapnorm_sums(x, size, k, alpha), x.shape
    dx = dy * s**-beta
    for i, j in np.ndindex(H, W):
        for u, v in map_window(size, H, W, i, j):
            ds = dy[:, i, j] * -beta * x[:, i, j] * s[:, i, j] ** (-beta - 1)
            dx[:, u, v] += ds * 2 * alpha * x[:, u, v]
    return dx
