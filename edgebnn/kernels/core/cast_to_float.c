#include "cast_elements.h"

void eb_cast_to_float(const eb_cast_layer *l, const void *input, float *output) {
  for (int32_t i = 0; i < l->elements; i++) output[i] = (float)eb_load_element(l, input, i);
}
