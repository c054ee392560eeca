#include "copies.h"
#include "move.h"

void eb_move_table(const eb_move_table_layer *layer, const void *input, void *output) {
  const uint8_t *from = (const uint8_t *)input, *fill = (const uint8_t *)layer->fill;
  const int32_t bytes = layer->bytes, element = layer->element;
  uint8_t *to = (uint8_t *)output;
  for (int32_t r = 0; r < layer->runs; r++, to += bytes) {
    const int32_t place = layer->places[r];
    if (place >= 0) {
      eb_copy_runs(to, from + place, 1, bytes, 0, bytes, element);
    } else {
      eb_copy_runs(to, fill, bytes / element, element, 0, element, element);
    }
  }
}
