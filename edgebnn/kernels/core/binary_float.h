/* Arithmetic of two float tensors that broadcast, clamped to [low, high]; NaN stays NaN. */
#ifndef EDGEBNN_BINARY_FLOAT_H
#define EDGEBNN_BINARY_FLOAT_H

#include <stdint.h>

#include "broadcast.h"

typedef struct eb_binary_float_layer {
  eb_broadcast shape;
  float low, high; /* infinite where nothing is clamped */
} eb_binary_float_layer;

/* The output may be an operand's memory if that moves with the output. */
#define EB_BINARY_FLOAT(name) \
  void eb_##name##_float(const eb_binary_float_layer *layer, const float *first, const float *second, float *output)

EB_BINARY_FLOAT(add);
EB_BINARY_FLOAT(sub);
EB_BINARY_FLOAT(mul);
EB_BINARY_FLOAT(div);
EB_BINARY_FLOAT(maximum);
EB_BINARY_FLOAT(minimum);
EB_BINARY_FLOAT(squared_difference);
EB_BINARY_FLOAT(prelu);     /* the second operand: slopes */
EB_BINARY_FLOAT(floor_div); /* floor(a / b) of the exact quotient; floor_div_float.c */
EB_BINARY_FLOAT(pow);       /* pow_float.c */

#endif
