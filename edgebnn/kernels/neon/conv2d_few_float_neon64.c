/* float32 convolution of few input channels on AArch64: 16 registers of sums, eight of inputs and two of weights; one fused
 * multiply-add for four products, at most 8 MACs a cycle on two vector pipes. */
#include "../core/conv2d_few_block.h"

#if defined(__ARM_NEON) && defined(__aarch64__)
enum { PIXELS = 8 };
#define KERNEL eb_conv2d_few_float_neon64
#define FEW_KERNEL conv2d_few_float_neon64
#include "conv2d_few_float_neon.h"
#endif
