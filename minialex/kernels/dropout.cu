// The masks of dropout (section 4.2): what dropout_mask of minialex/ops/dropout.py draws, bit for bit.
//
// What limits it is the launch: a mask is half a megabyte at batch 128. As array expressions it is a dozen launches, over
// arrays of eight bytes for each bit. An element hangs on the key and its own place alone, so any thread can make it.
//
// T: the type of the mask.

extern "C" __global__ void dropout_mask(T *mask, unsigned long long key, unsigned long long least, long long count)
{
    long long i = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (i >= count)
        return;
    unsigned long long z = key + (i + 1) * 0x9E3779B97F4A7C15ull;  // SplitMix64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    mask[i] = (z ^ (z >> 31)) >= least;
}
