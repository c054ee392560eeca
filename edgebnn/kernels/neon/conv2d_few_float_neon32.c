/* float32 convolution of few input channels on ARMv7 with NEON: eight registers of sums, four of inputs and two of weights. */
#include "../core/conv2d_few_block.h"

#if defined(__ARM_NEON) && !defined(__aarch64__)
enum { PIXELS = 4 };
#define KERNEL eb_conv2d_few_float_neon32
#define FEW_KERNEL conv2d_few_float_neon32
#include "conv2d_few_float_neon.h"
#endif
