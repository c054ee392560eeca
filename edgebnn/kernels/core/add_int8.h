/* ADD and SUB of int8 tensors that broadcast. */
#ifndef EDGEBNN_ADD_INT8_H
#define EDGEBNN_ADD_INT8_H

#include <stdint.h>

#include "broadcast.h"

/*   x = requantize((first - first_zero_point) * 2**20, first_multiplier, first_shift), y likewise,
 *   output = clamp(requantize(x + sign * y, multiplier, shift) + zero_point, low, high) */
typedef struct eb_add_int8_layer {
  eb_broadcast shape;
  int32_t first_zero_point, first_multiplier, first_shift;
  int32_t second_zero_point, second_multiplier, second_shift;
  int32_t sign; /* 1 or -1 */
  int32_t multiplier, shift, zero_point;
  int32_t low, high;
} eb_add_int8_layer;

/* The output may be an operand's memory if that moves with the output. */
void eb_add_int8(const eb_add_int8_layer *layer, const int8_t *first, const int8_t *second, int8_t *output);

/* The same where that equals, for all values of the operands,
 *   output = clamp((first_factor * first + second_factor * second + addend) >> shift, low, high),
 * nothing of which leaves 32 bits. */
typedef struct eb_add_int8_linear_layer {
  eb_broadcast shape;
  int32_t first_factor, second_factor, addend, shift;
  int32_t low, high;
} eb_add_int8_linear_layer;

void eb_add_int8_linear(const eb_add_int8_linear_layer *layer, const int8_t *first, const int8_t *second, int8_t *output);

/* DSP extension; low is -128, high 127, and both operands move along the innermost axis. */
void eb_add_int8_linear_dsp(const eb_add_int8_linear_layer *layer, const int8_t *first, const int8_t *second,
                            int8_t *output);

#endif
