#include "cast_elements.h"

void eb_cast_integer(const eb_cast_layer *l, const void *input, void *output) {
  for (int32_t i = 0; i < l->elements; i++) eb_store_element(l, output, i, eb_load_element(l, input, i));
}
