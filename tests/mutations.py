"""Break every op on purpose, in a copy of the project, and see which test notices: python tests/mutations.py

Each mutation replaces one piece of text, which must occur exactly once in its file, by another; then the
op's own tests run on the copy. The tests that need PyTorch stay out: the loops and central differences
have to be enough. Exit status 1 if a mutation survives.
"""
# ruff: noqa: E501  the table below has one row a line

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 2
SECONDS = 120  # a mutation may loop for ever

WINDOWS = "minialex/ops/windows.py"
CONV = "minialex/ops/conv.py"
WINOGRAD = "minialex/ops/winograd.py"
LINEAR = "minialex/ops/linear.py"
ACTIVATIONS = "minialex/ops/activations.py"
LRN = "minialex/ops/lrn.py"
POOL = "minialex/ops/pool.py"
LRN_SHARED = "minialex/kernels/lrn.cuh"
LRN_POOL_KERNEL = "minialex/kernels/lrn_pool.cu"
BIAS_KERNEL = "minialex/kernels/bias.cu"
DROPOUT_KERNEL = "minialex/kernels/dropout.cu"
UPDATE_KERNEL = "minialex/kernels/update.cu"
PREPROCESS_KERNEL = "minialex/kernels/preprocess.cu"
POOL_KERNEL = "minialex/kernels/pool.cu"
CONV_KERNEL = "minialex/kernels/conv.cu"
SOFTMAX_KERNEL = "minialex/kernels/softmax.cu"
DROPOUT = "minialex/ops/dropout.py"
SOFTMAX = "minialex/ops/softmax.py"
BATCHNORM = "minialex/ops/batchnorm.py"
MAPNORM = "minialex/ops/mapnorm.py"

