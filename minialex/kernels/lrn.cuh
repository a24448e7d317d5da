// What the kernels of local response normalisation share (section 3.3), in lrn.cu and lrn_pool.cu.
//
// T: the type of arrays; ACC: the type of sums; N: maps in a window, odd and below 2C.

#define TILE 1024  // numbers that a block takes into each array in shared memory

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

// dx[i] = dy[i] s[i]^-beta - 2 alpha beta x[i] sum_j x[j] q[j],   q[j] = dy[j] s[j]^-beta / s[j]
//
// for a tile of which xs has x and direct has dy, which is lost; q is room for as many.
__device__ void write_gradient(const ACC *xs, ACC *direct, ACC *q, T *dx, int length, int C, ACC k, ACC alpha, ACC beta)
{
    for (int i = threadIdx.x; i < length; i += THREADS) {
        ACC s = k + alpha * window_sum(xs, xs, i, C);
        direct[i] *= power(s, beta);
        q[i] = direct[i] / s;
    }
    __syncthreads();

    for (int i = threadIdx.x; i < length; i += THREADS)
        dx[i] = T(direct[i] - 2 * alpha * beta * xs[i] * window_sum(xs, q, i, C));
}
