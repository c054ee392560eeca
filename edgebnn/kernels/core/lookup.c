/* out = table[q], see lookup.h. */
#include "lookup.h"

void eb_lookup(const eb_lookup_layer *layer, const void *input, void *output) {
  const uint8_t *from = (const uint8_t *)input, *table = layer->table;
  uint8_t *to = (uint8_t *)output;
  for (int32_t i = 0; i < layer->elements; i++) to[i] = table[from[i]];
}
