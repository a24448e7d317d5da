// From uint8 images to what a network is fed (sections 2 and 4.1): crop, mirror, colour, mean and cast, the twin of
// Preprocessing.apply in minialex/data/preprocess.py.
//
// What limits it is memory, and most of that is to write x: each number costs a byte of an image, four of the mean
// image, which all patches share and the GPU's cache holds (0.8 MB), and sizeof(T). A block makes a row of a patch;
// neighbouring threads write neighbouring numbers, and read them so, backwards where the patch is mirrored.
//
// T: the type of x; ACC: of what is computed. Channels are RGB, but those of x BGR where `bgr` says so.

#define SIDE 256

// places (P,4): image, top, left, mirrored; noise (P,3). A mean that is `central` lies still, whatever the place.
extern "C" __global__ void preprocess(T *x, const unsigned char *images, const float *mean, const int *places,
                                      const ACC *noise, int size, int central, int bgr, ACC red, ACC green, ACC blue)
{
    int p = blockIdx.x / size, row = blockIdx.x % size;
    int image = places[4 * p], top = places[4 * p + 1], left = places[4 * p + 2], mirrored = places[4 * p + 3];
    int middle = (SIDE - size) / 2;

    for (int i = threadIdx.x; i < 3 * size; i += THREADS) {
        int column = i / 3, channel = bgr ? 2 - i % 3 : i % 3;
        int pixel = (top + row) * SIDE + left + (mirrored ? size - 1 - column : column);
        int of_mean = central ? (middle + row) * SIDE + middle + column : pixel;
        ACC value = images[((long long)image * SIDE * SIDE + pixel) * 3 + channel];
        value = value - mean[3 * of_mean + channel] + noise[3 * p + channel];
        x[(long long)blockIdx.x * size * 3 + i] = T(value * (channel == 0 ? red : channel == 1 ? green : blue));
    }
}
