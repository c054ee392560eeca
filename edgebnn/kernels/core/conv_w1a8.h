/* Convolutions with 1-bit weights and int8 activations, on devices.
 *
 * With w = -1 or +1 the accumulator of an output is magnitude * sum(w * (x - input zero point)) + bias, in 32 bits that wrap;
 * it is scaled in fixed point (requantize.h), the output's zero point is added, and it is clamped. Padding is with the input's
 * zero point, so it adds nothing (docs/w1a8_format.md).
 */
#ifndef EDGEBNN_CONV_W1A8_H
#define EDGEBNN_CONV_W1A8_H

#include <stdint.h>

#include "geometry.h"

/* What the plain kernels read. */
typedef struct eb_conv_w1a8_layer {
  eb_geometry geometry;
  int32_t channels_in, channels_out;
  int32_t groups; /* of input channels; those of a depthwise layer have one each */
  int32_t input_zero_point, output_zero_point;
  int32_t output_min, output_max;
  const int32_t *weights;     /* signs as in the file: bit 1 is -1 */
  const int8_t *magnitudes;   /* [channels_out] */
  const int32_t *biases;      /* [channels_out] */
  const int32_t *multipliers; /* [channels_out] */
  const int8_t *shifts;       /* [channels_out] */
} eb_conv_w1a8_layer;

/* weights: [channels_out][filter_height][filter_width][words of channels_in / groups]. */
void eb_conv_w1a8(const eb_conv_w1a8_layer *layer, const int8_t *input, int8_t *output);

/* weights: [filter_height][filter_width][words of channels_out]; output channel o reads input channel
 * o / (channels_out / channels_in). */
void eb_depthwise_w1a8(const eb_conv_w1a8_layer *layer, const int8_t *input, int8_t *output);

/* The fast kernels add unsigned bytes: with u = x + 128 and n weights of -1,
 *   sum = sum of u where w = +1, of 255 - u where w = -1,     sum(w * u) = sum - 255 n,
 * so that with zero points and bias in one constant of the channel its accumulator is
 *   magnitude * sum + constant.
 * `depth` and `filters` are the input and output channels of a group. `zeros` is what padding is filled with: the input's zero
 * point + 128 in each byte. */
typedef struct eb_conv_w1a8_sums {
  eb_geometry geometry;
  int32_t depth, filters, groups;
  uint32_t zeros;
  int32_t output_zero_point;
  int32_t output_min, output_max;
  const uint32_t *weights; /* [groups][filters][words of a window], in the kernel's order */
  const int32_t *scales;   /* [groups * filters][3]: 2 * constant, multiplier, 512 * magnitude + bits of the right shift */
  const int32_t *general;  /* [groups * filters][4]: constant, magnitude, multiplier, shift; NULL if all have scales */
} eb_conv_w1a8_sums;

/* A channel of `scales` has factors from 2**-23 to 1/2, accumulators within 2**28, and outputs of the whole range of int8:
 * then a few instructions round it twice. Others have a magnitude of 0 there. */

/* Four pixels at a time: their windows in the order of the words, word by word side by side. */
#define EB_W1A8_PIXELS 4

/* usada8: four weights an instruction. A word of weights has in bit 8 * lane + k the sign of byte `lane` of the k-th word of
 * inputs; what is left over by 8 words of inputs lies in the last bits of the first word. Scratch: the windows of four pixels
 * in whole words, and 4 * groups * filters bytes for outputs if the pixels do not divide by four. */
void eb_conv_w1a8_dsp(const eb_conv_w1a8_sums *layer, const int8_t *input, int8_t *output, void *scratch);

/* Vectors: sixteen weights an instruction. Weights are halves of a word with the signs of sixteen bytes of a window each, in
 * their order; each filter has whole words. Scratch: the windows of four pixels in whole vectors. */
void eb_conv_w1a8_mve(const eb_conv_w1a8_sums *layer, const int8_t *input, int8_t *output, void *scratch);

/* Look-ups of four weights, for cores without usada8. A word of weights has the signs of 32 inputs, the first in bit 0; those of
 * a first word that is not full are its last bits. All filters have their first word before the second one. Scratch: the windows
 * of four pixels in whole words, 1024 bytes of tables, for each filter of a group 8 bytes of sums, 24 if a window has more
 * than 256 channels, and bytes for outputs as above. */
void eb_conv_w1a8_lookup(const eb_conv_w1a8_sums *layer, const int8_t *input, int8_t *output, void *scratch);

/* Depthwise, without a multiplier: groups are channels, a multiple of 4; at most 257 taps. A word of weights has in bit
 * 8 * channel + k the sign of one of four channels in the k-th of eight taps. Scratch: a word for each tap, four bytes of
 * masks for each tap of four channels, and a pixel. */
void eb_depthwise_w1a8_bytes(const eb_conv_w1a8_sums *layer, const int8_t *input, int8_t *output, void *scratch);

#endif
