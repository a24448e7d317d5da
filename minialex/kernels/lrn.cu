// Local response normalisation (section 3.3), the twin of minialex/ops/lrn.py.
//
// What limits it is memory: two additions and a root or two for each number that is fetched. So every number is
// fetched once: a block takes `tile` numbers, which are whole pixels (of one group), into shared memory, where each
// is read N times at next to no cost. Nothing but x is kept for the backward pass, which finds s again: that is
// cheaper than to write s and to read it.
//
// T: the type of x and y; ACC: the type of sums; N: maps in a window, odd and below 2C.

#define TILE 1024

// s^-beta. The paper's 0.75 needs no power: s^-1/2 times its own root.
__device__ ACC power(ACC s, ACC beta)
{
    ACC root = rsqrt(s);
    return beta == ACC(0.75) ? root * sqrt(root) : pow(s, -beta);
}

// The sum of a[j] b[j] over the window of number i of the tile, inside its pixel of C maps.
__device__ ACC window_sum(const ACC *a, const ACC *b, int i, int C)
{
    int c = (unsigned)i % C;
    ACC sum = 0;
    for (int d = -(N / 2); d <= N / 2; d++)
        if (c + d >= 0 && c + d < C)
            sum += a[i + d] * b[i + d];
    return sum;
}

extern "C" __global__ void lrn_forward(const T *x, T *y, long long count, int tile, int C, ACC k, ACC alpha, ACC beta)
{
    __shared__ ACC xs[TILE];
    long long first = (long long)blockIdx.x * tile;
    int length = count - first < tile ? count - first : tile;

    for (int i = threadIdx.x; i < length; i += THREADS)
        xs[i] = ACC(x[first + i]);
    __syncthreads();  // a window reaches into what other threads have fetched

    for (int i = threadIdx.x; i < length; i += THREADS) {
        ACC s = k + alpha * window_sum(xs, xs, i, C);
        y[first + i] = T(xs[i] * power(s, beta));
    }
}

// dx[i] = dy[i] s[i]^-beta - 2 alpha beta x[i] sum_j x[j] q[j],   q[j] = dy[j] s[j]^-beta / s[j]
extern "C" __global__ void lrn_backward(const T *dy, const T *x, T *dx, long long count, int tile, int C, ACC k,
                                        ACC alpha, ACC beta)
{
    __shared__ ACC xs[TILE], direct[TILE], q[TILE];
    long long first = (long long)blockIdx.x * tile;
    int length = count - first < tile ? count - first : tile;

    for (int i = threadIdx.x; i < length; i += THREADS)
        xs[i] = ACC(x[first + i]);
    __syncthreads();

    for (int i = threadIdx.x; i < length; i += THREADS) {
        ACC s = k + alpha * window_sum(xs, xs, i, C);
        direct[i] = ACC(dy[first + i]) * power(s, beta);
        q[i] = direct[i] / s;
    }
    __syncthreads();

    for (int i = threadIdx.x; i < length; i += THREADS)
        dx[first + i] = T(direct[i] - 2 * alpha * beta * xs[i] * window_sum(xs, q, i, C));
}
