// Local response normalisation (section 3.3), the twin of minialex/ops/lrn.py.
//
// What limits it is memory: two additions and a root or two for each number that is fetched. So every number is
// fetched once: a block takes `tile` numbers, which are whole pixels (of one group), into shared memory, where each
// is read N times at next to no cost. Nothing but x is kept for the backward pass, which finds s again: that is
// cheaper than to write s and to read it.
//
// T: the type of x and y; ACC: the type of sums; N: maps in a window, odd and below 2C.

#include "lrn.cuh"

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

extern "C" __global__ void lrn_backward(const T *dy, const T *x, T *dx, long long count, int tile, int C, ACC k,
                                        ACC alpha, ACC beta)
{
    __shared__ ACC xs[TILE], direct[TILE], q[TILE];
    long long first = (long long)blockIdx.x * tile;
    int length = count - first < tile ? count - first : tile;

    for (int i = threadIdx.x; i < length; i += THREADS) {
        xs[i] = ACC(x[first + i]);
        direct[i] = ACC(dy[first + i]);
    }
    __syncthreads();

    write_gradient(xs, direct, q, dx + first, length, C, k, alpha, beta);
}
