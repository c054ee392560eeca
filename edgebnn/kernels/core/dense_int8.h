/* FULLY_CONNECTED of int8 tensors.
 *
 *   acc = bias[o] + sum over k of (weight[o][k] - weights_zero_point) * (input[row][k] - input_zero_point), modulo 2**32
 *   output = clamp(round(acc * factor[o]) + output_zero_point, low, high),
 * the product in double and rounded once, halves away from zero. For each channel that equals, for every acc that can occur,
 *   output = clamp((acc * multiplier + addend) >> shift, low, high)
 * in 64 bits, which is proven when the layer is made; where there are no such numbers, double stays.
 */
#ifndef EDGEBNN_DENSE_INT8_H
#define EDGEBNN_DENSE_INT8_H

#include <stdint.h>

typedef struct eb_dense_int8_layer {
  int32_t rows, depth, outputs;
  int32_t weights_zero_point;
  int32_t output_zero_point;
  int32_t low, high;
  const int8_t *weights;     /* [outputs][depth] */
  const int32_t *constants;  /* [outputs][5]: bias with the zero points' part, multiplier, addend (low and high half), shift */
  const int32_t *factors;    /* where the product stays in double: [outputs][2], the halves of each, the lower one first */
} eb_dense_int8_layer;

/* The zero points' part in the bias is -input_zero_point * sum over k of (weight[o][k] - weights_zero_point). */
void eb_dense_int8(const eb_dense_int8_layer *layer, const int8_t *input, int8_t *output);
void eb_dense_int8_double(const eb_dense_int8_layer *layer, const int8_t *input, int8_t *output);

/* DSP extension. The zero point of weights is 0. */
void eb_dense_int8_dsp(const eb_dense_int8_layer *layer, const int8_t *input, int8_t *output);

#endif
