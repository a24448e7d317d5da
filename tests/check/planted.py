"""Mistakes as learners make them: right code, of the solutions or of tests/check/variants, with one thing wrong.

Each row: the exercise; the file it is planted in, without .py; what is replaced, which must occur in the file; by what
(where both are tuples, pair by pair); and a part of what the checker must say.
"""
# ruff: noqa: E501  the table below has one row a line

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS, VARIANTS = ROOT / "lessons" / "solutions", Path(__file__).parent / "variants"


class Planted(NamedTuple):
    exercise: str
    base: str
    old: str | tuple
    new: str | tuple
    says: str

    @property
    def path(self) -> Path:
        """The right file."""
        return (SOLUTIONS if self.base == self.exercise else VARIANTS) / f"{self.base}.py"

    @property
    def edits(self) -> list:
        """(old, new) pairs."""
        return [(self.old, self.new)] if isinstance(self.old, str) else list(zip(self.old, self.new, strict=True))

    @property
    def what(self) -> str:
        """The change in one line, for the table."""
        return "; ".join(
            f"{' '.join(old.split())} => {' '.join(new.split()) or '(nothing)'}" for old, new in self.edits
        )

    def source(self) -> str:
        """The wrong file's text."""
        text = self.path.read_text(encoding="utf-8")
        for old, new in self.edits:
            assert old in text, f"{self.path.name} has no {old!r}"
            text = text.replace(old, new)
        return text


