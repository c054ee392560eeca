/* Row stationary binary convolution on AArch64: the filter's rows, of 8 or 4 output channels, are held in registers while
 * the rows of the input slide past. No window is gathered, no weight is read in the loop, and a word of the input, once
 * loaded, meets all taps of the filter that it lies under.
 *
 * Output channels lie side by side in vectors of four words, and the words of the input stand there four times (row_lanes),
 * so that an XOR compares one of them with four channels. Bits are counted by byte: a channel's 31 words at most add up to
 * 8 each, which a byte holds.
 *
 * Filters of 3 rows by 3 words (3x3, 32 channels) and 3 rows by 6 words (3x3, 64 channels) fit into registers whole. Of
 * others one row is held at a time, and passes over a segment of the output before the next, whose sums are kept meanwhile.
 */
#include "../core/bconv2d_rows.h"

#if defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>

enum {
  LANES = 4,
  CHANNEL_TILE = 32,
  MOST_PIXELS = 4,  /* of a step */
  MOST_VECTORS = 2, /* of channels */
  MOST_HELD = 18,   /* words of the filter, of a vector of channels: registers that they fill, if there is but one */
  MOST_ROW = 6,     /* words of a row of the filter, where one row is held */
  MOST_WORDS = 31   /* words of the filter */
};

/* What is constant in a loop over pixels: words of the filter that are held, as rows by words of a row; vectors of channels;
 * and how many words of the input lie between two pixels' windows, or 0: any number, then no load is shared. */
typedef struct shape {
  int rows, row_words, vectors, step;
} shape;

/* [channels / LANES][words][LANES]. */
void eb_bconv2d_neon64rs_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels,
                              void *packed) {
  eb_pack_lanes_in_turn(filter, filter_words, words, channels, CHANNEL_TILE, LANES, packed);
}

EB_INLINE void add_differing(uint8x16_t *sum, uint32x4_t weight, uint32x4_t input) {
  *sum = vaddq_u8(*sum, vcntq_u8(vreinterpretq_u8_u32(veorq_u32(weight, input))));
}

/* Adds to the sums of `pixels` windows, of which the first begins at `from`. */
EB_INLINE void slide(shape s, uint32x4_t held[MOST_HELD][MOST_VECTORS], const eb_bconv2d_block *b,
                     const uint32_t *from, int pixels, uint8x16_t sums[MOST_PIXELS][MOST_VECTORS]) {
#pragma GCC unroll 18
  for (int r = 0; r < s.rows; r++, from += b->row_step) {
    if (s.step > 0) { /* each word once, for all windows that it lies in */
#pragma GCC unroll 18
      for (int word = 0; word < s.row_words + (pixels - 1) * s.step; word++) {
        /* Else compilers load so many words ahead that they spill what is held. */
        if (word % 2 == 0) __asm__ volatile("" ::: "memory");
        const uint32x4_t input = vld1q_u32(from + word * LANES);
#pragma GCC unroll 18
        for (int p = 0; p < pixels; p++) {
          const int in_row = word - p * s.step;
          if (in_row < 0 || in_row >= s.row_words) continue;
#pragma GCC unroll 18
          for (int v = 0; v < s.vectors; v++) add_differing(&sums[p][v], held[r * s.row_words + in_row][v], input);
        }
      }
    } else {
      const uint32_t *window = from;
#pragma GCC unroll 18
      for (int p = 0; p < pixels; p++, window += b->pixel_stride) {
#pragma GCC unroll 18
        for (int word = 0; word < s.row_words; word++) {
          if (word % 2 == 0) __asm__ volatile("" ::: "memory");
          const uint32x4_t input = vld1q_u32(window + word * LANES);
#pragma GCC unroll 18
          for (int v = 0; v < s.vectors; v++) add_differing(&sums[p][v], held[r * s.row_words + word][v], input);
        }
      }
    }
  }
}

/* The sums of 8 channels, or of 4 channels of two pixels. */
EB_INLINE uint16x8_t add_bytes(uint8x16_t a, uint8x16_t b) { return vpaddq_u16(vpaddlq_u8(a), vpaddlq_u8(b)); }

/* x = 2 * sum, [pixels][CHANNEL_TILE]. */
EB_INLINE void write_sums(shape s, int pixels, uint8x16_t sums[MOST_PIXELS][MOST_VECTORS], int32_t *x) {
  const int step = s.vectors == 2 || pixels == 1 ? 1 : 2;
#pragma GCC unroll 18
  for (int p = 0; p < pixels; p += step, x += step * CHANNEL_TILE) {
    const uint16x8_t sum = add_bytes(sums[p][0], s.vectors == 2 ? sums[p][1] : sums[p + step - 1][0]);
    vst1q_s32(x, vreinterpretq_s32_u32(vshll_n_u16(vget_low_u16(sum), 1)));
    if (s.vectors == 1 && pixels == 1) continue;
    int32_t *const other = s.vectors == 2 ? x + LANES : x + CHANNEL_TILE;
    vst1q_s32(other, vreinterpretq_s32_u32(vshll_high_n_u16(sum, 1)));
  }
}

EB_INLINE void hold(shape s, const uint32_t *weights, size_t words, uint32x4_t held[MOST_HELD][MOST_VECTORS]) {
#pragma GCC unroll 18
  for (int word = 0; word < s.rows * s.row_words; word++) {
#pragma GCC unroll 18
    for (int v = 0; v < s.vectors; v++) held[word][v] = vld1q_u32(weights + ((size_t)v * words + (size_t)word) * LANES);
  }
}

/* ---- filters that are held whole --------------------------------------------------------------------------------------- */

