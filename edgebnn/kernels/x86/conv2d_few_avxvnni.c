/* int8 convolution of few input channels with AVX-VNNI (processors that have it without AVX-512): `vpdpbusd` adds four products
 * to each of eight output channels, of inputs as u = x + 128, broadcast, and weights. */
#include "../core/conv2d_few_output.h"

#if defined(__x86_64__)
#include "vpdpbusd.h"

#define MULTIPLY_ADD(sum, inputs, weights) EB_VPDPBUSD(sum, inputs, weights)
#define FEW_KERNEL conv2d_few_avxvnni
#define KERNEL eb_conv2d_few_avxvnni

#include "conv2d_few_ymm.h"
#endif
