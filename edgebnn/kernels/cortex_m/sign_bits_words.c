#include "sign_bits_words.h"

static const uint32_t low_bits = 0x01010101, high_bits = 0x80808080;

/* Four elements of a byte, or a float by its bits, at a multiple of four bytes. */
typedef struct four_bytes {
  uint32_t value;
} __attribute__((may_alias)) four_bytes;

static inline uint32_t load_word(const void *from) { return ((const four_bytes *)from)->value; }

static inline void store_word(void *to, uint32_t word) { ((four_bytes *)to)->value = word; }

/* Of four bytes of 0 or 1, bits 0 to 3: no two of the sixteen products fall on one bit, and the four that matter on the upper
 * ones. */
static inline uint32_t gather_bits(uint32_t bytes) { return (bytes * 0x10204080u) >> 28; }

static inline uint32_t spread_bits(uint32_t bits) { return ((bits & 15) * 0x00204081u) & low_bits; }

/* Bit 7 of each byte: whether x < y, unsigned. Of the lower seven bits the difference tells, with bit 7 set before so that
 * nothing is borrowed from the next byte. */
static inline uint32_t bytes_below(uint32_t x, uint32_t y) {
  const uint32_t at_least = (x | high_bits) - (y & ~high_bits);
  return (~x & y) | (~(x ^ y) & ~at_least);
}

void eb_sign_pack_int8_words(const eb_sign_rows_layer *l, const int8_t *input, int32_t *output) {
  const uint32_t zero_points = (uint32_t)(uint8_t)l->zero_point * low_bits ^ high_bits;
  const int aligned = l->channels % 4 == 0;
  for (int32_t row = 0; row < l->rows; row++) {
    int32_t left = l->channels;
    while (left > 0) {
      uint32_t word = 0;
      int32_t bit = 0;
      for (; aligned && bit < 32 && left >= 4; bit += 4, left -= 4, input += 4) {
        const uint32_t below = bytes_below(load_word(input) ^ high_bits, zero_points);
        word |= gather_bits(below >> 7 & low_bits) << bit;
      }
      for (; bit < 32 && left > 0; bit++, left--) word |= (uint32_t)(*input++ < l->zero_point) << bit;
      *output++ = (int32_t)word;
    }
  }
}

void eb_sign_pack_float_words(const eb_sign_rows_layer *l, const float *input, int32_t *output) {
  for (int32_t row = 0; row < l->rows; row++) {
    int32_t left = l->channels;
    while (left > 0) {
      const int32_t count = left < 32 ? left : 32;
      left -= count;
      uint32_t word = 0;
      /* Past -0, and no further than minus infinity. */
      for (int32_t i = 0; i < count; i++) word |= (uint32_t)(load_word(input++) - 0x80000001u < 0x7f800000u) << i;
      *output++ = (int32_t)word;
    }
  }
}

void eb_sign_unpack_int8_words(const eb_sign_rows_layer *l, const int32_t *input, int8_t *output) {
  const uint32_t plus = (uint32_t)(uint8_t)l->plus * low_bits, change = (uint32_t)(uint8_t)(l->plus ^ l->minus);
  const int aligned = l->channels % 4 == 0;
  for (int32_t row = 0; row < l->rows; row++) {
    int32_t left = l->channels;
    while (left > 0) {
      uint32_t word = (uint32_t)*input++;
      int32_t here = left < 32 ? left : 32;
      left -= here;
      for (; aligned && here >= 4; here -= 4, output += 4, word >>= 4) store_word(output, plus ^ spread_bits(word) * change);
      for (; here > 0; here--, word >>= 1) *output++ = word & 1 ? l->minus : l->plus;
    }
  }
}

void eb_sign_unpack_float_words(const eb_sign_rows_layer *l, const int32_t *input, float *output) {
  for (int32_t row = 0; row < l->rows; row++) {
    for (int32_t first = 0; first < l->channels; first += 32) {
      const int32_t count = l->channels - first < 32 ? l->channels - first : 32;
      uint32_t word = (uint32_t)*input++;
      for (int32_t i = 0; i < count; i++, word >>= 1) store_word(output++, (word << 31) | 0x3f800000u);
    }
  }
}
