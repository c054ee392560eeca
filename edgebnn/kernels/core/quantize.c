#include "quantize.h"

#include "requantize.h"

/* Values beyond +-2**24 are cut off: the output is saturated anyway. NaN gives 0. */
static int32_t rounded(float x) {
  const float limit = 16777216.0f;
  if (x > limit) return 1 << 24;
  if (!(x >= -limit)) return x < 0 ? -(1 << 24) : 0;
  const int32_t whole = (int32_t)x;
  const float rest = x - (float)whole;
  return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

void eb_quantize_int8(const eb_quantize_layer *l, const float *input, int8_t *output) {
  for (int32_t i = 0; i < l->elements; i++) {
    output[i] = (int8_t)eb_clamp(rounded(input[i] / l->scale) + l->zero_point, -128, 127);
  }
}

void eb_quantize_uint8(const eb_quantize_layer *l, const float *input, uint8_t *output) {
  for (int32_t i = 0; i < l->elements; i++) {
    output[i] = (uint8_t)eb_clamp(rounded(input[i] / l->scale) + l->zero_point, 0, 255);
  }
}

#define DEQUANTIZE(name, type)                                                                     \
  void name(const eb_dequantize_layer *l, const type *input, float *output) {                      \
    for (int32_t o = 0; o < l->outer; o++) {                                                       \
      for (int32_t c = 0; c < l->channels; c++) {                                                  \
        for (int32_t i = 0; i < l->inner; i++) {                                                   \
          *output++ = (float)(*input++ - l->zero_points[c]) * l->scales[c];                        \
        }                                                                                          \
      }                                                                                            \
    }                                                                                              \
  }

DEQUANTIZE(eb_dequantize_int8, int8_t)
DEQUANTIZE(eb_dequantize_uint8, uint8_t)
DEQUANTIZE(eb_dequantize_int16, int16_t)
