// Convolution (sections 3.2 and 3.5), the twin of minialex/ops/conv.py: all but its matrix products and its bias.
//
// What limits these kernels is memory: they copy and add, no more. im2col and col2im move the rows, which have KH KW
// times as many numbers as the images, and each number of the rows once: im2col writes it, col2im reads it. So a
// thread takes V neighbouring channels, which are 16 bytes and one instruction to fetch or to store, and works out
// where they are once. A window's overlaps come from the cache. col2im asks, for each pixel, the windows that cover
// it, and adds up in a fixed order, without atomics.
//
// x is (N,H,W,C), rows is (N OH OW, KH KW CG) with the CG = C/groups channels from `first` on, the channels of a group.
// T: the type of arrays; ACC: the type of sums; V: channels of a thread, a divisor of CG. C, CG and first count V's.

struct __align__(sizeof(T) * V) Values {
    T at[V];
};

// Block (b, t) has the t-th piece of what line u of the windows at (n, oh) see: b = (n, oh, u).
extern "C" __global__ void conv_im2col(const T *x, T *rows, int H, int W, int C, int OH, int OW, int KH, int KW, int SH,
                                       int SW, int top, int left, int CG, int first)
{
    int i = blockIdx.y * THREADS + threadIdx.x;  // (ow, v, c)
    if (i >= OW * KW * CG)
        return;
    int c = i % CG, v = i / CG % KW, ow = i / CG / KW;
    int u = blockIdx.x % KH, oh = blockIdx.x / KH % OH;
    long long n = blockIdx.x / KH / OH;
    int h = oh * SH + u - top, w = ow * SW + v - left;

    Values values = {};  // the padding
    if (h >= 0 && h < H && w >= 0 && w < W)
        values = ((const Values *)x)[((n * H + h) * W + w) * C + first + c];
    ((Values *)rows)[((((n * OH + oh) * OW + ow) * KH + u) * KW + v) * CG + c] = values;
}

// Block (b, t) has the t-th piece of row b = (n, h) of dx.
extern "C" __global__ void conv_col2im(const T *rows, T *dx, int H, int W, int C, int OH, int OW, int KH, int KW, int SH,
                                       int SW, int top, int left, int CG, int first)
{
    int i = blockIdx.y * THREADS + threadIdx.x;  // (w, c)
    if (i >= W * CG)
        return;
    int c = i % CG, w = i / CG + left, h = blockIdx.x % H + top;  // the place in the padded image
    long long n = blockIdx.x / H;
    int highest = h < KH ? 0 : (h - KH) / SH + 1, lowest = min(h / SH, OH - 1);  // the windows that cover it
    int leftmost = w < KW ? 0 : (w - KW) / SW + 1, rightmost = min(w / SW, OW - 1);

    ACC sum[V] = {};
    for (int oh = highest; oh <= lowest; oh++)
        for (int ow = leftmost; ow <= rightmost; ow++) {
            long long place = (((n * OH + oh) * OW + ow) * KH + h - oh * SH) * KW + w - ow * SW;
            Values values = ((const Values *)rows)[place * CG + c];
            for (int e = 0; e < V; e++)
                sum[e] += ACC(values.at[e]);
        }
    Values total;
    for (int e = 0; e < V; e++)
        total.at[e] = T(sum[e]);
    ((Values *)dx)[((long long)blockIdx.x * W + w - left) * C + first + c] = total;
}