MUTATIONS = [  # (file, old, new, what it breaks)
    (WINDOWS, "kernel) // stride + 1", "kernel) // stride", "one window too few"),
    (
        WINDOWS,
        "return (size + before + after - kernel) // stride",
        "return -(-(size + before + after - kernel) // stride)",
        "ceil for floor",
    ),
    (WINDOWS, "return (size + before + after", "return (size + 2 * before", "padding after taken for padding before"),
    (WINDOWS, "j : j + SW * OW : SW] += cols", "j : j + SW * OW : SW] = cols", "col2im: = for +="),
    (
        WINDOWS,
        "def im2col(x, kernel, stride, pad)",
        "def im2col(x, kernel, pad, stride)",
        "im2col: stride and pad swapped",
    ),
    (WINDOWS, "windows[:, ::SH, ::SW]", "windows[:, ::SW, ::SH]", "im2col: strides of the two axes swapped"),
    (WINDOWS, "transpose(0, 1, 2, 4, 5, 3)", "transpose(0, 1, 2, 5, 4, 3)", "im2col: KH and KW swapped"),
    (WINDOWS, "transpose(0, 1, 2, 4, 5, 3)", "transpose(0, 1, 2, 3, 4, 5)", "im2col: channels first"),
    (
        WINDOWS,
        "padded[:, top : top + H, left : left + W] = x",
        "padded[:, bottom : bottom + H, left : left + W] = x",
        "pad: top and bottom swapped",
    ),
    (
        WINDOWS,
        "return padded[:, top : top + H, left",
        "return padded[:, top : top + H, right",
        "col2im: left and right swapped",
    ),
    (WINDOWS, "for size in side) < 0", "for size in side) < -1", "a negative pad is accepted"),
    (WINDOWS, "kernel < 1 or stride < 1", "kernel < 1", "a stride of 0 is accepted"),
    (
        CONV,
        "        im2col(xg, (KH, KW), stride, pad) @",
        "        im2col(xg, (KH, KW), pad, stride) @",
        "forward: stride and pad swapped",
    ),
    (
        CONV,
        "xp.split(W, groups, axis=3), strict",
        "xp.split(W, groups, axis=3)[::-1], strict",
        "forward: groups crossed",
    ),
    (CONV, "for array in (x, W, dy))", "for array in (x, W[..., ::-1], dy))", "backward: groups crossed"),
    (CONV, "_join(dW, axis=3)", "_join(dW[::-1], axis=3)", "dW of the groups crossed"),
    (CONV, "_join(dx, axis=3)", "_join(dx[::-1], axis=3)", "dx of the groups crossed"),
    (CONV, "y += b", "y += b[::-1]", "bias from the wrong map"),
    (
        CONV,
        "OC).sum(axis=1, dtype=sums_type(dy.dtype))",
        "OC)[:, 0]",
        "bias gradient of the first position alone",
    ),
    (CONV, "of_images.sum(axis=0)", "of_images[0]", "bias gradient without the batch sum"),
    (CONV, "pad).T @ dyg)", "pad).T @ dyg / len(x))", "dW averaged over the batch"),
    (CONV, "@ Wg.reshape(-1, OC // groups)  #", "@ Wg[::-1, ::-1].reshape(-1, OC // groups)  #", "kernel flipped"),
    (CONV, "pair(stride), pad_pairs(pad)", "pair(stride), pad_pairs(pad)[::-1]", "pads of the two axes swapped"),
    (
        CONV,
        "C % groups == 0 and OC % groups == 0",
        "C % groups == 0",
        "groups that do not divide the maps are accepted",
    ),
    (CONV, "stride=1, pad=0, groups=1", "stride=2, pad=0, groups=1", "default stride"),
    (CONV, "        if need_dx:", "        if True:", "need_dx=False computes dx all the same"),
    (WINOGRAD, "dU += ", "dU = ", "winograd: dW of the last images alone"),
    (WINOGRAD, "[-root * c for", "[root * c for", "winograd: roots of the wrong sign"),
    (
        WINOGRAD,
        "transpose(3, 4, 1, 5, 2, 0, 6)",
        "transpose(3, 4, 2, 5, 1, 0, 6)",
        "winograd: a tile's outputs transposed",
    ),
    (
        WINOGRAD,
        "transpose(5, 2, 4, 0, 1, 3, 6)",
        "transpose(5, 4, 2, 0, 1, 3, 6)",
        "winograd: a tile's gradients transposed",
    ),
    (WINOGRAD, "dy.sum(axis=(0, 1, 2))", "dy[:1].sum(axis=(0, 1, 2))", "winograd: db of the first image alone"),
    (WINOGRAD, "pair(stride) == (1, 1)", "pair(stride)[0] == 1", "winograd: one stride unseen"),
    (WINOGRAD, "whole = xp_of(dy).zeros(", "whole = xp_of(dy).ones(", "winograd: gradients beyond the border"),
    (WINOGRAD, "transpose(0, 1, 4, 3, 2)", "transpose(1, 0, 4, 3, 2)", "winograd: dx through transposed kernels"),
    (WINOGRAD, "        if need_dx:", "        if True:", "winograd: need_dx=False computes dx all the same"),
    (WINOGRAD, "bottom + -OH % m", "bottom + m", "winograd: a row of tiles too many"),
    (WINOGRAD, "(3, 3): 2,", "(3, 3): 1,", "winograd: no multiplication saved"),
    (
        WINOGRAD,
        "A.T @ _flat(M), len(x[part])), b,",
        "A.T @ _flat(M), len(x[part])), b[::-1],",
        "winograd: bias from the wrong map",
    ),
    (LINEAR, "    y += b\n", "", "bias left out"),
    (LINEAR, "dy.sum(axis=0,", "dy.sum(axis=1,", "bias gradient from the wrong axis"),
    (LINEAR, "dy.sum(axis=0,", "dy[:1].sum(axis=0,", "bias gradient without the batch sum"),
    (LINEAR, "x.T @ dy,", "x[:1].T @ dy[:1],", "dW without the batch sum"),
    (LINEAR, "x.T @ dy,", "x.T @ dy / len(x),", "dW averaged over the batch"),
    (LINEAR, "dy @ W.T if", "dy @ W if", "W not transposed on the way back"),
    (LINEAR, "dy @ W.T if need_dx else None", "dy @ W.T", "need_dx=False ignored"),
    (LINEAR, "return y, (x, W)", "W *= 1.5\n    return y, (x, W)", "an argument is changed"),
    (ACTIVATIONS, "maximum(x, 0)", "maximum(x, 0.01 * x)", "relu: leaky"),
    (ACTIVATIONS, "maximum(x, 0)", "maximum(x, 1)", "relu: kink at 1"),
    (ACTIVATIONS, "maximum(x, 0)", "maximum(x, 0, out=x)", "relu: x is overwritten"),
    (ACTIVATIONS, "maximum(x, 0)", "fmax(x, 0)", "relu: a NaN is hidden"),
    (ACTIVATIONS, "dy * (y > 0)", "dy * (y >= 0)", "relu: gradient passes where x <= 0"),
    (ACTIVATIONS, "dy * (y > 0)", "dy * y", "relu: gradient times y"),
    (ACTIVATIONS, "dy * (1 - y * y)", "dy * (1 - y)", "tanh: gradient of another function"),
    (ACTIVATIONS, "dy * (1 - y * y)", "dy * (1 + y * y)", "tanh: sign"),
    (ACTIVATIONS, "xp_of(x).tanh(x)", "xp_of(x).arctan(x)", "tanh: another function"),
    (LRN, "x * _window_sum(direct * x / s, n, groups)", "x * (direct * x / s)", "cross-terms dropped"),
    (LRN, "return direct - 2 *", "return direct - 0 *", "the gradient through s dropped"),
    (LRN, "return direct - 2 *", "return direct + 2 *", "sign of the gradient through s"),
    (LRN, "return direct - 2 *", "return direct -", "the 2 of the square's gradient dropped"),
    (LRN, "direct * x / s,", "direct * x,", "beta for beta + 1"),
    (LRN, "s = k + alpha * _window", "s = k + alpha / n * _window", "alpha / n"),
    (
        LRN,
        "C, half = v.shape[3] // groups, n // 2",
        "C, half = v.shape[3], n // 2",
        "windows reach into the other group",
    ),
    (LRN, "for shift in range(2, n)", "for shift in range(2, n - 1)", "window one map too short"),
    (LRN, "direct = dy * scale", "direct = dy", "the direct term without s^-beta"),
    (LRN, "n % 2 == 1", "n % 2 >= 0", "even windows are accepted"),
    (LRN, "n=5, k=2.0, alpha=1e-4", "n=3, k=2.0, alpha=1e-4", "default n"),
    (LRN, "n=5, k=2.0, alpha=1e-4", "n=5, k=1.0, alpha=1e-4", "default k"),
    (LRN, "n=5, k=2.0, alpha=1e-4", "n=5, k=2.0, alpha=1e-3", "default alpha"),
    (LRN, "beta=0.75", "beta=0.5", "default beta"),
    (POOL, "dx[part] += dy", "dx[part] = dy", "= for +="),
    (POOL, "(candidate > y)", "(candidate >= y)", "wrong tie: the last maximum"),
    (
        POOL,
        "    rows, first_in_row = _largest(x, across)  # (N,H,OW,C)\n    y, first_row = _largest(rows, down)  # (N,OH,OW,C)\n    return y, ((x.shape, first_in_row, across), (rows.shape, first_row, down))",
        "    rows, first_in_row = _largest(x, down)\n    y, first_row = _largest(rows, across)\n    return y, ((x.shape, first_in_row, down), (rows.shape, first_row, across))",
        "wrong tie: first in column-major order",
    ),
    (POOL, "    y = x[slices[0]]", "    y = xp.maximum(x[slices[0]], 0)", "0 for -infinity"),
    (POOL, "xp.maximum(y, candidate)", "xp.minimum(y, candidate)", "min for max"),
    (POOL, "xp.maximum(y, candidate)", "xp.fmax(y, candidate)", "a NaN is hidden"),
    (POOL, "start=1", "start=0", "places of the window off by one"),
    (
        POOL,
        "(KH, KW), (SH, SW) = pair(kernel), pair(stride)",
        "(KW, KH), (SH, SW) = pair(kernel), pair(stride)",
        "kernel: height and width swapped",
    ),
    (
        POOL,
        "(KH, KW), (SH, SW) = pair(kernel), pair(stride)",
        "(KH, KW), (SW, SH) = pair(kernel), pair(stride)",
        "stride: vertical and horizontal swapped",
    ),
    (POOL, "kernel=3, stride=2", "kernel=2, stride=2", "default kernel"),
    (POOL, "<= 256", "<= 512", "places that a byte cannot hold are accepted"),
    (LRN_SHARED, "d <= N / 2", "d < N / 2", "window one map too short"),
    (LRN_SHARED, "c + d >= 0 && ", "", "window reaches into the pixel before"),
    (LRN_SHARED, " && c + d < C", "", "window reaches into the pixel after"),
    (LRN_SHARED, "root * sqrt(root)", "root", "1/2 for 3/4"),
    (LRN_SHARED, "direct[i] / s;", "direct[i];", "beta for beta + 1"),
    (LRN_SHARED, "direct[i] - 2 *", "direct[i] + 2 *", "sign of the gradient through s"),
    (LRN_SHARED, "window_sum(xs, q, i, C)", "xs[i] * q[i]", "cross-terms dropped"),
    (POOL_KERNEL, "b == b && !(a <= b)", "a > b", "a NaN is hidden"),
    (POOL_KERNEL, "!(a <= b)", "!(a < b)", "wrong tie: the last maximum"),
    (POOL_KERNEL, "u * KW + v;", "u * KH + v;", "place: KH for KW"),
    (POOL_KERNEL, "(h - KH) / SH + 1", "(h - KH) / SH + 2", "a window that covers the pixel is left out"),
    (POOL_KERNEL, "(w - ow * SW)", "(w - ow * SH)", "strides of the two axes swapped"),
    (POOL_KERNEL, "sum[e] +=", "sum[e] =", "= for +="),
    (CONV_KERNEL, "oh * SH + u - top", "oh * SH + u - left", "im2col: padding of the two axes swapped"),
    (CONV_KERNEL, "ow * SW + v - left", "ow * SH + v - left", "im2col: strides of the two axes swapped"),
    (CONV_KERNEL, " && w < W", "", "im2col: the next row for the padding"),
    (CONV_KERNEL, "* W + w) * C + first + c];", "* W + w) * C + c];", "im2col: the first group for each"),
    (CONV_KERNEL, "* KH + u) * KW + v) * CG + c] =", "* KW + v) * KH + u) * CG + c] =", "im2col: KH and KW swapped"),
    (CONV_KERNEL, "(w - KW) / SW + 1", "(w - KW) / SW + 2", "col2im: a window that covers the pixel is left out"),
    (CONV_KERNEL, "% H + top", "% H", "col2im: the padding left out"),
    (CONV_KERNEL, "sum[e] +=", "sum[e] =", "col2im: = for +="),
    (
        CONV_KERNEL,
        "* W + w - left) * C + first + c] =",
        "* W + w - left) * C + c] =",
        "col2im: all into the first group",
    ),
    (BIAS_KERNEL, "int c = i % CG + first;", "int c = i % CG;", "the first group's bias for each"),
    (BIAS_KERNEL, " + ACC(bias.at[e])", "", "bias left out"),
    (BIAS_KERNEL, "RELU && sum <= 0", "sum <= 0", "a ReLU where there is none"),
    (BIAS_KERNEL, "RELU && sum <= 0", "false", "no ReLU"),
    (BIAS_KERNEL, "RELU && sum <= 0 ? ACC(0) : sum", "RELU && !(sum > 0) ? ACC(0) : sum", "a NaN is hidden"),
    (BIAS_KERNEL, "ACC(outputs.at[e]) > 0", "ACC(outputs.at[e]) >= 0", "gradient passes where y is 0"),
    (BIAS_KERNEL, "sum[e] += passed", "sum[e] = passed", "db: = for +="),
    (BIAS_KERNEL, "other < lanes; other++", "other < 1; other++", "db of the first lane alone"),
    (BIAS_KERNEL, "line += lanes)", "line += lanes + lanes)", "every other pixel left out"),
    (BIAS_KERNEL, "blockIdx.y * width + ", "", "the first channels for all"),
    (
        BIAS_KERNEL,
        "(g * count + line) * CG + c] =",
        "(g * count + line) * CG + g] =",
        "the product's gradient in the wrong place",
    ),
    (LRN_POOL_KERNEL, "largest == largest && !(candidate <= largest)", "candidate > largest", "a NaN is hidden"),
    (LRN_POOL_KERNEL, "!(candidate <= largest)", "!(candidate < largest)", "wrong tie: the last maximum"),
    (LRN_POOL_KERNEL, "u * KW + v;", "u * KH + v;", "place: KH for KW"),
    (LRN_POOL_KERNEL, "i / C * SW * C", "i / C * C", "windows one pixel apart"),
    (LRN_POOL_KERNEL, "oh * SH) * W", "oh * SW) * W", "strides of the two axes swapped"),
    (LRN_POOL_KERNEL, "+ left * SW) * all + first", "+ left * SW) * all", "the first group for each"),
    (LRN_POOL_KERNEL, "xs[i] * power(", "power(", "the factor for the normalised number"),
    (LRN_POOL_KERNEL, "(windows - 1) * SW + KW", "windows * SW", "a tile too narrow"),
    (LRN_POOL_KERNEL, "(h - KH) / SH + 1", "(h - KH) / SH + 2", "a window that covers the pixel is left out"),
    (LRN_POOL_KERNEL, "w - ow * SW)", "w - ow * SH)", "backward: strides of the two axes swapped"),
    (LRN_POOL_KERNEL, "sum += ACC(dy", "sum = ACC(dy", "= for +="),
    (LRN_POOL_KERNEL, "(from + i) / all", "i / all", "the first pixels of the row for each tile"),
    (DROPOUT_KERNEL, "z >> 30", "z >> 31", "SplitMix64: another shift off by one"),
    (DROPOUT_KERNEL, "(i + 1) *", "i *", "SplitMix64: counter off by one"),
    (DROPOUT_KERNEL, "z >> 27", "z >> 28", "SplitMix64: a shift off by one"),
    (UPDATE_KERNEL, "decay * w[i] + ", "", "no weight decay"),
    (UPDATE_KERNEL, "momentum * v[i] - ", "-", "no momentum"),
    (UPDATE_KERNEL, "- rate * (", "+ rate * (", "uphill"),
    (UPDATE_KERNEL, "w[i] += step", "w[i] = step", "= for +="),
    (UPDATE_KERNEL, "v[i] = step", "v[i] += step", "+= for ="),
    (PREPROCESS_KERNEL, "mirrored ? size - 1 - column : column", "column", "nothing mirrored"),
    (PREPROCESS_KERNEL, "size - 1 - column", "size - column", "mirrored a pixel off"),
    (PREPROCESS_KERNEL, "bgr ? 2 - i % 3 : i % 3", "i % 3", "BGR left out"),
    (PREPROCESS_KERNEL, "central ? ", "!central ? ", "the mean's place: the other"),
    (PREPROCESS_KERNEL, "+ noise[3 * p + channel]", "", "no noise"),
    (
        PREPROCESS_KERNEL,
        "places[4 * p + 1], left = places[4 * p + 2]",
        "places[4 * p + 2], left = places[4 * p + 1]",
        "top and left swapped",
    ),
    (PREPROCESS_KERNEL, "channel == 1 ? green : blue", "channel == 1 ? blue : green", "factors of two colours swapped"),
    (SOFTMAX_KERNEL, "exp(ACC(row[m]) - largest)", "exp(ACC(row[m]))", "no maximum subtracted"),
    (SOFTMAX_KERNEL, "other < THREADS", "other < THREADS / 2", "half of the threads' sums"),
    (SOFTMAX_KERNEL, "other < 16", "other < 15", "the last part left out"),
    (SOFTMAX_KERNEL, "a < b ? b : a", "a < b ? a : b", "the smallest for the largest"),
    (SOFTMAX_KERNEL, "dloss[0] / N", "dloss[0]", "no division by N"),
    (SOFTMAX_KERNEL, "dloss[0] / N", "ACC(1) / N", "dloss left out"),
    (SOFTMAX_KERNEL, "label ? p - 1 : p", "label ? p : p", "no onehot"),
    (DROPOUT, "factor / (1.0 - p)", "factor / p", "inverted: scale 1/p"),
    (
        DROPOUT,
        "factor / (1.0 - p) if inverted else factor",
        "factor / (1.0 - p)",
        "the paper's form scaled in training",
    ),
    (DROPOUT, "1.0 if inverted else 1.0 - p", "1.0 if inverted else p", "testing: scale p"),
    (DROPOUT, "1.0 if inverted else 1.0 - p", "1.0", "testing: no scale"),
    (DROPOUT, "factor = mask.astype(x.dtype)", "factor = 1 - mask.astype(x.dtype)", "mask complemented"),
    (DROPOUT, "return dy * factor", "return dy * (factor != 0)", "backward: no scale"),
    (
        DROPOUT,
        "dropout_forward(x, *, mask, p=0.5",
        "dropout_forward(x, *, mask=None, p=0.5",
        "a forgotten mask is testing",
    ),
    (DROPOUT, "dropout_forward(x, *, mask, p=0.5", "dropout_forward(x, *, mask, p=0.4", "default p"),
    (DROPOUT, "bits >= xp", "bits < xp", "mask keeps at the rate p"),
    (DROPOUT, 'rng.integers(2**64, dtype="uint64")', "7", "the same key in every step"),
    (DROPOUT, 'rng.integers(2**64, dtype="uint64")', 'rng.integers(2**32, dtype="uint64")', "keys of 32 bits"),
    (DROPOUT, "z >> 30", "z >> 31", "SplitMix64: a shift off by one"),
    (DROPOUT, "xp.arange(1, count + 1,", "xp.arange(count,", "SplitMix64: counter off by one"),
    (DROPOUT, "0x9E3779B97F4A7C15", "0x9E3779B97F4A7C17", "SplitMix64: the increment off"),
    (DROPOUT, "0x94D049BB133111EB", "0x94D049BB133111ED", "SplitMix64: a factor off"),
    (DROPOUT, "+ u64(key)", "", "SplitMix64: the key ignored"),
    (DROPOUT, "p * 2**64", "p * 2**63", "mask keeps at another rate"),
    (
        SOFTMAX,
        "shifted = logits - logits.max(axis=1, keepdims=True)",
        "shifted = logits",
        "the maximum is not subtracted",
    ),
    (SOFTMAX, "- picked).mean()", "- picked).sum()", "sum over the batch for the mean"),
    (SOFTMAX, "dloss / len(t)", "dloss", "gradient not divided by N"),
    (SOFTMAX, "dloss / len(t)", "dloss * len(t)", "N for 1/N"),
    (SOFTMAX, "logits - logits.max(axis=-1, keepdims=True)", "logits", "probabilities: the maximum is not subtracted"),
    (SOFTMAX, "dloss / len(t)", "1 / len(t)", "dloss ignored"),
    (SOFTMAX, ", t] -= 1", ", t] -= 0", "one-hot not subtracted"),
    (SOFTMAX, "dlogits = p.copy()", "dlogits = p", "the cache is changed"),
    (SOFTMAX, "(exp / total, t)", "(exp, t)", "probabilities not normalised"),
    (SOFTMAX, "(t < classes)", "(t <= classes)", "a label one too large is accepted"),
    (SOFTMAX, "(0 <= t)", "(-1 <= t)", "a label of -1 is accepted"),
    (
        BATCHNORM,
        "if of_batch else dy\n",
        "if not of_batch else dy\n",
        "gradient through the statistics: in the wrong form",
    ),
    (BATCHNORM, "dx = dy - mean_dy - xhat", "dx = dy - xhat", "gradient through the mean dropped"),
    (BATCHNORM, "- xhat * mean_dy_xhat if", "if", "gradient through the variance dropped"),
    (
        BATCHNORM,
        "mean_dy_xhat * count, mean_dy * count",
        "mean_dy_xhat, mean_dy * count",
        "dgamma averaged, not summed",
    ),
    (BATCHNORM, "mean_dy_xhat * count, mean_dy * count", "mean_dy_xhat * count, mean_dy", "dbeta averaged, not summed"),
    (BATCHNORM, "return gamma / std * dx", "return dx / std", "gamma left out on the way back"),
    (BATCHNORM, "sqrt(var + eps)\n    xhat", "sqrt(var) + eps\n    xhat", "eps outside the root"),
    (BATCHNORM, "xp_of(x).sqrt(var + eps)", "xp_of(x).sqrt(var)", "eps dropped"),
    (BATCHNORM, "of_batch = mean is None", "of_batch = True", "running statistics ignored"),
    (
        BATCHNORM,
        "(xhat, gamma, std, mean, var, of_batch)",
        "(xhat, gamma, std, mean, std**2, of_batch)",
        "eps in the variance kept",
    ),
    (
        BATCHNORM,
        "var = _mean((x - mean) ** 2)",
        "var = _mean((x - mean) ** 2) * len(x) / (len(x) - 1)",
        "unbiased variance",
    ),
    (BATCHNORM, "var = _mean((x - mean) ** 2)", "var = _mean(x**2) - mean**2", "mean of squares less square of mean"),
    (BATCHNORM, "return by_image.mean(axis=0)", "return by_image[0]", "statistics of the first image only"),
    (BATCHNORM, "xhat.size // xhat.shape[-1]", "len(xhat)", "count of the statistics: images only"),
    (BATCHNORM, "eps=1e-5", "eps=1e-3", "default eps"),
    (MAPNORM, "x * _window_sum(direct * x / s, size)", "x * (direct * x / s)", "cross-terms dropped"),
    (MAPNORM, "return direct - 2 *", "return direct + 2 *", "sign of the gradient through s"),
    (MAPNORM, "return direct - 2 *", "return direct -", "the 2 of the square's gradient dropped"),
    (MAPNORM, "direct * x / s,", "direct * x,", "beta for beta + 1"),
    (MAPNORM, "s = k + alpha * _window", "s = k + alpha / size**2 * _window", "alpha / size^2"),
    (
        MAPNORM,
        "padded[:, i : i + H] for i in range(size)",
        "padded[:, i : i + H] for i in range(size - 1)",
        "window one row too short",
    ),
    (
        MAPNORM,
        "columns[:, :, j : j + W] for j in range(size)",
        "columns[:, :, half : half + W] for j in range(size)",
        "one column size times",
    ),
    (MAPNORM, "size % 2 == 1", "size % 2 >= 0", "even windows are accepted"),
    (MAPNORM, "size=5, k=1.0", "size=3, k=1.0", "default size"),
    (MAPNORM, "size=5, k=1.0", "size=5, k=2.0", "default k"),
    (MAPNORM, "alpha=1e-3 / 25", "alpha=1e-3", "default alpha"),
]


