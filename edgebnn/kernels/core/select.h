/* The first operand's elements where a condition holds, the second one's elsewhere; all three broadcast. */
#ifndef EDGEBNN_SELECT_H
#define EDGEBNN_SELECT_H

#include <stdint.h>

#include "broadcast.h"

typedef struct eb_select_layer {
  eb_broadcast picked;  /* the axes of the condition and the first operand */
  eb_broadcast instead; /* the same axes of the second operand, whose second steps are 0 */
  int32_t element;      /* bytes: 1, 2, 4 or 8 */
} eb_select_layer;

void eb_select(const eb_select_layer *layer, const uint8_t *condition, const void *first, const void *second, void *output);

#endif
