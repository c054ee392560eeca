#include "pool_int8.h"

#include "requantize.h"
#include "taps.h"

#define EB_POOL_INLINE static inline __attribute__((always_inline))

/* So many channels are pooled together. Where that is a constant, compilers make whole vectors of them, at -O2 too. */
enum { TOGETHER = 16 };

/* Cores without vectors would have the code twice for little. */
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
enum { BY_VECTORS = 0 };
#else
enum { BY_VECTORS = 1 };
#endif

/* Of `count` channels from `channels` on, at most TOGETHER. The output may lie where these were read. */
typedef void pooling(const eb_pool_int8_layer *l, const int8_t *channels, eb_taps taps, int32_t count, int8_t *output);

static inline const int8_t *line_of(const eb_pool_int8_layer *l, const int8_t *channels, eb_taps taps, int32_t y) {
  return channels + (y * l->geometry.input_width + taps.column) * l->channels;
}

EB_POOL_INLINE void average(const eb_pool_int8_layer *l, const int8_t *channels, eb_taps taps, int32_t count,
                            int8_t *output) {
  const int32_t divisor = (taps.row_end - taps.row) * (taps.column_end - taps.column);
  int32_t sums[TOGETHER];
  for (int32_t c = 0; c < count; c++) sums[c] = 0;
  for (int32_t y = taps.row; y < taps.row_end; y++) {
    const int8_t *at = line_of(l, channels, taps, y);
    for (int32_t x = taps.column; x < taps.column_end; x++, at += l->channels) {
      for (int32_t c = 0; c < count; c++) sums[c] += at[c];
    }
  }
  for (int32_t c = 0; c < count; c++) {
    const int32_t away = sums[c] < 0 ? sums[c] - divisor / 2 : sums[c] + divisor / 2;
    output[c] = (int8_t)eb_clamp(away / divisor, l->low, l->high); /* C divides towards zero */
  }
}

EB_POOL_INLINE void maximum(const eb_pool_int8_layer *l, const int8_t *channels, eb_taps taps, int32_t count,
                            int8_t *output) {
  const int8_t low = (int8_t)l->low, high = (int8_t)l->high;
  int8_t most[TOGETHER];
  for (int32_t c = 0; c < count; c++) most[c] = low;
  for (int32_t y = taps.row; y < taps.row_end; y++) {
    const int8_t *at = line_of(l, channels, taps, y);
    for (int32_t x = taps.column; x < taps.column_end; x++, at += l->channels) {
      for (int32_t c = 0; c < count; c++) most[c] = most[c] < at[c] ? at[c] : most[c];
    }
  }
  for (int32_t c = 0; c < count; c++) output[c] = most[c] < high ? most[c] : high;
}

EB_POOL_INLINE void pool(const eb_pool_int8_layer *l, const int8_t *input, int8_t *output, pooling *of) {
  const eb_geometry *g = &l->geometry;
  for (int32_t n = 0; n < g->batches; n++, input += g->input_height * g->input_width * l->channels) {
    for (int32_t y = 0; y < g->output_height; y++) {
      for (int32_t x = 0; x < g->output_width; x++, output += l->channels) {
        const eb_taps taps = eb_taps_at(g, y, x);
        for (int32_t c = 0; c < l->channels; c += TOGETHER) {
          const int32_t left = l->channels - c;
          if (BY_VECTORS && left >= TOGETHER) {
            of(l, input + c, taps, TOGETHER, output + c);
          } else {
            of(l, input + c, taps, left < TOGETHER ? left : TOGETHER, output + c);
          }
        }
      }
    }
  }
}

void eb_average_pool_int8(const eb_pool_int8_layer *l, const int8_t *input, int8_t *output) {
  pool(l, input, output, average);
}

void eb_max_pool_int8(const eb_pool_int8_layer *l, const int8_t *input, int8_t *output) { pool(l, input, output, maximum); }
