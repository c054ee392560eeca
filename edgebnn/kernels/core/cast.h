/* Changes of type of plain numbers, one function for each pair of floats and integers. Integers lose their upper bits; of
 * floats the fraction is cut. A float beyond int32 (beyond int64, if that is the output), or NaN, becomes the lowest int32
 * (int64), whose lower bits narrower types take: as on x86. Whatever is not 0 is true. */
#ifndef EDGEBNN_CAST_H
#define EDGEBNN_CAST_H

#include <stdint.h>

typedef struct eb_cast_layer {
  int32_t elements;
  int32_t from, to;    /* bytes of an element: 1, 2, 4 or 8 */
  int32_t is_unsigned; /* 1: the input has no sign, as uint8 and truth values */
  int32_t is_bool;     /* 1: the output is a truth value */
} eb_cast_layer;

void eb_cast_integer(const eb_cast_layer *layer, const void *input, void *output);
void eb_cast_to_float(const eb_cast_layer *layer, const void *input, float *output);
void eb_cast_from_float(const eb_cast_layer *layer, const float *input, void *output);

#endif
