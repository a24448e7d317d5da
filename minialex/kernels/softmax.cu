// Softmax with cross-entropy (section 3.5), the twin of minialex/ops/softmax.py.
//
// What limits it is the launch: 128 rows of 1000 logits are half a megabyte, read in less time than a kernel needs to
// start. So each pass is one kernel, a row to a block. The forward keeps two numbers of each row, its maximum and the sum
// of its exponentials; the backward finds the probabilities again from these, without the error of rounding them.
//
// T: the type of logits; ACC: the type of sums, of the loss and of what is kept.

__device__ ACC larger(ACC a, ACC b) { return a < b ? b : a; }
__device__ ACC added(ACC a, ACC b) { return a + b; }

// What `combine` makes of the values of all threads: 16 threads take every 16th of them, then everybody takes those.
template <ACC combine(ACC, ACC)> __device__ ACC all(ACC value, ACC *values)
{
    values[threadIdx.x] = value;
    __syncthreads();
    if (threadIdx.x < 16) {
        for (int other = 16; other < THREADS; other += 16)
            value = combine(value, values[threadIdx.x + other]);
        values[threadIdx.x] = value;
    }
    __syncthreads();
    value = values[0];
    for (int other = 1; other < 16; other++)
        value = combine(value, values[other]);
    __syncthreads();  // before `values` serves again
    return value;
}

// loss = log(total) - (logit of the label - largest), total = sum of exp(logit - largest)
extern "C" __global__ void softmax_forward(const T *logits, const int *t, ACC *losses, ACC *maxima, ACC *totals, int M)
{
    __shared__ ACC values[THREADS];
    const T *row = logits + (long long)blockIdx.x * M;

    ACC largest = ACC(row[0]);
    for (int m = threadIdx.x; m < M; m += THREADS)
        largest = larger(largest, ACC(row[m]));
    largest = all<larger>(largest, values);

    ACC total = 0;
    for (int m = threadIdx.x; m < M; m += THREADS)
        total += exp(ACC(row[m]) - largest);
    total = all<added>(total, values);

    if (threadIdx.x == 0) {
        int label = t[blockIdx.x];
        bool known = label >= 0 && label < M;  // the host could not look without waiting: such a loss is not a number
        losses[blockIdx.x] = known ? log(total) - (ACC(row[label]) - largest) : ACC(nan(""));
        maxima[blockIdx.x] = largest;
        totals[blockIdx.x] = total;
    }
}

// dlogits = dloss / N (exp(logit - largest) / total - onehot(label))
extern "C" __global__ void softmax_backward(const T *logits, const int *t, const ACC *maxima, const ACC *totals,
                                            const ACC *dloss, T *dlogits, int N, int M)
{
    long long row = (long long)blockIdx.x * M;
    int label = t[blockIdx.x];
    ACC largest = maxima[blockIdx.x], total = totals[blockIdx.x], scale = dloss[0] / N;
    for (int m = threadIdx.x; m < M; m += THREADS) {
        ACC p = exp(ACC(logits[row + m]) - largest) / total;
        dlogits[row + m] = T(scale * (m == label ? p - 1 : p));
    }
}
