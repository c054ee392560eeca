/* What is done row by row: signs into packed words (32 elements become a word, bit 1 for a negative one), and words back into
 * +1 and -1. */
#include "numbers.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packed words are little-endian"
#endif

#define INLINE static inline __attribute__((always_inline))

#if defined(__SSE2__)
#include <emmintrin.h>

INLINE __m128i load(const unsigned char *from) { return _mm_loadu_si128((const __m128i *)(const void *)from); }

/* Bit i of 16: whether float i is below 0. */
INLINE uint32_t negative_floats(const unsigned char *from) {
  __m128i below[4];
  for (int i = 0; i < 4; i++) {
    below[i] = _mm_castps_si128(_mm_cmplt_ps(_mm_castsi128_ps(load(from + 16 * i)), _mm_setzero_ps()));
  }
  const __m128i first = _mm_packs_epi32(below[0], below[1]), second = _mm_packs_epi32(below[2], below[3]);
  return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(first, second));
}

INLINE uint32_t pack_floats(const unsigned char *from) {
  return negative_floats(from) | negative_floats(from + 64) << 16;
}

INLINE uint32_t pack_int8s(const unsigned char *from, int8_t zero_point) {
  const __m128i zero = _mm_set1_epi8(zero_point);
  const __m128i first = _mm_cmplt_epi8(load(from), zero), second = _mm_cmplt_epi8(load(from + 16), zero);
  return (uint32_t)_mm_movemask_epi8(first) | (uint32_t)_mm_movemask_epi8(second) << 16;
}

INLINE uint32_t pack_bools(const unsigned char *from) {
  const __m128i zero = _mm_setzero_si128();
  const __m128i first = _mm_cmpeq_epi8(load(from), zero), second = _mm_cmpeq_epi8(load(from + 16), zero);
  return (uint32_t)_mm_movemask_epi8(first) | (uint32_t)_mm_movemask_epi8(second) << 16;
}

#else

#include "byte_masks.h"

typedef float float4 __attribute__((vector_size(16)));
typedef int32_t int4 __attribute__((vector_size(16)));

/* -1 for each float below 0. */
INLINE int4 below_zero(const unsigned char *from) {
#if defined(__ARM_NEON) && !defined(__aarch64__)
  /* As integers, since ARMv7 takes the smallest floats of a vector for 0: past -0, and no further than minus infinity. */
  const int32_t minus_infinity = -0x800000;
  int4 x;
  memcpy(&x, from, 16);
  return (x > INT32_MIN) & (x <= minus_infinity);
#else
  float4 x;
  memcpy(&x, from, 16);
  return x < (float4){0};
#endif
}

INLINE uint32_t pack_floats(const unsigned char *from) {
  const int4 lane_bit = {1, 2, 4, 8};
  int4 bits = {0};
  for (int i = 0; i < 8; i++) bits |= (below_zero(from + 16 * i) & lane_bit) << (4 * i);
  return (uint32_t)(bits[0] | bits[1] | bits[2] | bits[3]);
}

INLINE uint32_t pack_int8s(const unsigned char *from, int8_t zero_point) {
  eb_bytes16 q[2];
  memcpy(q, from, 32);
  return eb_gather_bits(q[0] < zero_point) | eb_gather_bits(q[1] < zero_point) << 16;
}

INLINE uint32_t pack_bools(const unsigned char *from) {
  eb_bytes16 q[2];
  memcpy(q, from, 32);
  return eb_gather_bits(q[0] == 0) | eb_gather_bits(q[1] == 0) << 16;
}

#endif

INLINE uint32_t pack_word(int32_t type, int8_t zero_point, const unsigned char *from) {
  switch (type) {
    case EB_FLOAT32: return pack_floats(from);
    case EB_INT8: return pack_int8s(from, zero_point);
    default: return pack_bools(from);
  }
}

/* `type` is a constant, so that each type has its own loop. Rows of whole words are one long row. The last word of another is
   read whole, from the next row too, as long as the input (of `rows_left` rows from here on) goes so far. */
INLINE void pack_rows(const eb_rows *op, int32_t type, const unsigned char *restrict from, int32_t *restrict to,
                      int64_t rows, int64_t rows_left) {
  const size_t element = type == EB_FLOAT32 ? sizeof(float) : 1;
  const size_t rest = (size_t)op->channels % 32 * element;
  const size_t whole = (size_t)op->channels / 32 * (rest == 0 ? (size_t)rows : 1);
  const int64_t stretches = rest == 0 ? 1 : rows;
  const uint32_t counted = ((uint32_t)1 << (size_t)op->channels % 32) - 1;
  const unsigned char *const end = from + (size_t)rows_left * (size_t)op->channels * element;
  const int8_t zero_point = (int8_t)op->zero_point;
  /* What stands behind the last channel: an element whose bit is 0, so 0.0f, the greatest int8, or true. */
  unsigned char last[32 * sizeof(float)];
  memset(last, type == EB_FLOAT32 ? 0 : type == EB_INT8 ? 127 : 1, sizeof(last));
  for (int64_t stretch = 0; stretch < stretches; stretch++) {
    for (size_t word = 0; word < whole; word++, from += 32 * element) {
      *to++ = (int32_t)pack_word(type, zero_point, from);
    }
    if (rest == 0) continue;
    if ((size_t)(end - from) >= 32 * element) {
      *to++ = (int32_t)(pack_word(type, zero_point, from) & counted);
    } else {
      memcpy(last, from, rest);
      *to++ = (int32_t)pack_word(type, zero_point, last);
    }
    from += rest;
  }
}

eb_status eb_quantize_check(const eb_rows *op) {
  if (op->rows < 1 || op->channels < 1) return EB_BAD_SIZE;
  if (op->type != EB_FLOAT32 && op->type != EB_INT8 && op->type != EB_BOOL) return EB_BAD_OPTION;
  if (op->rows > INT32_MAX / op->channels) return EB_TOO_LARGE;
  if (op->type == EB_INT8 && !eb_is_zero_point(op->zero_point)) return EB_BAD_QUANTIZATION;
  return EB_OK;
}

void eb_quantize_run(const eb_rows *op, const void *input, int32_t *output, int64_t row_begin, int64_t row_end) {
  EB_REQUIRE(0 <= row_begin && row_begin <= row_end && row_end <= op->rows && op->channels > 0);
  const size_t element = op->type == EB_FLOAT32 ? sizeof(float) : 1;
  const unsigned char *from = (const unsigned char *)input + (size_t)row_begin * (size_t)op->channels * element;
  int32_t *to = output + (size_t)row_begin * (size_t)eb_packed_words(op->channels);
  const int64_t rows = row_end - row_begin, left = op->rows - row_begin;
  switch (op->type) {
    case EB_FLOAT32: pack_rows(op, EB_FLOAT32, from, to, rows, left); break;
    case EB_INT8: pack_rows(op, EB_INT8, from, to, rows, left); break;
    default: pack_rows(op, EB_BOOL, from, to, rows, left); break;
  }
}

/* ---- words into +1 and -1 ----------------------------------------------------------------------------------------- */

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
  EB_REQUIRE(0 <= row_begin && row_begin <= row_end && row_end <= op->rows && op->channels > 0);
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
