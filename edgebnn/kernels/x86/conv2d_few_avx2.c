/* int8 convolution of few input channels with AVX2: inputs and weights are of 16 bits, and `vpmaddwd` adds two products of each of
 * eight output channels. (`vpmaddubsw` makes twice as many, of bytes, but saturates.) */
#include "../core/conv2d_few_output.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define MULTIPLY_ADD(sum, inputs, weights) ((sum) = _mm256_add_epi32(sum, _mm256_madd_epi16(inputs, weights)))
#define FEW_KERNEL conv2d_few_avx2
#define KERNEL eb_conv2d_few_avx2

#include "conv2d_few_ymm.h"
#endif
