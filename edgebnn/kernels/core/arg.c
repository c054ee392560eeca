#include "arg.h"

static void put(const eb_arg_layer *l, void *output, int32_t at, int32_t place) {
  if (l->wide) {
    ((int64_t *)output)[at] = place;
  } else {
    ((int32_t *)output)[at] = place;
  }
}

#define EB_ARG(name, type)                                                              \
  static int32_t place_##name(const eb_arg_layer *l, const type *from) {                \
    type best = from[0];                                                                \
    int32_t place = 0;                                                                  \
    for (int32_t k = 1; k < l->entries && best == best; k++) {                          \
      const type x = from[k * l->inner];                                                \
      if ((l->smallest ? x < best : x > best) || x != x) best = x, place = k;           \
    }                                                                                   \
    return place;                                                                       \
  }                                                                                     \
  void eb_arg_##name(const eb_arg_layer *l, const type *input, void *output) {          \
    int32_t at = 0;                                                                     \
    for (int32_t o = 0; o < l->outer; o++, input += l->entries * l->inner) {            \
      for (int32_t i = 0; i < l->inner; i++) put(l, output, at++, place_##name(l, input + i)); \
    }                                                                                   \
  }

EB_ARG(float, float)
EB_ARG(int8, int8_t)
EB_ARG(uint8, uint8_t)
EB_ARG(int32, int32_t)
EB_ARG(int64, int64_t)
