/* AVERAGE_POOL_2D and MAX_POOL_2D of int8 tensors: over the taps within the input, clamped to [low, high]. Averages are
 * rounded to nearest, halves away from zero. */
#ifndef EDGEBNN_POOL_INT8_H
#define EDGEBNN_POOL_INT8_H

#include <stdint.h>

#include "geometry.h"

typedef struct eb_pool_int8_layer {
  eb_geometry geometry;
  int32_t channels;
  int32_t low, high;
} eb_pool_int8_layer;

void eb_average_pool_int8(const eb_pool_int8_layer *layer, const int8_t *input, int8_t *output);
void eb_max_pool_int8(const eb_pool_int8_layer *layer, const int8_t *input, int8_t *output);

/* DSP extension, four channels at a time: their number is a multiple of 4, and averages are over at most 255 taps. */
void eb_average_pool_int8_dsp(const eb_pool_int8_layer *layer, const int8_t *input, int8_t *output);
void eb_max_pool_int8_dsp(const eb_pool_int8_layer *layer, const int8_t *input, int8_t *output);

#endif
