/* Convolutions of float images, clamped to [low, high]; NaN stays NaN. Weights are passed, as they may be computed. */
#ifndef EDGEBNN_CONV_FLOAT_H
#define EDGEBNN_CONV_FLOAT_H

#include <stdint.h>

#include "geometry.h"

typedef struct eb_conv_float_layer {
  eb_geometry geometry;
  int32_t channels_in, channels_out;
  int32_t groups;
  const float *bias; /* [channels_out] or null */
  float low, high;
} eb_conv_float_layer;

/* weights: [channels_out][filter_height][filter_width][channels_in / groups] */
void eb_conv_float(const eb_conv_float_layer *layer, const float *input, const float *weights, float *output);

/* weights: [filter_height][filter_width][channels_out]; output channel o sees input channel o / (channels_out / channels_in) */
void eb_depthwise_float(const eb_conv_float_layer *layer, const float *input, const float *weights, float *output);

/* weights: [channels_out][filter_height][filter_width][channels_in]. The geometry is that of the convolution whose gradient
 * this is: its output is this layer's input, its input this layer's output. */
void eb_transpose_conv_float(const eb_conv_float_layer *layer, const float *weights, const float *input, float *output);

#endif
