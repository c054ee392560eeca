#include "sign_bits.h"

#define PACK(NAME, TYPE, NEGATIVE)                                                     \
  void NAME(const eb_sign_rows_layer *l, const TYPE *input, int32_t *output) {         \
    for (int32_t row = 0; row < l->rows; row++) {                                      \
      for (int32_t first = 0; first < l->channels; first += 32) {                      \
        const int32_t count = l->channels - first < 32 ? l->channels - first : 32;     \
        uint32_t word = 0;                                                             \
        for (int32_t i = 0; i < count; i++) word |= (uint32_t)(NEGATIVE(*input++)) << i; \
        *output++ = (int32_t)word;                                                     \
      }                                                                                \
    }                                                                                  \
  }

#define BELOW_ZERO_POINT(x) ((x) < l->zero_point)
#define BELOW_ZERO(x) ((x) < 0.0f)
#define IS_FALSE(x) ((x) == 0)

PACK(eb_sign_pack_int8, int8_t, BELOW_ZERO_POINT)
PACK(eb_sign_pack_float, float, BELOW_ZERO)
PACK(eb_sign_pack_bool, uint8_t, IS_FALSE)

#define UNPACK(NAME, TYPE, PLUS, MINUS)                                            \
  void NAME(const eb_sign_rows_layer *l, const int32_t *input, TYPE *output) {     \
    for (int32_t row = 0; row < l->rows; row++) {                                  \
      for (int32_t first = 0; first < l->channels; first += 32) {                  \
        const int32_t count = l->channels - first < 32 ? l->channels - first : 32; \
        const uint32_t word = (uint32_t)*input++;                                  \
        for (int32_t i = 0; i < count; i++) *output++ = word >> i & 1 ? MINUS : PLUS; \
      }                                                                            \
    }                                                                              \
  }

UNPACK(eb_sign_unpack_int8, int8_t, l->plus, l->minus)
UNPACK(eb_sign_unpack_float, float, 1.0f, -1.0f)
UNPACK(eb_sign_unpack_bool, uint8_t, 1, 0)

static int32_t first_inside(int32_t at) { return at < 0 ? -at : 0; }
static int32_t end_inside(int32_t at, int32_t filter, int32_t size) { return size - at < filter ? size - at : filter; }

void eb_max_pool_binary(const eb_max_pool_binary_layer *l, const int32_t *input, int32_t *output) {
  const eb_geometry *g = &l->geometry;
  for (int32_t n = 0; n < g->batches; n++) {
    for (int32_t row = 0; row < g->output_height; row++) {
      for (int32_t column = 0; column < g->output_width; column++) {
        const int32_t top = row * g->stride_height - g->pad_top, left = column * g->stride_width - g->pad_left;
        for (int32_t i = 0; i < l->words; i++) {
          int32_t all = -1;
          for (int32_t r = first_inside(top); r < end_inside(top, g->filter_height, g->input_height); r++) {
            const int32_t *line = input + (n * g->input_height + top + r) * g->input_width * l->words + i;
            for (int32_t c = first_inside(left); c < end_inside(left, g->filter_width, g->input_width); c++) {
              all &= line[(left + c) * l->words];
            }
          }
          *output++ = all;
        }
      }
    }
  }
}
