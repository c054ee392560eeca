/* Arithmetic of two tensors of plain integers that broadcast. Sums and products wrap; what is divided by 0 is 0, as with the
 * divide instruction of the cores. Sums, differences, products and quotients are clamped to [low, high]. */
#ifndef EDGEBNN_BINARY_INTEGER_H
#define EDGEBNN_BINARY_INTEGER_H

#include <stdint.h>

#include "broadcast.h"

typedef struct eb_binary_integer_layer {
  eb_broadcast shape;
  int64_t low, high;
} eb_binary_integer_layer;

/* The output may be an operand's memory if that moves with the output. */
#define EB_BINARY_INTEGER(name, type) \
  void eb_##name##_##type(const eb_binary_integer_layer *layer, const type##_t *first, const type##_t *second, type##_t *output)

EB_BINARY_INTEGER(add, int16); /* binary_int16.c */
EB_BINARY_INTEGER(mul, int16);
EB_BINARY_INTEGER(add, int32); /* binary_int32.c */
EB_BINARY_INTEGER(sub, int32);
EB_BINARY_INTEGER(mul, int32);
EB_BINARY_INTEGER(div, int32);       /* towards zero */
EB_BINARY_INTEGER(floor_div, int32); /* down */
EB_BINARY_INTEGER(maximum, int32);
EB_BINARY_INTEGER(minimum, int32);
EB_BINARY_INTEGER(add, int64); /* binary_int64.c */
EB_BINARY_INTEGER(sub, int64);
EB_BINARY_INTEGER(mul, int64);
EB_BINARY_INTEGER(maximum, int64);
EB_BINARY_INTEGER(minimum, int64);
EB_BINARY_INTEGER(maximum, int8); /* binary_int8.c */
EB_BINARY_INTEGER(minimum, int8);
EB_BINARY_INTEGER(maximum, uint8); /* of truth values: whether one holds */
EB_BINARY_INTEGER(minimum, uint8); /* whether both hold */

#endif
