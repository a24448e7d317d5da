// What stands between a matrix product and its layer's output (sections 3.1, 3.2 and 3.5): the bias, the ReLU, and the
// groups side by side. The twin of `y += b` in minialex/ops/conv.py and of relu in minialex/ops/activations.py.
//
// What limits it is memory: an addition and a comparison for each number. So all of it is done on one way: a product is
// read once, and y written once. Back, dy and y are read once: what the ReLU lets through is written for the products,
// each group by itself, and added up for the bias by the thread that has it in its hands. A thread takes V neighbouring
// channels, 16 bytes.
//
// T: the type of arrays; ACC: the type of sums; V: channels of a thread; RELU: whether there is one; LINES: pixels that
// a thread adds up. C of all channels, CG of a group's, and first count V's.

struct __align__(sizeof(T) * V) Values {
    T at[V];
};

// y = product + b, or the ReLU of it, for the maps of a group: product is (count, CG), y and b have C maps, of which
// these are from `first` on.
extern "C" __global__ void bias_forward(const T *product, const T *b, T *y, long long count, int C, int CG, int first)
{
    long long i = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (i >= count * CG)
        return;
    int c = i % CG + first;
    Values values = ((const Values *)product)[i], bias = ((const Values *)b)[c];
    for (int e = 0; e < V; e++) {
        ACC sum = ACC(values.at[e]) + ACC(bias.at[e]);
        values.at[e] = T(RELU && sum <= 0 ? ACC(0) : sum);  // what is not a number stays so
    }
    ((Values *)y)[i / CG * C + c] = values;
}

// dproduct (groups, count, CG) = dy where y > 0, else 0; and its sums over the pixels of a block, (blocks, C).
// Block (b, t, g) has the b-th pixels and the t-th `width` channels of group g: as many lanes as fit beside each other.
extern "C" __global__ void bias_backward(const T *dy, const T *y, T *dproduct, ACC *sums, long long count, int C,
                                         int CG, int width)
{
    __shared__ ACC of_lanes[THREADS][V];
    int lanes = THREADS / width, lane = threadIdx.x / width, g = blockIdx.z;
    int c = blockIdx.y * width + threadIdx.x % width;
    long long line = (long long)blockIdx.x * LINES * lanes + lane, end = min(line + LINES * lanes, count);

    ACC sum[V] = {};
    if (lane < lanes && c < CG)
        for (; line < end; line += lanes) {
            Values values = ((const Values *)dy)[line * C + g * CG + c];
            Values outputs = ((const Values *)y)[line * C + g * CG + c];
            for (int e = 0; e < V; e++) {
                ACC passed = ACC(outputs.at[e]) > 0 ? ACC(values.at[e]) : ACC(0);
                values.at[e] = T(passed);
                sum[e] += passed;
            }
            ((Values *)dproduct)[(g * count + line) * CG + c] = values;
        }
    for (int e = 0; e < V; e++)
        of_lanes[threadIdx.x][e] = sum[e];
    __syncthreads();  // the lanes are added up by the first of them

    if (lane == 0 && c < CG)
        for (int e = 0; e < V; e++) {
            ACC total = 0;
            for (int other = 0; other < lanes; other++)
                total += of_lanes[other * width + threadIdx.x][e];
            sums[((long long)blockIdx.x * C + g * CG + c) * V + e] = total;
        }
}
