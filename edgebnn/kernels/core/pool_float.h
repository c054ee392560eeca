/* AVERAGE_POOL_2D and MAX_POOL_2D of float images: over the taps within the input, clamped to [low, high]. */
#ifndef EDGEBNN_POOL_FLOAT_H
#define EDGEBNN_POOL_FLOAT_H

#include <stdint.h>

#include "geometry.h"

typedef struct eb_pool_float_layer {
  eb_geometry geometry;
  int32_t channels;
  float low, high;
} eb_pool_float_layer;

void eb_average_pool_float(const eb_pool_float_layer *layer, const float *input, float *output);
void eb_max_pool_float(const eb_pool_float_layer *layer, const float *input, float *output);

#endif
