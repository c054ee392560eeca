/* Packed words into +1 and -1. */
#include "kernels.h"
#include "quantization.h"

eb_status eb_dequantize_check(const eb_rows *op) {
  const eb_status status = eb_quantize_check(op);
  if (status != EB_OK) return status;
  if (op->type == EB_INT8 && !eb_is_scale(op->scale)) return EB_BAD_QUANTIZATION;
  return EB_OK;
}

#define BITS4(n) 1u << (n), 2u << (n), 4u << (n), 8u << (n)
static const uint32_t bits[32] = {BITS4(0),  BITS4(4),  BITS4(8),  BITS4(12),
                                  BITS4(16), BITS4(20), BITS4(24), BITS4(28)};

/* Without branches: signs are as good as random. No element waits for another, so that they are done side by side. */
static void unpack_floats(uint32_t word, int32_t count, float *restrict to) {
  for (int32_t i = 0; i < count; i++) to[i] = (word & bits[i]) != 0 ? -1.0f : 1.0f;
}

static void unpack_bytes(uint32_t word, int32_t count, int8_t plus, int8_t minus, int8_t *restrict to) {
  for (int32_t i = 0; i < count; i++) to[i] = (word & bits[i]) != 0 ? minus : plus;
}

/* 1 in units of scale, rounded half away from zero; no more than what already saturates. */
static int32_t unit_of(float scale) {
  const float unit = 1.0f / scale;
  if (unit >= 255.0f) return 255;
  const int32_t below = (int32_t)unit;
  return below + (unit - (float)below >= 0.5f);
}

void eb_dequantize_run(const eb_rows *op, const int32_t *input, void *output, int64_t row_begin, int64_t row_end) {
  int32_t plus = 1, minus = 0; /* of bool */
  if (op->type == EB_INT8) {
    const int32_t unit = unit_of(op->scale);
    plus = op->zero_point + unit < 127 ? op->zero_point + unit : 127;
    minus = op->zero_point - unit > -128 ? op->zero_point - unit : -128;
  }
  const int32_t *from = input + (size_t)row_begin * (size_t)eb_packed_words(op->channels);
  for (int64_t row = row_begin; row < row_end; row++) {
    for (int32_t first = 0; first < op->channels; first += 32) {
      const int32_t count = op->channels - first < 32 ? op->channels - first : 32;
      const size_t at = (size_t)row * (size_t)op->channels + (size_t)first;
      const uint32_t word = (uint32_t)*from++;
      if (op->type == EB_FLOAT32) {
        unpack_floats(word, count, (float *)output + at);
      } else {
        unpack_bytes(word, count, (int8_t)plus, (int8_t)minus, (int8_t *)output + at);
      }
    }
  }
}
