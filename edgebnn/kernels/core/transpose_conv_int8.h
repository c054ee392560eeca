/* TRANSPOSE_CONV of int8 tensors. The geometry is that of the convolution whose gradient it is: its input is this layer's
 * output, its output this layer's input, and no taps are dilated.
 *
 *   acc = bias[o] + sum over the input pixels whose windows hold this output pixel, at tap t, and the input channels, of
 *         weight[o][t][i] * (input - input_zero_point)
 *   output = clamp(requantize(acc, multiplier[o], shift[o]) + output_zero_point, low, high)
 */
#ifndef EDGEBNN_TRANSPOSE_CONV_INT8_H
#define EDGEBNN_TRANSPOSE_CONV_INT8_H

#include <stdint.h>

#include "geometry.h"

typedef struct eb_transpose_conv_int8_layer {
  eb_geometry geometry;
  int32_t channels_in, channels_out;
  int32_t input_zero_point, output_zero_point;
  int32_t low, high;
  const int8_t *weights;    /* [channels_out][filter_height][filter_width][channels_in] */
  const int32_t *constants; /* [channels_out][3]: bias, multiplier, shift */
} eb_transpose_conv_int8_layer;

void eb_transpose_conv_int8(const eb_transpose_conv_int8_layer *layer, const int8_t *input, int8_t *output);

#endif
