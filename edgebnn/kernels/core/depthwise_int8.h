/* DEPTHWISE_CONV_2D of int8 tensors. Output channel o = c * multiplicity + m is made from input channel c alone:
 *
 *   acc = bias[o] + sum over the taps within the input of weight[tap][o] * (input[tap][c] - input_zero_point)
 *   output = clamp(requantize(acc, multiplier[o], shift[o]) + output_zero_point, low, high)
 */
#ifndef EDGEBNN_DEPTHWISE_INT8_H
#define EDGEBNN_DEPTHWISE_INT8_H

#include <stdint.h>

#include "geometry.h"

typedef struct eb_depthwise_int8_layer {
  eb_geometry geometry;
  int32_t channels, multiplicity;
  int32_t input_zero_point, output_zero_point;
  int32_t low, high;
  const int8_t *weights;
  const int32_t *constants;
} eb_depthwise_int8_layer;

/* weights:   [filter_height][filter_width][output channels];
 * constants: [output channels][3]: bias, multiplier, shift. */
void eb_depthwise_int8(const eb_depthwise_int8_layer *layer, const int8_t *input, int8_t *output);

/* DSP extension, multiplicity 1, channels a multiple of 4, sums in [-2**30, 2**30).
 *   weights:   [channels / 4][filter_height][filter_width][4];
 *   constants: [channels / 4][16]: the four biases with the zero point's part, then multiplier, addend and shift of each, as
 *              eb_conv_int8_dsp has them;
 *   scratch:   filter_height * filter_width * channels bytes. */
void eb_depthwise_int8_dsp(const eb_depthwise_int8_layer *layer, const int8_t *input, int8_t *output, void *scratch);

/* Without it; sums, bias, multiplier, addend and shift as there. The scratch takes a word an output channel besides.
 *   weights:   [output channels][filter_height][filter_width];
 *   constants: [output channels][4]: bias, multiplier, addend, shift. */
void eb_depthwise_int8_words(const eb_depthwise_int8_layer *layer, const int8_t *input, int8_t *output, void *scratch);

#endif
