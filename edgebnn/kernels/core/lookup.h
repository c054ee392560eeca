/* Any function of one byte, by table: out = table[q], q the byte without its sign. The table is computed when the package is
 * generated, so whatever the function is, the device does one load an element. */
#ifndef EDGEBNN_LOOKUP_H
#define EDGEBNN_LOOKUP_H

#include <stdint.h>

typedef struct eb_lookup_layer {
  int32_t elements;
  const uint8_t *table; /* 256 */
} eb_lookup_layer;

/* In place, if wanted. */
void eb_lookup(const eb_lookup_layer *layer, const void *input, void *output);

#endif
