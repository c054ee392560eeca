/* Row stationary binary convolution with AVX-512 and its VPOPCNTDQ: the filter's rows, of 32 or 16 output channels, are held
 * in registers while the rows of the input slide past. No window is gathered, no weight is read in the loop, and a word of
 * the input, once broadcast, meets all taps of the filter that it lies under.
 *
 * Filters of 3 rows by 3 words (3x3, 32 channels) and 3 rows by 6 words (3x3, 64 channels) fit into registers whole. Of
 * others one row is held at a time, and passes over a segment of the output before the next.
 */
#include "../core/bconv2d_rows.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum {
  LANES = 16,
  CHANNEL_TILE = 32,
  MOST_PIXELS = 6,  /* of a step */
  MOST_VECTORS = 2, /* of channels */
  MOST_HELD = 18,   /* words of the filter, of a vector of channels */
  MOST_ROW = 6,     /* words of a row of the filter */
  MOST_WORDS = 1024
};

/* What is constant in a loop over pixels: words of the filter that are held, as rows by words of a row; vectors of channels;
 * and how many words of the input lie between two pixels' windows, or 0: any number, then no broadcast is shared. */
typedef struct shape {
  int rows, row_words, vectors, step;
} shape;

/* [channels / LANES][words][LANES]. */
void eb_bconv2d_avx512rs_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels,
                              void *packed) {
  eb_pack_lanes_in_turn(filter, filter_words, words, channels, CHANNEL_TILE, LANES, packed);
}

EB_INLINE void add_differing(__m512i *sum, __m512i weight, __m512i input) {
  *sum = _mm512_add_epi32(*sum, _mm512_popcnt_epi32(_mm512_xor_si512(weight, input)));
}

/* Adds to the sums of `pixels` windows, of which the first begins at `from`. */
EB_INLINE void slide(shape s, __m512i held[MOST_HELD][MOST_VECTORS], const eb_bconv2d_block *b,
                     const uint32_t *from, int pixels, __m512i sums[MOST_PIXELS][MOST_VECTORS]) {
#pragma GCC unroll 3
  for (int r = 0; r < s.rows; r++, from += b->row_step) {
    if (s.step > 0) { /* each word once, for all windows that it lies in */
#pragma GCC unroll 18
      for (int word = 0; word < s.row_words + (pixels - 1) * s.step; word++) {
        const __m512i input = _mm512_set1_epi32((int)from[word]);
#pragma GCC unroll 6
        for (int p = 0; p < pixels; p++) {
          const int in_row = word - p * s.step;
          if (in_row < 0 || in_row >= s.row_words) continue;
#pragma GCC unroll 2
          for (int v = 0; v < s.vectors; v++) add_differing(&sums[p][v], held[r * s.row_words + in_row][v], input);
        }
      }
    } else {
      const uint32_t *window = from;
#pragma GCC unroll 6
      for (int p = 0; p < pixels; p++, window += b->pixel_stride) {
#pragma GCC unroll 6
        for (int word = 0; word < s.row_words; word++) {
          const __m512i input = _mm512_set1_epi32((int)window[word]);
#pragma GCC unroll 2
          for (int v = 0; v < s.vectors; v++) add_differing(&sums[p][v], held[r * s.row_words + word][v], input);
        }
      }
    }
  }
}

/* x = 2 * sums, or what they add to it. */
EB_INLINE void count(shape s, __m512i held[MOST_HELD][MOST_VECTORS], const eb_bconv2d_block *b, int pixels,
                     int adds, eb_stretch *at) {
  __m512i sums[MOST_PIXELS][MOST_VECTORS];
#pragma GCC unroll 6
  for (int p = 0; p < pixels; p++) {
#pragma GCC unroll 2
    for (int v = 0; v < s.vectors; v++) sums[p][v] = _mm512_setzero_si512();
  }
  slide(s, held, b, at->from, pixels, sums);
#pragma GCC unroll 6
  for (int p = 0; p < pixels; p++) {
#pragma GCC unroll 2
    for (int v = 0; v < s.vectors; v++) {
      int32_t *const x = at->x + p * CHANNEL_TILE + v * LANES;
      const __m512i doubled = _mm512_slli_epi32(sums[p][v], 1);
      _mm512_store_si512(x, adds ? _mm512_add_epi32(doubled, _mm512_load_si512(x)) : doubled);
    }
  }
  eb_advance(at, b, pixels, CHANNEL_TILE);
}

