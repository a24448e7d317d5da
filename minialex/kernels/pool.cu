// Overlapping max pooling (section 3.4), the twin of minialex/ops/pool.py.
//
// What limits it is memory, and next to that the arithmetic of indices: so a thread takes V neighbouring channels, which
// are 16 bytes and one instruction to fetch, and finds their place once. The windows overlap, so x is read about
// twice, but the second time from the cache. For the backward pass each window keeps the place of its maximum, two
// bytes; there each pixel asks the windows that cover it, and adds up in a fixed order, without atomics.
//
// T: the type of x and y; ACC: the type of sums; V: channels of a thread, a divisor of C.

struct __align__(sizeof(T) * V) Values {
    T at[V];
};
struct __align__(sizeof(unsigned short) * V) Places {
    unsigned short at[V];
};

// Block (b, t) has the t-th piece of row b of all the rows of y. C counts Values, here and below.
extern "C" __global__ void max_pool_forward(const T *x, T *y, unsigned short *place, int H, int W, int C, int OH,
                                            int OW, int KH, int KW, int SH, int SW)
{
    int i = blockIdx.y * THREADS + threadIdx.x;  // in the row: (ow, c)
    if (i >= OW * C)
        return;
    int c = i % C, ow = i / C, oh = blockIdx.x % OH;
    long long n = blockIdx.x / OH;
    const Values *corner = (const Values *)x + ((n * H + oh * SH) * W + ow * SW) * C + c;

    Values largest = *corner;
    Places first = {};
    for (int u = 0; u < KH; u++)
        for (int v = 0; v < KW; v++) {
            Values candidate = corner[((long long)u * W + v) * C];
            for (int e = 0; e < V; e++) {
                ACC a = candidate.at[e], b = largest.at[e];
                if (b == b && !(a <= b)) {  // greater, or the first that is not a number: that must not get lost
                    largest.at[e] = candidate.at[e];
                    first.at[e] = u * KW + v;
                }
            }
        }
    long long out = ((long long)blockIdx.x * OW + ow) * C + c;
    ((Values *)y)[out] = largest;
    ((Places *)place)[out] = first;
}

// Block (b, t) has the t-th piece of row b of all the rows of dx.
extern "C" __global__ void max_pool_backward(const T *dy, const unsigned short *place, T *dx, int H, int W, int C,
                                             int OH, int OW, int KH, int KW, int SH, int SW)
{
    int i = blockIdx.y * THREADS + threadIdx.x;  // in the row: (w, c)
    if (i >= W * C)
        return;
    int c = i % C, w = i / C, h = blockIdx.x % H;
    long long n = blockIdx.x / H;
    int top = h < KH ? 0 : (h - KH) / SH + 1, bottom = min(h / SH, OH - 1);  // the windows that cover the pixel
    int left = w < KW ? 0 : (w - KW) / SW + 1, right = min(w / SW, OW - 1);

    ACC sum[V] = {};
    for (int oh = top; oh <= bottom; oh++)
        for (int ow = left; ow <= right; ow++) {
            long long window = ((n * OH + oh) * OW + ow) * C + c;
            Values d = ((const Values *)dy)[window];
            Places first = ((const Places *)place)[window];
            int here = (h - oh * SH) * KW + (w - ow * SW);
            for (int e = 0; e < V; e++)
                sum[e] += first.at[e] == here ? ACC(d.at[e]) : ACC(0);
        }
    Values total;
    for (int e = 0; e < V; e++)
        total.at[e] = T(sum[e]);
    ((Values *)dx)[((long long)blockIdx.x * W + w) * C + c] = total;
}
