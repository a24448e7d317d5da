// What of CUDA the kernels use, for g++ on a machine without a GPU: one block after another, a block's threads as
// fibers that give way to each other at a barrier alone. A launch runs them from first to last, or from last to
// first: where the results differ, a barrier is missing, or blocks meet.
//
// Not here: tensor cores, dynamic shared memory, streams, and races inside a warp.

#pragma once
#include <math.h>
#include <string.h>
#include <ucontext.h>

#include <utility>

#define __global__
#define __device__ static
#define __forceinline__ inline
#define __restrict__
#define __align__(bytes) alignas(bytes)
#define __shared__ static __attribute__((section("shared")))  // one block at a time: one copy is enough

extern char __start_shared[] __attribute__((weak)), __stop_shared[] __attribute__((weak));

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
static dim3 threadIdx, blockIdx, blockDim, gridDim;

struct __half {
    _Float16 value;
    __half() = default;
    __half(float number) : value(number) {}
    operator float() const { return value; }
};

template <class V> V min(V a, V b) { return b < a ? b : a; }
template <class V> V max(V a, V b) { return a < b ? b : a; }
inline float rsqrt(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }

enum State { READY, AT_WARP, AT_BLOCK, DONE };

struct Fiber {
    ucontext_t context;
    alignas(4096) char stack[16 << 10];  // whole pages: the sanitizer forgets what it knew of these
    dim3 index;
    State state;
    double slot;  // what this thread shows to its warp
};
static Fiber fibers[1024];
static unsigned threads;  // how many of them there are in a block
static ucontext_t scheduler;
static Fiber *running;

static void wait_at(State barrier)
{
    running->state = barrier;
    swapcontext(&running->context, &scheduler);
}

static void __syncthreads() { wait_at(AT_BLOCK); }
static void __syncwarp(unsigned = ~0u) { wait_at(AT_WARP); }

template <class V> V shuffle(V value, unsigned lane_of(unsigned, unsigned), unsigned by)
{
    static_assert(sizeof(V) <= sizeof(double), "");
    unsigned thread = running - fibers, first = thread / 32 * 32;
    memcpy(&running->slot, &value, sizeof(V));
    __syncwarp();
    unsigned lane = lane_of(thread - first, by);
    if (lane < 32 && first + lane < threads)
        memcpy(&value, &fibers[first + lane].slot, sizeof(V));
    __syncwarp();
    return value;
}
template <class V> V __shfl_down_sync(unsigned, V value, unsigned by)
{
    return shuffle(value, +[](unsigned lane, unsigned by) { return lane + by; }, by);
}
template <class V> V __shfl_xor_sync(unsigned, V value, unsigned by)
{
    return shuffle(value, +[](unsigned lane, unsigned by) { return lane ^ by; }, by);
}
template <class V> V __shfl_sync(unsigned, V value, unsigned from)
{
    return shuffle(value, +[](unsigned, unsigned from) { return from; }, from);
}

// All threads from `first` to `last` that exist wait at `barrier`: let them go on.
static bool release(State barrier, unsigned first, unsigned last)
{
    last = min(last, threads);
    for (unsigned i = first; i < last; i++)
        if (fibers[i].state != barrier)
            return false;
    for (unsigned i = first; i < last; i++)
        fibers[i].state = READY;
    return true;
}

// A block finds nothing in shared memory: NaN. (What lies between two arrays is the sanitizer's.)
__attribute__((no_sanitize("address"))) static void spoil_shared()
{
    for (volatile char *byte = __start_shared; byte < __stop_shared; byte++)
        *byte = -1;
}

static bool run_block(void (*entry)(), bool reversed)
{
    spoil_shared();
    for (unsigned t = 0; t < threads; t++) {
        Fiber &fiber = fibers[t];
        fiber.index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
        fiber.state = READY;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack;
        fiber.context.uc_stack.ss_size = sizeof fiber.stack;
        fiber.context.uc_link = &scheduler;
        makecontext(&fiber.context, entry, 0);
    }
    for (;;) {
        for (unsigned t = 0; t < threads; t++) {
            running = &fibers[reversed ? threads - 1 - t : t];
            if (running->state != READY)
                continue;
            running->state = DONE;  // unless it stops at a barrier
            threadIdx = running->index;
            swapcontext(&scheduler, &running->context);
        }
        bool released = false;
        for (unsigned warp = 0; warp < threads; warp += 32)
            released |= release(AT_WARP, warp, warp + 32);
        if (released || release(AT_BLOCK, 0, threads))
            continue;
        return release(DONE, 0, threads);  // or some wait for others that have ended
    }
}

static void **arguments;

template <auto kernel, class... A, size_t... I> void call(void (*)(A...), std::index_sequence<I...>)
{
    kernel(*(A *)arguments[I]...);
}
template <auto kernel, class... A> void start(void (*function)(A...))
{
    call<kernel>(function, std::index_sequence_for<A...>());
}

// 0, or 1 where a barrier is not reached by all threads.
static int run_grid(void (*entry)(), const unsigned *grid, const unsigned *block, void **args, int reversed)
{
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    threads = blockDim.x * blockDim.y * blockDim.z;
    arguments = args;
    unsigned blocks = gridDim.x * gridDim.y * gridDim.z;
    for (unsigned i = 0; i < blocks; i++) {
        unsigned b = reversed ? blocks - 1 - i : i;
        blockIdx = {b % gridDim.x, b / gridDim.x % gridDim.y, b / gridDim.x / gridDim.y};
        if (!run_block(entry, reversed))
            return 1;
    }
    return 0;
}

#define RUN_ON_HOST(kernel)                                                                                   \
    extern "C" int run_##kernel(const unsigned *grid, const unsigned *block, void **args, int reversed)       \
    {                                                                                                         \
        return run_grid([] { start<kernel>(kernel); }, grid, block, args, reversed);                          \
    }
extern "C" long shared_bytes() { return __stop_shared - __start_shared; }