EB_INLINE void count_whole(shape s, uint32x4_t held[MOST_HELD][MOST_VECTORS], const eb_bconv2d_block *b,
                           int pixels, eb_stretch *at) {
  uint8x16_t sums[MOST_PIXELS][MOST_VECTORS];
  for (int p = 0; p < pixels; p++) {
    for (int v = 0; v < s.vectors; v++) sums[p][v] = vdupq_n_u8(0);
  }
  slide(s, held, b, at->from, pixels, sums);
  write_sums(s, pixels, sums, at->x);
  eb_advance(at, b, pixels, CHANNEL_TILE);
}

EB_INLINE void run_whole(shape s, const eb_bconv2d_block *b, const uint32_t *weights, const eb_stretch *stretches,
                         int32_t count) {
  uint32x4_t held[MOST_HELD][MOST_VECTORS];
  hold(s, weights, b->words, held);
  for (; count > 0; count--, stretches++) {
    eb_stretch at = *stretches;
    while (at.pixels >= 4) count_whole(s, held, b, 4, &at);
    if (at.pixels >= 2) count_whole(s, held, b, 2, &at);
    if (at.pixels == 1) count_whole(s, held, b, 1, &at);
  }
}

/* ---- filters of which one row is held at a time ------------------------------------------------------------------------ */

/* One row of the filter over a step of pixels; kept: [pixels][vectors], the sums of the rows before. */
EB_INLINE void count_row(shape s, uint32x4_t held[MOST_HELD][MOST_VECTORS], const eb_bconv2d_block *b, int32_t row,
                         int pixels, uint8x16_t *kept, eb_stretch *at) {
  uint8x16_t sums[MOST_PIXELS][MOST_VECTORS];
  for (int p = 0; p < pixels; p++) {
    for (int v = 0; v < s.vectors; v++) sums[p][v] = row == 0 ? vdupq_n_u8(0) : kept[p * s.vectors + v];
  }
  slide(s, held, b, at->from, pixels, sums);
  if (row == b->row_count - 1) {
    write_sums(s, pixels, sums, at->x);
  } else {
    for (int p = 0; p < pixels; p++) {
      for (int v = 0; v < s.vectors; v++) kept[p * s.vectors + v] = sums[p][v];
    }
  }
  eb_advance(at, b, pixels, CHANNEL_TILE);
}

EB_INLINE void run_row(shape s, const eb_bconv2d_block *b, const uint32_t *weights, int32_t row,
                       const eb_stretch *stretches, int32_t count, uint8x16_t *kept) {
  uint32x4_t held[MOST_HELD][MOST_VECTORS];
  hold(s, weights + (size_t)(row * s.row_words) * LANES, b->words, held);
  for (; count > 0; count--, stretches++) {
    eb_stretch at = *stretches;
    at.from += (size_t)row * b->row_step;
    for (; at.pixels >= 4; kept += 4 * s.vectors) count_row(s, held, b, row, 4, kept, &at);
    for (; at.pixels > 0; kept += s.vectors) count_row(s, held, b, row, 1, kept, &at);
  }
}

EB_INLINE void run_by_row(shape s, const eb_bconv2d_block *b, const uint32_t *weights, const eb_stretch *stretches,
                          int32_t count) {
  uint8x16_t kept[EB_SEGMENT * MOST_VECTORS];
  for (int32_t row = 0; row < b->row_count; row++) run_row(s, b, weights, row, stretches, count, kept);
}

/* ---- the channels of all stretches -------------------------------------------------------------------------------------- */

static void run_one_vector(const eb_bconv2d_block *b, int32_t channel, const eb_stretch *stretches, int32_t count) {
  const uint32_t *weights = (const uint32_t *)b->weights + (size_t)channel * b->words;
  if (b->pixel_stride == 2 * LANES) {
    run_whole((shape){3, MOST_ROW, 1, 2}, b, weights, stretches, count);
  } else {
    run_whole((shape){3, MOST_ROW, 1, 0}, b, weights, stretches, count);
  }
}

static void run_two_vectors(const eb_bconv2d_block *b, int32_t channel, const eb_stretch *stretches, int32_t count) {
  const uint32_t *weights = (const uint32_t *)b->weights + (size_t)channel * b->words;
  if (b->row_count == 3 && b->row_words == 3) {
    if (b->pixel_stride == LANES) {
      run_whole((shape){3, 3, 2, 1}, b, weights, stretches, count);
    } else {
      run_whole((shape){3, 3, 2, 0}, b, weights, stretches, count);
    }
    return;
  }
  switch (b->row_words) {
    case 1: run_by_row((shape){1, 1, 2, 0}, b, weights, stretches, count); break;
    case 2: run_by_row((shape){1, 2, 2, 0}, b, weights, stretches, count); break;
    case 3: run_by_row((shape){1, 3, 2, 0}, b, weights, stretches, count); break;
    case 4: run_by_row((shape){1, 4, 2, 0}, b, weights, stretches, count); break;
    case 5: run_by_row((shape){1, 5, 2, 0}, b, weights, stretches, count); break;
    default: run_by_row((shape){1, MOST_ROW, 2, 0}, b, weights, stretches, count);
  }
}

void eb_bconv2d_neon64rs(const eb_bconv2d_block *b) {
  eb_require_bconv2d_rows(b, MOST_ROW, MOST_WORDS);
  if (b->row_count == 3 && b->row_words == MOST_ROW) {
    eb_run_segments(b, CHANNEL_TILE, LANES, run_one_vector);
  } else {
    eb_run_segments(b, CHANNEL_TILE, 2 * LANES, run_two_vectors);
  }
}
#endif
