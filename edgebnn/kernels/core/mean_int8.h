/* MEAN of an int8 tensor over some of its axes:
 *   output = clamp(requantize(sum of (input - input_zero_point), multiplier, shift) + output_zero_point, -128, 127),
 * the number of summands being in the multiplier. Axes that lie side by side and are both kept or both reduced are one. */
#ifndef EDGEBNN_MEAN_INT8_H
#define EDGEBNN_MEAN_INT8_H

#include <stdint.h>

#include "broadcast.h"

/* The axes of `shape` are those of the output, that lie in it one within the other; the first step is the input's. Those of
 * `reduced` are what is summed. In both the second step is 0. */
typedef struct eb_mean_int8_layer {
  eb_broadcast shape, reduced;
  int32_t input_offset; /* number of summands * input_zero_point */
  int32_t multiplier, shift, output_zero_point;
} eb_mean_int8_layer;

void eb_mean_int8(const eb_mean_int8_layer *layer, const int8_t *input, int8_t *output);

/* DSP extension. At most 255 summands along one axis; the innermost axis of the output is that of the input, and its size a
 * multiple of 4. */
void eb_mean_int8_dsp(const eb_mean_int8_layer *layer, const int8_t *input, int8_t *output);

#endif