def own_tests(file):
    """The test files that a source is to be caught by: those that mirror it, and of a kernel those of all kernels too."""
    name = f"test_{Path(file).stem}.py"
    mine = [f"tests/kernels/{name}", "tests/kernels/test_parity.py"] if "/kernels/" in file else []
    mine += [f"tests/ops/{name}"]  # last: they run over every table of pairs
    return [path for path in mine if (ROOT / path).exists()]


def selection(file):
    """Of an op's tests those of its own code: in the table that has kernels for it, it does not show."""
    return [] if "/kernels/" in file else ["-k", "not fused or refused"]  # -k finds one word in the other


def mutated(file, old, new):
    """The text of `file` with `old` replaced; ValueError unless it is there exactly once."""
    text = (ROOT / file).read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise ValueError(f"{file}: {old!r} occurs {text.count(old)} times, it needs to occur once")
    return text.replace(old, new)


def run_tests(folder, tests):
    """Run pytest on a copy, never on the project itself; returns the finished process."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-m", "not oracle", "-p", "no:cacheprovider"]
    environment = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *tests],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def copy_project(folder):
    for name in "minialex", "tests":
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    if (ROOT / "pyproject.toml").exists():
        shutil.copy(ROOT / "pyproject.toml", folder)


def catcher(row):
    """The test that fails on this mutation; None if it survives."""
    file, old, new, _ = row
    with tempfile.TemporaryDirectory() as folder:
        copy_project(Path(folder))
        (Path(folder) / file).write_text(mutated(file, old, new), encoding="utf-8")
        finished = run_tests(Path(folder), [*own_tests(file), *selection(file)])
    failed = re.search(r"^FAILED \S+::(\w+)", finished.stdout, re.MULTILINE)
    if finished.returncode == 1 and failed:
        return failed[1]
    if finished.returncode == 0:
        return None
    raise RuntimeError(f"{row}: the tests could not run\n{finished.stdout}{finished.stderr}")


def check_unbroken():
    """What fails without any mutation proves nothing about one."""
    with tempfile.TemporaryDirectory() as folder:
        copy_project(Path(folder))
        finished = run_tests(Path(folder), sorted({path for file, *_ in MUTATIONS for path in own_tests(file)}))
    if finished.returncode != 0:
        raise RuntimeError(f"the tests fail without any mutation\n{finished.stdout}{finished.stderr}")


def main():
    for file, old, new, _ in MUTATIONS:
        mutated(file, old, new)  # a row that no longer fits is found now, not after minutes
    check_unbroken()
    survivors = 0
    print(f"{'op':<12} {'mutation':<52} caught by")
    with ThreadPoolExecutor(WORKERS) as pool:
        for row, test in zip(MUTATIONS, pool.map(catcher, MUTATIONS), strict=True):
            survivors += test is None
            print(f"{Path(row[0]).stem:<12} {row[3]:<52} {test or 'SURVIVED'}", flush=True)
    print(f"{len(MUTATIONS)} mutations, {survivors} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
