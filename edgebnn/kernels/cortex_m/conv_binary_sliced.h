/* Binary convolution in bit slices: 32 pixels side by side in the bits of a word, and one output channel after the other.
 *
 * The window of a pixel is a sequence of K = taps * channels signs. Plane k holds sign k of 32 pixels, so that
 *   accum = sum over k of (plane k XOR weight k)
 * adds 32 pairs of bits at a time to 32 counters, which lie across words too: word i holds bit i of each. That takes a full
 * adder (five instructions) for each word that is added, no count of the bits in a word, and no unpacking of the result, as
 * the bits of a comparison lie side by side in the end as they are packed.
 *   Three planes have only eight sums with weights, of two bits, which all output channels share: they are computed once, and
 * the three weights choose one of them. So three planes cost two full adders.
 *   The counter of a packed output starts at 2**p - 1 - threshold, 2**p > K, so that its bit p tells whether accum > threshold.
 *
 *   weights: [channels_out][n], n = ceil(K / 30): 30 of the K weights in the lower bits of each word, the first one lowest; tap by
 *            tap, the channels of the group in each;
 *   scratch: eb_binary_slices, followed by chunk * planes words; planes: bits of K, and one more for packed output,
 *            but at least 11.
 * Outputs of 32 pixels are written while their windows are still read, unless all channels are one chunk. K < 2**16. */
#ifndef EDGEBNN_CONV_BINARY_SLICED_H
#define EDGEBNN_CONV_BINARY_SLICED_H

#include "conv_binary.h"
#include "conv_binary_numbers.h"

enum { EB_TABLE_PLANES = 60 };

typedef struct eb_binary_slices {
  eb_pair table[EB_TABLE_PLANES / 3][8]; /* the sums of three planes and each three weights */
  uint32_t planes[EB_TABLE_PLANES + EB_LANES];
  uint32_t bits[EB_LANES]; /* packed output, a word for each channel */
} eb_binary_slices;

void eb_conv_binary_packed_sliced(const eb_conv_binary_layer *layer, const int32_t *input, int32_t *output, void *scratch);
void eb_conv_binary_int8_sliced(const eb_conv_binary_layer *layer, const int32_t *input, int8_t *output, void *scratch);
void eb_conv_binary_float_sliced(const eb_conv_binary_layer *layer, const int32_t *input, float *output, void *scratch);

#endif
