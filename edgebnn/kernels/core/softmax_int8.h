/* SOFTMAX of int8 tensors over the last axis, in fixed point, the output's scale being 1/256 and its zero point -128
 * (edgebnn/arithmetic/fixed_functions.py states it). exp(beta * scale * -d) of a difference d to the greatest value of a row
 * is looked up. */
#ifndef EDGEBNN_SOFTMAX_INT8_H
#define EDGEBNN_SOFTMAX_INT8_H

#include <stdint.h>

typedef struct eb_softmax_int8_layer {
  int32_t rows, depth;
  int32_t differences;         /* 1 to 256: greater ones give 0 */
  const int32_t *exponentials; /* [differences] Q0.31 */
} eb_softmax_int8_layer;

/* In place, if wanted. */
void eb_softmax_int8(const eb_softmax_int8_layer *layer, const int8_t *input, int8_t *output);

#endif
