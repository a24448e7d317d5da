// The update rule of section 5, in place, the twin of minialex/optim.py.
//
// What limits it is memory: of each number w, v and g are read, w and v written, 20 bytes for six operations, and
// nothing is used twice. As array expressions it is 60 bytes. Neighbouring threads have neighbouring numbers.
//
// T: the type of gradients, float or half of it; ACC: of weights and velocities, which are float32 beside both.

extern "C" __global__ void update(const T *g, ACC *w, ACC *v, long long count, ACC momentum, ACC rate, ACC decay)
{
    long long i = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (i < count) {
        ACC step = momentum * v[i] - rate * (decay * w[i] + ACC(g[i]));
        v[i] = step;
        w[i] += step;
    }
}