PLANTED = [Planted(*row) for row in (
    # linear: transposed, factors, the batch sum
    ("linear", "linear", "x @ W + b", "x @ W", "the bias is not added"),
    ("linear", "linear", "x @ W + b", "x @ W - b", "the bias is subtracted"),
    ("linear", "linear", "dW = x.T @ dy ", "dW = dy.T @ x ", "transposed"),
    ("linear", "linear", "dx, dW, db\n", "dx, db, dW\n", "dW: shape (4,), expected (5,4) -> this is db: the results come in the order dx, dW, db"),
    ("batchnorm", "batchnorm", "dx, dgamma, dbeta\n", "dx, dbeta, dgamma\n", "this is dbeta: the results come in the order dx, dgamma, dbeta"),
    ("linear", "linear", "dW = x.T @ dy ", "dW = (dy.T @ x).reshape(W.shape) ", "reshaped where it is to be transposed"),
    ("linear", "linear", "dW = x.T @ dy ", "dW = x.T @ dy / len(dy) ", "every entry is x0.3333: divided by N here AND in the loss: drop one"),
    ("linear", "linear", "db = dy.sum(axis=0)", "db = dy.mean(axis=0)", "divided by N here AND in the loss: drop one"),
    ("linear", "linear", "db = dy.sum(axis=0)", "db = dy.sum(axis=0) * len(dy)", "every entry is x3: times N"),
    ("linear", "linear", "db = dy.sum(axis=0)", "db = -dy.sum(axis=0)", "every entry is x-1: the sign is wrong"),
    ("linear", "linear", "db = dy.sum(axis=0)", "db = 2 * dy.sum(axis=0)", "every entry is x2: a factor 2 too much"),
    ("linear", "linear", "dx = dy @ W.T", "dx = 0.5 * dy @ W.T", "every entry is x0.5: a factor 2 is missing"),
    ("linear", "linear", "dx = dy @ W.T", "dx = 0.7 * dy @ W.T", "every entry is x0.7: a constant factor"),
    ("linear", "linear", "dx = dy @ W.T", "dx = 0 * x", "every entry is 0"),
    ("linear", "linear_loops", "dW[:, m] += dy", "dW[:, m] = dy", "sum over the batch missing: gradient of the LAST image only"),
    ("linear", "linear_loops", "db[m] += dy", "db[m] = dy", "sum over the batch missing: gradient of the LAST image only"),
    ("linear", "linear", "db = dy.sum(axis=0)", "db = dy[0]", "sum over the batch missing: gradient of the FIRST image only"),
    ("linear", "linear", "db = dy.sum(axis=0)", "db = dy", "the sum over the batch is missing: not summed over axis 0"),
    ("linear", "linear", "db = dy.sum(axis=0)", "db = dy.sum(axis=0)[::-1]", "flipped"),
    ("linear", "linear", "dW = x.T @ dy ", "import numpy as np; dW = x.T @ np.ones_like(dy) ", "dy is not used"),
    ("linear", "linear", "dW = x.T @ dy ", "import numpy as np; dW = np.outer(x.mean(axis=0), dy.sum(axis=0)) ", "x is averaged over the batch first"),
    ("linear", "linear", "return x @ W + b", "x *= 1.01; return (x / 1.01) @ W + b", "changed in place"),
    ("linear", "linear", "dx = dy @ W.T", "dy *= 2; dx = dy @ W.T", "dy: changed in place"),
    # convolution: overlap, stride, pad, flip, groups, flatten order
    ("conv", "conv", "dxpad[:, rows, columns, channels] +=", "dxpad[:, rows, columns, channels] =", '"=" where "+=" is needed'),
    ("conv", "conv_im2col", "g * Cg : (g + 1) * Cg] += dcols", "g * Cg : (g + 1) * Cg] = dcols", '"=" where "+=" is needed'),
    ("conv", "conv", "(SH, SW), pads = both_ways(stride)", "(SH, SW), pads = (1, 1)", "stride is ignored"),
    ("conv", "conv", "pads = both_ways(stride), all_sides(pad)", "pads = both_ways(stride), all_sides(0)", "pad is ignored"),
    ("conv", "conv", "pads = both_ways(stride), all_sides(pad)", "pads = both_ways(pad if pad else stride), all_sides(stride if pad else pad)", "stride and pad are swapped"),
    ("conv", "conv", "(SH, SW), pads = both_ways(stride)", "(SW, SH), pads = both_ways(stride)", "stride swapped"),
    ("conv", "conv", "((0, 0), *pads, (0, 0))", "((0, 0), *pads[::-1], (0, 0))", "pad swapped: (top, bottom) is used for left and right"),
    ("conv", "conv_loops", "xp[:, top : top + H, left : left + Wd] = x", "xp[:, bottom : bottom + H, right : right + Wd] = x", "pad swapped: top for bottom"),
    ("conv", "conv", 'np.einsum("nuvc,uvco->no", window, W[..., maps])', 'np.einsum("nuvc,uvco->no", window, W[::-1, ::-1, :, maps])', "the kernel is flipped both ways"),
    ("conv", "conv", 'np.einsum("nuvc,uvco->no", window, W[..., maps])', 'np.einsum("nuvc,uvco->no", window, W[:, ::-1, :, maps])', "the kernel is flipped horizontally"),
    ("conv", "conv", "dy[:, i, j, maps], W[..., maps])", "dy[:, i, j, maps], W[::-1, ::-1, :, maps])", "the kernel is flipped"),
    ("conv", "conv", "slice(g * Cg, (g + 1) * Cg), slice(g * maps", "slice(0, Cg), slice(g * maps", "every group reads the channels of the first"),
    ("conv", "conv", "slice(g * Cg, (g + 1) * Cg), slice(g * maps", "slice(g, None, groups), slice(g * maps", "the channels are interleaved"),
    ("conv", "conv", "slice(g * maps, (g + 1) * maps)) for", "slice(g, None, groups)) for", "interleaved"),
    ("conv", "conv_im2col", "transpose(0, 1, 2, 4, 5, 3)", "transpose(0, 1, 2, 3, 4, 5)", "flatten order: windows are flattened as (C,KH,KW) and W as (KH,KW,C)"),
    ("conv", "conv_im2col", "transpose(0, 1, 2, 4, 5, 3)", "transpose(0, 1, 2, 5, 4, 3)", "flatten order: windows are flattened as (KW,KH,C)"),
    ("conv", "conv_im2col", "dcols = (dyg @ Wg.reshape(-1, OC // groups).T).reshape(N, OH, OW, KH, KW, Cg)", "dcols = (dyg @ Wg.reshape(-1, OC // groups).T).reshape(N, OH, OW, Cg, KH, KW).transpose(0, 1, 2, 4, 5, 3)", "flatten order"),
    ("conv", "conv", "return y + b,", "return y,", "the bias is not added"),
    ("conv", "conv_loops", "                y[:, i, j, o] += b[o]", "                        y[:, i, j, o] += b[o]", "the bias is added once for each pixel of the window"),
    ("conv", "conv", "return dxpad[:, top : top + H, left : left + width]", "return dxpad[:, :H, :width]", "the padding is cut off at the wrong end"),
    ("conv", "conv", "return dxpad[:, top : top + H, left : left + width]", "return dxpad", "the padding is still there"),
    ("conv", "conv", "dW[..., maps] +=", "dW[..., maps] =", "sum over the positions missing: gradient of the LAST position only"),
    ("conv", "conv", "dy.sum(axis=(0, 1, 2))", "dy.sum(axis=0)", "not summed over axis 0, 1"),
    ("conv", "conv", "dy.sum(axis=(0, 1, 2))", "dy.sum(axis=(1, 2))", "the sum over the batch is missing"),
    ("conv", "conv", "dy.sum(axis=(0, 1, 2))", "dy.mean(axis=(1, 2)).sum(axis=0)", "divided by the number of positions"),
    ("conv", "conv", "OH = (xpad.shape[1] - KH) // SH + 1", "OH = -(-(xpad.shape[1] - KH) // SH) + 1", "conv.py:"),
    ("conv", "conv", ("KH) // SH + 1", "KW) // SW + 1"), ("KH) // SH", "KW) // SW"), "the last windows are left out: the output's size is floor(...) + 1"),
    ("conv", "conv", "return dxpad[:, top : top + H, left : left + width]", "return dxpad[:, top:-bottom, left:-right]", "the slice [pad:-pad] is empty where pad is 0"),
    ("conv", "conv", "dy.sum(axis=(0, 1, 2))", "dy.mean(axis=(0, 1, 2))", "divided by the number of images times positions"),
    ("conv", "conv", "window = xpad[:, i * SH : i * SH + KH, j * SW : j * SW + KW, channels]", "window = xpad[:, i * SH : i * SH + KH, j * SH : j * SH + KW, channels]", "probe: unequal strides and pads; x (3,9,7,4), W (3,2,2,6), b (6,), stride=(2, 3)"),
    # max pooling
    ("max_pool", "max_pool", ("KH) // SH + 1", "KW) // SW + 1"), ("KH) // SH", "KW) // SW"), "the last windows are left out: the output's size is floor(...) + 1"),
    ("max_pool", "max_pool", "window.max(axis=1)", "window.max()", "over the images and the channels too"),
    ("max_pool", "max_pool_loops", "np.argmax(window), window.shape)", "np.argmax(abs(window)), window.shape)", "the largest magnitude of each window takes the gradient"),
    ("max_pool", "max_pool_loops", "KH, KW = kernel if isinstance(kernel, tuple) else (kernel, kernel)", "KH = KW = kernel", "probe: unequal kernels and strides; x (3,7,9,4), kernel=(4, 3)"),
    ("max_pool", "max_pool", "window.max(axis=1)", "np.maximum(window.max(axis=1), 0)", "the maximum starts from 0"),
    ("max_pool", "max_pool_loops", "C), -np.inf)", "C), 0.0)", "the maximum starts from 0"),
    ("max_pool", "max_pool", "window.max(axis=1)", "window.mean(axis=1)", "the mean of each window"),
    ("max_pool", "max_pool", "window.max(axis=1)", "window.min(axis=1)", "the minimum of each window"),
    ("max_pool", "max_pool", "both_ways(kernel), both_ways(stride)", "both_ways(kernel), both_ways(kernel)", "side by side"),
    ("max_pool", "max_pool", "(KH, KW), (SH, SW) = both_ways(kernel)", "(KW, KH), (SH, SW) = both_ways(kernel)", "kernel swapped"),
    ("max_pool", "max_pool", "(KH, KW), (SH, SW) = both_ways(kernel), both_ways(stride)", "(KH, KW), (SH, SW) = both_ways(kernel), both_ways(stride)[::-1]", "stride swapped"),
    ("max_pool", "max_pool_add_at", "np.add.at(dx, (n, row, column, c), dy)", "dx[n, row, column, c] += dy", '"=" where "+=" is needed'),
    ("max_pool", "max_pool_loops", "c] += dy[n, i, j, c]", "c] = dy[n, i, j, c]", '"=" where "+=" is needed'),
    ("max_pool", "max_pool_masks", "dx[:, rows, columns] += mask", "dx[:, rows, columns] = mask", '"=" where "+=" is needed'),
    ("max_pool", "max_pool_masks", "(flat & (flat.cumsum(axis=1) == 1))", "flat", "ties: every maximum takes all of the gradient"),
    ("max_pool", "max_pool_masks", "(flat & (flat.cumsum(axis=1) == 1))", "(flat / flat.sum(axis=1, keepdims=True))", "ties: the gradient is shared"),
    ("max_pool", "max_pool", "window.argmax(axis=1)", "(KH * KW - 1 - window[:, ::-1].argmax(axis=1))", "ties: the last maximum takes the gradient"),
    ("max_pool", "max_pool_loops", "np.argmax(window), window.shape)", 'np.argmax(window.T), window.shape, order="F")', "column by column"),
    ("max_pool", "max_pool_masks", "mask * dy[:, i, j][:, None, None]", "dy[:, i, j][:, None, None] / (KH * KW)", "the gradient is spread over the whole window"),
    ("max_pool", "max_pool_masks", "mask * dy[:, i, j][:, None, None]", "mask * 1.0", "dy is not used"),
    # local response normalisation
    ("lrn", "lrn", "s = k + alpha * window_sum", "s = k + alpha / n * window_sum", "alpha is divided by n"),
    ("lrn", "lrn", "- 2 * alpha * beta * x * through_neighbours", "", "the cross-term is missing"),
    ("lrn", "lrn", "own - 2 * alpha", "own + 2 * alpha", "the cross-term has the wrong sign"),
    ("lrn", "lrn", "own - 2 * alpha", "own - alpha", "the 2 of the cross-term is missing"),
    ("lrn", "lrn", "- 2 * alpha * beta * x", "- 2 * alpha * x", "beta is missing in the cross-term"),
    ("lrn", "lrn", "own - 2 * alpha * beta", "own - 2 * beta", "alpha is missing in the cross-term"),
    ("lrn", "lrn", "own - 2 * alpha", "own - 2 * alpha / n", "alpha is divided by n = 5 in the cross-term"),
    ("lrn", "lrn", "x * s ** -(beta + 1), n", "x * s ** -beta, n", "the exponent in the cross-term is -beta"),
    ("lrn", "lrn", "window_sum(dy * x * s ** -(beta + 1), n, groups)", "dy * x * s ** -(beta + 1)", "the cross-term has x itself alone"),
    ("lrn", "lrn", "window_sum(dy * x * s ** -(beta + 1), n, groups)", "dy * window_sum(x * s ** -(beta + 1), n, groups)", "dy stands outside the sum"),
    ("lrn", "lrn_loops", "range(i - n // 2, i + n // 2 + 1)", "range(i - n // 2, i + n // 2)", "window off: one map too few"),
    ("lrn", "lrn_loops", "range(i - n // 2, i + n // 2 + 1)", "range(i - n // 2 - 1, i + n // 2 + 1)", "window off: one map too many"),
    ("lrn", "lrn_loops", "range(i - n // 2, i + n // 2 + 1)", "range(i, i + n)", "one-sided"),
    ("lrn", "lrn_loops", "range(i - n // 2, i + n // 2 + 1)", "range(i - n, i + n + 1)", "reaches n maps to both sides"),
    ("lrn", "lrn_loops", '- cache["n"] // 2, i + cache["n"] // 2 + 1)', '- cache["n"] // 2, i + cache["n"] // 2)', "(in the cross-term)"),
    ("lrn", "lrn", "share = v.shape[3] // groups", "share = v.shape[3]", "windows cross the towers"),
    ("lrn", "lrn_loops", ("j // per_group == i // per_group:\n                ds",), ("True:\n                ds",), "windows cross the towers: groups is not used (in the cross-term)"),
    ("lrn", "lrn_loops", ("j // per_group == i // per_group:\n                total",), ("j % groups == i % groups:\n                total",), "interleaved"),
    ("lrn", "lrn_loops", ("if 0 <= j < C and j // per_group == i // per_group:\n                total = total + x[..., j] ** 2",), ("if True:\n                total = total + x[..., j % C] ** 2",), "wrap around"),
    ("lrn", "lrn", "s = k + alpha", "s = alpha", "k is left out"),
    ("lrn", "lrn", "return x * s**-beta", "return x * s**beta", "multiplied by s^beta"),
    ("lrn", "lrn", "window_sum(x**2, n, groups)", "window_sum(abs(x), n, groups)", "the values are summed, not their squares"),
    ("lrn", "lrn", "return x * s**-beta", "return s**-beta", "x is left out"),
    ("lrn", "lrn", "v[..., low:high].sum(axis=-1)", "v[..., low:high].mean(axis=-1)", "averaged"),
    ("lrn", "lrn", "max(start, i - n // 2)", "i - n // 2", "windows of the first maps are empty"),
    ("lrn", "lrn", "window_sum(x**2, n, groups)", "window_sum(x, n, groups)", "the values are summed, not their squares"),
    ("lrn", "lrn", "s = k + alpha", "s = 2 + alpha", "k is 2 whatever it is given as"),
    ("lrn", "lrn", ("window_sum(dy * x *", "beta * x * through_neighbours"), ("window_sum(dy * x * x *", "beta * through_neighbours"), "stands inside it, as the neighbour's"),
    ("lrn", "lrn", "x, s, n, alpha, beta, groups = cache", "x, s = cache[:2]; n, alpha, beta, groups = 5, 1e-4, 0.75, 1", "the constants are the defaults"),
    # ReLU and tanh
    ("relu", "relu", "passes = cache\n", "passes = dy > 0\n", "the mask is that of dy, not of x"),
    ("relu", "relu", "x > 0", "x >= 0", "the mask is >= 0"),
    ("relu", "relu", "np.where(passes, dy, 0)", "dy", "dy comes back as it is"),
    ("relu", "relu", "np.where(passes, dy, 0)", "np.where(passes, 0, dy)", "the wrong way round"),
    ("relu", "relu", "np.where(passes, dy, 0)", "np.where(passes, 1.0, 0)", "dy is not used"),
    ("relu", "relu", "np.maximum(x, 0), x > 0", "np.abs(x), x > 0", "the magnitude"),
    ("relu", "relu", "np.maximum(x, 0), x > 0", "np.where(x > 0, x, 0.01 * x), x > 0", "leaky"),
    ("relu", "relu_copy", "y = x.copy()", "y = x", "x: changed in place"),
    ("tanh", "tanh", "1 - y**2", "1 - y", "the square is missing"),
    ("tanh", "tanh", "1 - y**2", "1 + y**2", "1 + y^2"),
    ("tanh", "tanh", "dy * (1 - y**2)", "dy * y * (1 - y)", "the sigmoid's derivative"),
    ("tanh", "tanh", "return y, y", "return y, x", "1 - x^2"),
    ("tanh", "tanh", "1 - y**2", "1 - np.tanh(y) ** 2", "tanh is applied twice"),
    ("tanh", "tanh", "np.tanh(x)", "1 / (1 + np.exp(-x))", "the sigmoid"),
    ("tanh", "tanh", "np.tanh(x)", "(np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))", "unstable for large x"),
    # dropout
    ("dropout", "dropout", "factor = cache\n    return (dy * factor)", "factor = np.random.default_rng(1).random(dy.shape) < 0.7\n    return (dy * factor)", "dropout.py:"),
    ("dropout", "dropout", ('"""Dropout (section 4.2)', "factor = cache\n    return (dy * factor)"), ('import numpy as np\n"""Dropout (section 4.2)', "factor = np.random.default_rng(1).random(dy.shape) < 0.7\n    return (dy * factor)"), "the mask is redrawn in the backward"),
    ("dropout", "dropout", ('"""Dropout (section 4.2)', "training = mask is not None"), ('import numpy as np\n"""Dropout (section 4.2)', "mask = mask if mask is None else np.random.random(x.shape) < 0.7\n    training = mask is not None"), "a mask of your own is drawn"),
    ("dropout", "dropout", ('"""Dropout (section 4.2)', "training = mask is not None"), ('import numpy as np\n"""Dropout (section 4.2)', "mask = np.random.random(x.shape) < 0.7 if mask is None else mask\n    training = mask is not None"), "a mask is applied in testing"),
    ("dropout", "dropout", "factor = mask\n", "factor = mask * (1 - p)\n", "scaled in training AND in testing"),
    ("dropout", "dropout", "factor = mask\n", "factor = mask / (1 - p)\n", "that is the inverted form"),
    ("dropout", "dropout", "factor = 1.0\n", "factor = 1 - p\n", "scaled in training AND in testing"),
    ("dropout", "dropout", "factor = mask / (1 - p)", "factor = mask / p", "divided by p"),
    ("dropout", "dropout", "factor = mask / (1 - p)", "factor = mask / (1 - p) / (1 - p)", "scaled twice"),
    ("dropout", "dropout", "factor = mask / (1 - p)", "factor = mask", "not divided by 1 - p"),
    ("dropout", "dropout", "factor = 1 - p\n", "factor = p\n", "scaled by p in testing"),
    ("dropout", "dropout", "factor = 1 - p\n", "factor = 1.0\n", "not scaled in testing"),
    ("dropout", "dropout", "factor = mask\n", "factor = 1.0 - mask\n", "the mask is the wrong way round"),
    ("dropout", "dropout_where", "return apply(dy, *cache)", "return dy", "not masked (in the backward)"),
    ("dropout", "dropout_where", "return apply(dy, *cache)", "return apply(apply(dy, *cache), *cache)", "scaled twice"),
    # softmax with cross-entropy
    ("softmax_cross_entropy", "softmax_cross_entropy", "t].mean()", "t].sum()", "the sum over the batch: it should be the mean"),
    ("softmax_cross_entropy", "softmax_cross_entropy", "loss = -log_p[np.arange(len(t)), t].mean()", "loss = log_p[np.arange(len(t)), t].mean()", "the sign is wrong"),
    ("softmax_cross_entropy", "softmax_cross_entropy", "loss = -log_p[np.arange(len(t)), t].mean()", "loss = -log_p[np.arange(len(t)), t]", "one loss for each image"),
    ("softmax_cross_entropy", "softmax_cross_entropy", "loss = -log_p[np.arange(len(t)), t].mean()", "loss = -log_p.mean()", "no known mistake fits"),
    ("softmax_cross_entropy", "softmax_cross_entropy", "logits - logits.max(axis=1, keepdims=True)", "logits", "unstable: exp overflows at logits of 1000"),
    ("softmax_cross_entropy", "softmax_cross_entropy", "log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))", "log_p = np.log(np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True) + 1e-12)", "a small number is added to p"),
    ("softmax_cross_entropy", "softmax_cross_entropy", ("logits.max(axis=1, keepdims=True)", "np.exp(shifted).sum(axis=1, keepdims=True)"), ("logits.max(axis=0)", "np.exp(shifted).sum(axis=0)"), "softmax runs over the batch"),
    ("softmax_cross_entropy", "softmax_cross_entropy", "(p - onehot) / len(t)", "p / len(t)", "the one-hot is not subtracted"),
    ("softmax_cross_entropy", "softmax_cross_entropy", "(p - onehot) / len(t)", "(p - onehot)", "not divided by N: the loss is a mean over the batch"),
    ("softmax_cross_entropy", "softmax_cross_entropy", "(p - onehot) / len(t)", "(p - onehot) / len(t) ** 2", "divided by N twice"),
    ("softmax_cross_entropy", "softmax_cross_entropy", "dloss * (p - onehot)", "(p - onehot)", "dloss is not used"),
    ("softmax_cross_entropy", "softmax_cross_entropy", "(p - onehot) / len(t)", "(onehot - p) / len(t)", "the sign is wrong"),
    ("softmax_cross_entropy", "softmax_cross_entropy_logaddexp", "dlogits[np.arange(len(t)), t] -= 1.0", "dlogits[:, t] -= 1.0", "whole columns"),
    ("softmax_cross_entropy", "softmax_cross_entropy_logaddexp", "dlogits[np.arange(len(t)), t] -= 1.0", "dlogits[np.arange(len(t)), t] -= 1.0; dlogits *= p", "no known mistake fits"),
    # batch normalisation
    ("batchnorm", "batchnorm", "+ dmean / count", "", "the term mean(dy) is missing"),
    ("batchnorm", "batchnorm", "+ dvar * 2 * (x - mean) / count", "", "the term xhat mean(dy xhat) is missing"),
    ("batchnorm", "batchnorm", "+ dvar * 2 * (x - mean) / count + dmean / count", "", "both terms through the batch's statistics are missing"),
    ("batchnorm", "batchnorm", "if not given:\n        count", "if True:\n        count", "mean and var are given, nothing flows through"),
    ("batchnorm", "batchnorm", "mean, var = x.mean(axis=axes), x.var(axis=axes)", "mean, var = np.zeros(len(gamma)), np.ones(len(gamma))", "running statistics (mean 0, variance 1) are used in training"),
    ("batchnorm", "batchnorm", "x.var(axis=axes)", "x.var(axis=axes, ddof=1)", "the variance divides by count - 1"),
    ("batchnorm", "batchnorm", "if not given:\n        mean", "if True:\n        mean", "the batch's own mean and variance are used"),
    ("batchnorm", "batchnorm", "axes = tuple(range(x.ndim - 1))", "axes = (0,)", "over the images alone"),
    ("batchnorm", "batchnorm", "np.sqrt(var + eps)", "np.sqrt(var)", "eps is left out"),
    ("batchnorm", "batchnorm", "np.sqrt(var + eps)", "(np.sqrt(var) + eps)", "eps is added to the standard deviation"),
    ("batchnorm", "batchnorm", "np.sqrt(var + eps)", "(var + eps)", "the root is missing"),
    ("batchnorm", "batchnorm", "dgamma, dbeta = (dy * xhat).sum(axis=axes)", "dgamma, dbeta = (dy * x).sum(axis=axes)", "x in place of xhat"),
    ("batchnorm", "batchnorm", "dy.sum(axis=axes)\n", "dy.mean(axis=axes)\n", "the mean of dy: it should be the sum"),
    ("batchnorm", "batchnorm", "dxhat = dy * gamma", "dxhat = dy", "gamma is left out"),
    ("batchnorm", "batchnorm", "return gamma * xhat + beta", "return gamma * xhat", "beta is left out"),
    ("batchnorm", "batchnorm_closed", "m = len(d)", "m = len(dy)", "divide by"),
    # normalisation inside a map
    ("mapnorm", "mapnorm", "s = k + alpha * square_sum", "s = k + alpha / size**2 * square_sum", "alpha is divided by size^2"),
    ("mapnorm", "mapnorm", "own - 2 * alpha * beta * x * square_sum(dy * x * s ** -(beta + 1), size)", "own", "the cross-term is missing"),
    ("mapnorm", "mapnorm", "i + half + 1, max", "i + half, max", "no known mistake fits"),
    ("mapnorm", "mapnorm", ("i + half + 1, max", "j + half + 1]"), ("i + half, max", "j + half]"), "square off: one pixel too few"),
    ("mapnorm", "mapnorm_windows", "np.pad(v, [(0, 0), (h, h), (h, h), (0, 0)])", 'np.pad(v, [(0, 0), (h, h), (h, h), (0, 0)], mode="edge")', "the border repeats its pixels"),
    ("mapnorm", "mapnorm_shifts", "shifted_sum(shifted_sum(x**2, size // 2, 1), size // 2, 2)", "shifted_sum(x**2, size // 2, 3)", "the sum runs across the maps"),
    # im2col and col2im
    ("im2col", "im2col_views", "np.moveaxis(windows, 3, 5)", "windows", "windows are flattened as (C,KH,KW): it should be (KH,KW,C)"),
    ("im2col", "im2col", "np.stack(windows, axis=1)", "np.stack(windows, axis=0)", "the rows stand in the order (OH,OW,N)"),
    ("im2col", "im2col", "return xpad[:, top : top + H, left : left + W]", "return xpad[:, top:-bottom, left:-right]", "the slice [pad:-pad] is empty where pad is 0"),
    ("im2col", "im2col", "xpad[:, rows, columns] +=", "xpad[:, rows, columns] =", '"=" where "+=" is needed'),
    ("im2col", "im2col", "return xpad[:, top : top + H, left : left + W]", "return xpad", "the padding is still there"),
    ("im2col", "im2col", "return xpad[:, top : top + H, left : left + W]", "return xpad[:, :H, :W]", "the padding is cut off at the wrong end"),
    ("im2col", "im2col_views", "x_shape) + 1, cols.dtype)\n    np.add.at(sums, im2col(numbers, kernel, stride, pad), cols)", "x_shape) + 1, cols.dtype)\n    sums[im2col(numbers, kernel, stride, pad)] += cols", '"=" where "+=" is needed'),
    ("im2col", "im2col_loops", "both(stride), sides(pad)\n    N, H, W, C = x.shape", "both(1), sides(pad)\n    N, H, W, C = x.shape", "stride is ignored"),
    # the update rule
    ("update", "update", " - decay * rate * w", "", "the decay is missing in v"),
    ("update", "update", (" - decay * rate * w", "w += v"), ("", "w += v - decay * rate * w"), "the decay is missing in v, where it gathers momentum"),
    ("update", "update", " - decay * rate * w", " + decay * rate * w", "the decay has the wrong sign"),
    ("update", "update", " - decay * rate * w", " - decay * w", "the decay is not multiplied by the rate"),
    ("update", "update", ("rates.momentum * v - decay * rate * w - rate * g", "w += v"), ("rates.momentum * v + decay * w + g", "w -= rate * v"), "the rate is outside v, as in PyTorch"),
    ("update", "update", "v[...] = rates.momentum * v", "v[...] = -rates.momentum * v", "the momentum has the wrong sign"),
    ("update", "update", "- rate * g", "+ rate * g", "the gradient has the wrong sign"),
    ("update", "update", "v[...] = rates", "v = rates", "v is as it was: `v = ...` makes a new array"),
    ("update", "update", "w += v", "w = w + v", "w is as it was: `w = w + v` makes a new array"),
    ("update", "update", ("v[...] = rates", "w += v"), ("v = rates", "w = w + v"), "w is as it was"),
    ("update", "update_out", "velocity[name] -= rate * (grads[name] + decay * params[name])", "grads[name] += decay * params[name]\n            velocity[name] -= rate * grads[name]", "grads: changed in place"),
    ("update", "update", "rate, decay = rates.of(name, w)", "rate, decay = rates.weights, rates.decay", "the rate and the decay of the weights are used"),
    ("update", "update", ("rate, decay = rates.of(name, w)", "continue"), ("rate, decay = rates.of(name, w)", "rate = 0.0"), "a frozen layer moves"),
    ("update", "update", "rates.momentum * v", "v", "v is kept whole"),
    ("update", "update", "- rate * g", "- rate * (1 - rates.momentum) * g", "the gradient is multiplied by 1 - momentum"),
    # the schedule
    ("schedule", "schedule", "idle == self.patience", "idle == self.patience - 1", "one epoch too early"),
    ("schedule", "schedule", "idle == self.patience", "idle > self.patience", "one epoch too late"),
    ("schedule", "schedule", "error < lowest", "error <= lowest", "equals the lowest"),
    ("schedule", "schedule", "dropped, idle = dropped + 1, 0", "dropped, idle, lowest = dropped + 1, 0, float('inf')", "the lowest error is forgotten at a drop"),
    ("schedule", "schedule", "dropped, idle = dropped + 1, 0", "dropped = dropped + 1", "not begun anew at a drop"),
    ("schedule", "schedule", " and dropped < self.drops", "", "the number of drops has no limit"),
    ("schedule", "schedule", "lowest, idle = error, 0", "lowest, idle, dropped = error, 0, 0", "the rate goes back up"),
    ("schedule", "schedule", "lowest, idle = error, 0", "lowest = error", "not begun anew at a better epoch"),
    ("schedule", "schedule", "self.factor**-dropped", "self.factor**dropped", "multiplied by the factor"),
    ("schedule", "schedule", "errors[:epoch]", "errors", "it looks at all errors"),
    ("schedule", "schedule", "errors[:epoch]", "errors[: epoch + 1]", "the error of this very epoch"),
    ("schedule", "schedule", "else:\n                idle += 1\n", "else:\n                idle += 1\n            lowest = error\n", "compared with that of the epoch before"),
    # ten crops
    ("ten_crops", "ten_crops", "patch[:, ::-1]", "patch[::-1]", "upside down"),
    ("ten_crops", "ten_crops", "patch[:, ::-1]", "patch", "the last five are not mirrored"),
    ("ten_crops", "ten_crops", "last_row, last_column = H - size, W - size", "last_row, last_column = H - size - 1, W - size - 1", "the last place is one too early"),
    ("ten_crops", "ten_crops", "(last_row // 2, last_column // 2)", "(H // 2 - size // 2, W // 2 - size // 2)", "the centre is rounded up"),
    ("ten_crops", "ten_crops", ("(0, last_column)", "(last_row, 0)"), ("(last_row, 0) ", "(0, last_column)"), "no known mistake fits"),
    ("ten_crops", "ten_crops", "patches += five + [patch[:, ::-1] for patch in five]", "patches += [p for patch in five for p in (patch, patch[:, ::-1])]", "each patch is followed by its mirror image"),
    ("ten_crops", "ten_crops_indices", "return out.reshape", "return out.swapaxes(0, 1).reshape", "the first patch of all images comes first"),
    ("ten_crops", "ten_crops", "return p.reshape(-1, 10, p.shape[1]).mean(axis=1)", "e = np.exp(logits.reshape(-1, 10, p.shape[1]).mean(axis=1))\n    return e / e.sum(axis=1, keepdims=True)", "the logits are averaged"),
    ("ten_crops", "ten_crops", "p.reshape(-1, 10, p.shape[1]).mean(axis=1)", "p.reshape(10, -1, p.shape[1]).mean(axis=0)", "an image's ten follow each other"),
    # top-k
    ("top_k", "top_k_count", " or (row[c] == row[label] and c < label))", ")", "ties: no class that equals the label's comes before it"),
    ("top_k", "top_k_count", "(row[c] == row[label] and c < label)", "(row[c] == row[label] and c != label)", "ties: every class that equals"),
    ("top_k", "top_k", 'np.argsort(-logits, axis=1, kind="stable")[:, :k]', 'np.argsort(logits, axis=1, kind="stable")[:, ::-1][:, :k]', "of equal classes the LATER one comes first"),
    ("top_k", "top_k", "[:, :k]", "[:, : k + 1]", "one class too many"),
    ("top_k", "top_k", "np.argsort(-logits", "np.argsort(logits", "the k smallest are taken"),
    ("top_k", "top_k", "1 - hits(logits, t, k).mean()", "hits(logits, t, k).mean()", "this is the share of hits"),
    ("top_k", "top_k", "1 - hits(logits, t, k).mean()", "100 * (1 - hits(logits, t, k).mean())", "in per cent"),
    ("top_k", "top_k_python", "if not math.isnan(row[c])), key=lambda c: -row[c]", "), key=lambda c: float('-inf') if math.isnan(row[c]) else -row[c]", "a NaN at the label counts as a hit"),
    # counting
    ("count", "count", "KH * KW * (C // groups) + 1", "KH * KW * C + 1", "groups is not used"),
    ("count", "count", "KH * KW * (C // groups) + 1", "KH * KW * (C // groups)", "the biases are missing"),
    ("count", "count", "OC * KH * KW * (C // groups)\n", "OC * KH * KW * C\n", "groups is not used"),
    ("count", "count", "return OH * OW * OC * KH", "return 2 * OH * OW * OC * KH", "two for a multiply-add"),
    ("count", "count", "return OH * OW * OC * KH", "return H * W * OC * KH", "the size of the input in place of the output's"),
    ("count", "count", "(C // groups)\n", "(C // groups) + OH * OW * OC\n", "the biases are counted"),
    # resizing
    ("resize", "resize", "shorter = min", "shorter = max", "the longer side becomes 256"),
    ("resize", "resize", "256 * height // shorter, 256 * width // shorter", "256, 256", "squashed"),
    ("resize", "resize", "256 * height // shorter, 256 * width // shorter", "round(256 * height / shorter), round(256 * width / shorter)", "rounded to the nearest"),
    ("resize", "resize", "height, width = resized_size(*image.shape[:2])", "height = width = 256", "squashed"),
    ("resize", "resize", "round((height - 256) / 2), round((width - 256) / 2)", "0, 0", "the top left corner is cut out"),
    ("resize", "resize", "Resampling.BILINEAR", "Resampling.NEAREST", "the nearest pixel is taken"),
    ("resize", "resize", "Resampling.BILINEAR", "Resampling.BICUBIC", "bicubic"),
    # colour noise
    ("colour_noise", "colour_noise", "return np.sqrt(values), vectors", "return values, vectors", "these are the eigenvalues"),
    ("colour_noise", "colour_noise", "return np.sqrt(values), vectors", "return np.sqrt(values), vectors.T", "the components are rows"),
    ("colour_noise", "colour_noise", "] < 0:", "] > 0:", "the signs"),
    ("colour_noise", "colour_noise", '"ni,i,ci->nc"', '"ni,i,ic->nc"', "the components are taken as rows"),
    ("colour_noise", "colour_noise", "a, stdevs, vectors)  #", "a, stdevs**2, vectors)  #", "the eigenvalues are used"),
    ("colour_noise", "colour_noise", "noise[:, None, None, :]", "noise[0]", "one draw for all images"),
    ("colour_noise", "colour_noise", "return images + noise[:, None, None, :]", "return images + np.random.default_rng(0).standard_normal(images.shape)", "noise per pixel"),
    # retrieval
    ("retrieval", "retrieval", "- 2 * queries @", "- queries @", "the 2 of 2 q.r is missing"),
    ("retrieval", "retrieval", "- 2 * queries @", "+ 2 * queries @", "q.r is added"),
    ("retrieval", "retrieval", "np.maximum(of_queries + of_rows - 2 * queries @ rows.T, 0)", "np.sqrt(np.maximum(of_queries + of_rows - 2 * queries @ rows.T, 0))", "the root is taken"),
    ("retrieval", "retrieval", "return numbers, np.sqrt(distances)", "return numbers, distances", "the distances are squared"),
    ("retrieval", "retrieval", 'kind="stable")[:, :k]', 'kind="stable")[:, ::-1][:, :k]', "the farthest are taken"),
    ("retrieval", "retrieval", "seen += len(block)", "pass", "the numbers begin at 0 in each block"),
    ("retrieval", "retrieval", "np.arange(seen, seen + len(block))", "np.arange(seen + 1, seen + len(block) + 1)", "the numbers begin at 1"),
)]  # fmt: skip