/* The filter's rows from `row` on, as many as are held, over all stretches. */
EB_INLINE void run_held(shape s, const eb_bconv2d_block *b, const uint32_t *weights, int32_t row,
                        const eb_stretch *stretches, int32_t stretch_count) {
  __m512i held[MOST_HELD][MOST_VECTORS];
  const uint32_t *const first = weights + (size_t)(row * s.row_words) * LANES;
#pragma GCC unroll 18
  for (int word = 0; word < s.rows * s.row_words; word++) {
#pragma GCC unroll 2
    for (int v = 0; v < s.vectors; v++) held[word][v] = _mm512_load_si512(first + ((size_t)v * b->words + (size_t)word) * LANES);
  }
  for (; stretch_count > 0; stretch_count--, stretches++) {
    eb_stretch at = *stretches;
    at.from += (size_t)row * b->row_step;
    while (at.pixels >= MOST_PIXELS) count(s, held, b, MOST_PIXELS, row > 0, &at);
    while (at.pixels >= 2) count(s, held, b, 2, row > 0, &at);
    if (at.pixels == 1) count(s, held, b, 1, row > 0, &at);
  }
}

EB_INLINE void run_by_row(int row_words, const eb_bconv2d_block *b, const uint32_t *weights, const eb_stretch *stretches,
                          int32_t count) {
  const shape s = {1, row_words, 2, 0};
  for (int32_t row = 0; row < b->row_count; row++) run_held(s, b, weights, row, stretches, count);
}

static void run_one_vector(const eb_bconv2d_block *b, int32_t channel, const eb_stretch *stretches, int32_t count) {
  const uint32_t *weights = (const uint32_t *)b->weights + (size_t)channel * b->words;
  if (b->pixel_stride == 2) {
    run_held((shape){3, MOST_ROW, 1, 2}, b, weights, 0, stretches, count);
  } else {
    run_held((shape){3, MOST_ROW, 1, 0}, b, weights, 0, stretches, count);
  }
}

static void run_two_vectors(const eb_bconv2d_block *b, int32_t channel, const eb_stretch *stretches, int32_t count) {
  const uint32_t *weights = (const uint32_t *)b->weights + (size_t)channel * b->words;
  if (b->row_count == 3 && b->row_words == 3) {
    if (b->pixel_stride == 1) {
      run_held((shape){3, 3, 2, 1}, b, weights, 0, stretches, count);
    } else {
      run_held((shape){3, 3, 2, 0}, b, weights, 0, stretches, count);
    }
    return;
  }
  switch (b->row_words) {
    case 1: run_by_row(1, b, weights, stretches, count); break;
    case 2: run_by_row(2, b, weights, stretches, count); break;
    case 3: run_by_row(3, b, weights, stretches, count); break;
    case 4: run_by_row(4, b, weights, stretches, count); break;
    case 5: run_by_row(5, b, weights, stretches, count); break;
    default: run_by_row(MOST_ROW, b, weights, stretches, count);
  }
}

void eb_bconv2d_avx512rs(const eb_bconv2d_block *b) {
  eb_require_bconv2d_rows(b, MOST_ROW, MOST_WORDS);
  if (b->row_count == 3 && b->row_words == MOST_ROW) {
    eb_run_segments(b, CHANNEL_TILE, LANES, run_one_vector);
  } else {
    eb_run_segments(b, CHANNEL_TILE, 2 * LANES, run_two_vectors);
  }
}
#endif
