/* Integers of any size in memory, as int64. */
#ifndef EDGEBNN_CAST_ELEMENTS_H
#define EDGEBNN_CAST_ELEMENTS_H

#include "cast.h"

static inline int64_t eb_load_element(const eb_cast_layer *l, const void *input, int32_t i) {
  if (l->from == 1) return l->is_unsigned ? (int64_t)((const uint8_t *)input)[i] : (int64_t)((const int8_t *)input)[i];
  if (l->from == 2) return ((const int16_t *)input)[i];
  if (l->from == 4) return ((const int32_t *)input)[i];
  return ((const int64_t *)input)[i];
}

static inline void eb_store_element(const eb_cast_layer *l, void *output, int32_t i, int64_t value) {
  if (l->is_bool) {
    ((uint8_t *)output)[i] = value != 0;
  } else if (l->to == 1) {
    ((int8_t *)output)[i] = (int8_t)value;
  } else if (l->to == 2) {
    ((int16_t *)output)[i] = (int16_t)value;
  } else if (l->to == 4) {
    ((int32_t *)output)[i] = (int32_t)value;
  } else {
    ((int64_t *)output)[i] = value;
  }
}

#endif
