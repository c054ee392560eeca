/* Binary convolution in bit slices for few pixels: 32 output channels side by side in the bits of a word, and one pixel after the
 * other. As in conv_binary_sliced.h, but with planes of weights: plane k holds weight k of 32 channels, and the signs of a pixel's
 * window flip whole planes. The bits of a comparison are the packed output as it is.
 *
 *   weights: [blocks of 32 channels][n * 30], n = ceil(K / 30): planes, zeros from K on;
 *   thresholds (packed): what the counters start from, 2**(planes - 1) - 1 - threshold + half the weights in the padding, in bit
 *            slices: [classes of padding][blocks][planes]; planes as in conv_binary_sliced.h;
 *   padding: for packed output the sums are in the thresholds, not here;
 *   scratch: n words.
 * A group's channels are a multiple of 32, or there is but one group. K < 2**16. A pixel is written after its window was read,
 * if there is one group. */
#ifndef EDGEBNN_CONV_BINARY_BY_CHANNEL_H
#define EDGEBNN_CONV_BINARY_BY_CHANNEL_H

#include "conv_binary.h"

void eb_conv_binary_packed_by_channel(const eb_conv_binary_layer *layer, const int32_t *input, int32_t *output, void *scratch);
void eb_conv_binary_int8_by_channel(const eb_conv_binary_layer *layer, const int32_t *input, int8_t *output, void *scratch);
void eb_conv_binary_float_by_channel(const eb_conv_binary_layer *layer, const int32_t *input, float *output, void *scratch);

#endif
