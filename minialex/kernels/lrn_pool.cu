// Local response normalisation and the max pooling behind it (sections 3.3 and 3.4), the twin of minialex/ops/lrn.py
// and minialex/ops/pool.py.
//
// What limits it is memory, as in lrn.cu, so the normalised maps never leave the block. Forward it takes the pixels
// that a few neighbouring windows cover, KH rows of them, normalises each, and writes the largest of each window. What
// belongs to the windows of two blocks both of them fetch, the second from the cache, and normalise: 1.5 times the
// arithmetic in the first layer of the paper, 1.7 in its second, and it is there to spend. Backward nothing overlaps:
// each number of x asks the windows that cover it for what they hand back, as in pool.cu, and goes on as in lrn.cu.
//
// T: the type of arrays; ACC: the type of sums; N: maps in a window, odd and below 2C. C: maps of a group.

#include "lrn.cuh"

#define POOLED_TILE (12288 / sizeof(ACC))

// y: the largest of each window of normalised numbers, place: which of the window it is. Block (b, t, g) has the t-th
// `wide` windows of row b = (n, oh), for group g.
extern "C" __global__ void lrn_max_pool_forward(const T *x, T *y, unsigned short *place, int H, int W, int OH, int OW,
                                                int KH, int KW, int SH, int SW, int wide, int C, ACC k, ACC alpha,
                                                ACC beta)
{
    __shared__ ACC xs[POOLED_TILE], ys[POOLED_TILE];
    int left = blockIdx.y * wide, windows = min(wide, OW - left), columns = (windows - 1) * SW + KW;
    int length = KH * columns * C, oh = blockIdx.x % OH, all = C * gridDim.z, first = C * blockIdx.z;
    long long n = blockIdx.x / OH;
    const T *corner = x + ((n * H + oh * SH) * W + left * SW) * all + first;

    for (int i = threadIdx.x; i < length; i += THREADS) {
        int row = i / C / columns, column = i / C % columns;
        xs[i] = ACC(corner[((long long)row * W + column) * all + i % C]);
    }
    __syncthreads();

    for (int i = threadIdx.x; i < length; i += THREADS)
        ys[i] = xs[i] * power(k + alpha * window_sum(xs, xs, i, C), beta);
    __syncthreads();

    for (int i = threadIdx.x; i < windows * C; i += THREADS) {
        const ACC *window = ys + i / C * SW * C + i % C;
        ACC largest = *window;
        int of_largest = 0;
        for (int u = 0; u < KH; u++)
            for (int v = 0; v < KW; v++) {
                ACC candidate = window[(u * columns + v) * C];
                if (largest == largest && !(candidate <= largest)) {  // greater, or the first that is not a number
                    largest = candidate;
                    of_largest = u * KW + v;
                }
            }
        long long out = ((long long)blockIdx.x * OW + left + i / C) * all + first + i % C;
        y[out] = T(largest);
        place[out] = of_largest;
    }
}

// What the windows that cover pixel (h, w) of image n and have their maximum there hand back to it: the sum of their
// dy. c: of all channels, which are `all`.
__device__ ACC handed_back(const T *dy, const unsigned short *place, long long n, int h, int w, int c, int all, int OH,
                           int OW, int KH, int KW, int SH, int SW)
{
    int top = h < KH ? 0 : (h - KH) / SH + 1, bottom = min(h / SH, OH - 1);
    int left = w < KW ? 0 : (w - KW) / SW + 1, right = min(w / SW, OW - 1);
    ACC sum = 0;
    for (int oh = top; oh <= bottom; oh++)
        for (int ow = left; ow <= right; ow++) {
            long long window = ((n * OH + oh) * OW + ow) * all + c;
            if (place[window] == (h - oh * SH) * KW + w - ow * SW)
                sum += ACC(dy[window]);
        }
    return sum;
}

// dx from the gradient of what was pooled. Block (b, t) has the t-th `tile` numbers of row b = (n, h) of x.
extern "C" __global__ void lrn_max_pool_backward(const T *dy, const unsigned short *place, const T *x, T *dx, int H,
                                                 int W, int OH, int OW, int KH, int KW, int SH, int SW, int all,
                                                 int tile, int C, ACC k, ACC alpha, ACC beta)
{
    __shared__ ACC xs[TILE], direct[TILE], q[TILE];
    int from = blockIdx.y * tile, length = min(tile, W * all - from), h = blockIdx.x % H;
    long long row = (long long)blockIdx.x * W * all, n = blockIdx.x / H;

    for (int i = threadIdx.x; i < length; i += THREADS) {
        int w = (from + i) / all, c = (from + i) % all;
        xs[i] = ACC(x[row + from + i]);
        direct[i] = handed_back(dy, place, n, h, w, c, all, OH, OW, KH, KW, SH, SW);
    }
    __syncthreads();

    write_gradient(xs, direct, q, dx + row + from, length, C, k, alpha, beta);
}
