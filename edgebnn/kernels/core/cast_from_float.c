#include "cast_elements.h"

static int64_t whole(const eb_cast_layer *l, float x) {
  if (l->is_bool) return x != 0.0f;
  if (l->to == 8) return x >= -0x1p63f && x < 0x1p63f ? (int64_t)x : INT64_MIN;
  return x >= -0x1p31f && x < 0x1p31f ? (int32_t)x : INT32_MIN;
}

void eb_cast_from_float(const eb_cast_layer *l, const float *input, void *output) {
  for (int32_t i = 0; i < l->elements; i++) eb_store_element(l, output, i, whole(l, input[i]));
}
