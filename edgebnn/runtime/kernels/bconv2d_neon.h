/* What the NEON kernels of binary convolution share: everything around the inner loop.
 *
 * Output channels lie side by side in vectors of four words, so that nothing is ever summed across a vector; four
 * pixels go through the same weights at a time. Each of their words is first copied into all lanes of a vector, once
 * for all channels of the block, and the four pixels' vectors of a word stand side by side: the inner loop then reads
 * weights and pixels in order, one word of each after another, and does nothing but XOR, count and add.
 */
#ifndef EDGEBNN_BCONV2D_NEON_H
#define EDGEBNN_BCONV2D_NEON_H

#include <arm_neon.h>

#include "output_transform.h"

enum {
  EB_NEON_LANES = 4,
  EB_NEON_PIXELS = 4,
  EB_NEON_CHANNELS = 32, /* of a block */
  /* Words of a window that are counted in one go. Their vectors (9 KB) and as much of the weights stay in a
   * first-level cache of 32 KB; a 16-bit sum takes up to 4095 words. */
  EB_NEON_WORDS = 144
};

/* Counts differing bits of four pixels and vectors * EB_NEON_LANES channels: weights is [words][vectors][lanes], pixels
 * [words][EB_NEON_PIXELS][lanes], and words at least 1. sums: [EB_NEON_PIXELS][vectors], two 16-bit sums a channel. */
typedef void (*eb_neon_count_fn)(const uint32_t *weights, const uint32_t *pixels, size_t words, uint16x8_t *sums);

/* [vectors of a step][words][vectors][lanes]; what the channels do not fill is 0. */
EB_INLINE void eb_neon_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels,
                            int32_t vectors, uint32_t *packed) {
  const int32_t step = vectors * EB_NEON_LANES;
  for (int32_t first = 0; first < EB_NEON_CHANNELS; first += step) {
    const int32_t left = channels - first;
    eb_pack_lanes(filter, filter_words, words, left < 0 ? 0 : left < step ? left : step, step, packed);
    filter += filter_words * (size_t)step;
    packed += words * (size_t)step;
  }
}

/* Four words into all lanes of four vectors. */
EB_INLINE uint32x4x4_t eb_neon_spread(const uint32_t *from) {
#if defined(__aarch64__)
  return vld4q_dup_u32(from);
#else
  const uint32x4_t x = vld1q_u32(from);
  return (uint32x4x4_t){{vdupq_lane_u32(vget_low_u32(x), 0), vdupq_lane_u32(vget_low_u32(x), 1),
                         vdupq_lane_u32(vget_high_u32(x), 0), vdupq_lane_u32(vget_high_u32(x), 1)}};
#endif
}

/* Words [begin, begin + words) of the pixels from `first` on; past the last pixel that one again. */
EB_INLINE void eb_neon_spread_pixels(const eb_bconv2d_block *b, int32_t first, size_t begin, size_t words,
                                     uint32_t *spread) {
  enum { STEP = EB_NEON_PIXELS * EB_NEON_LANES };
  for (int32_t p = 0; p < EB_NEON_PIXELS; p++) {
    const int32_t pixel = first + p < b->pixel_count ? first + p : b->pixel_count - 1;
    const uint32_t *from = b->pixels + (size_t)pixel * b->pixel_stride + begin;
    uint32_t *to = spread + p * EB_NEON_LANES;
    size_t left = words;
    for (; left >= 4; left -= 4, from += 4, to += 4 * STEP) {
      const uint32x4x4_t x = eb_neon_spread(from);
      for (int i = 0; i < 4; i++) vst1q_u32(to + i * STEP, x.val[i]);
    }
    for (; left > 0; left--, from++, to += STEP) vst1q_u32(to, vdupq_n_u32(*from));
  }
}

/* x = 2 * sum, or adds it to x, of one pixel's channels. */
EB_INLINE void eb_neon_add_sums(const uint16x8_t *sums, int32_t vectors, int adds, int32_t *x) {
  for (int32_t v = 0; v < vectors; v++, x += EB_NEON_LANES) {
    int32x4_t twice = vreinterpretq_s32_u32(vshlq_n_u32(vpaddlq_u16(sums[v]), 1));
    if (adds) twice = vaddq_s32(twice, vld1q_s32(x));
    vst1q_s32(x, twice);
  }
}

/* The kernel, with an inner loop over `vectors`, a constant that divides EB_NEON_CHANNELS / EB_NEON_LANES. */
EB_INLINE void eb_neon_run(const eb_bconv2d_block *b, int32_t vectors, eb_neon_count_fn count) {
  uint32_t spread[EB_NEON_WORDS * EB_NEON_PIXELS * EB_NEON_LANES] __attribute__((aligned(EB_ALIGNMENT)));
  int32_t x[EB_NEON_PIXELS * EB_NEON_CHANNELS] __attribute__((aligned(EB_ALIGNMENT)));
  const int32_t step = vectors * EB_NEON_LANES;
  for (int32_t pixel = 0; pixel < b->pixel_count; pixel += EB_NEON_PIXELS) {
    for (size_t begin = 0; begin < b->words; begin += EB_NEON_WORDS) {
      const size_t words = b->words - begin < EB_NEON_WORDS ? b->words - begin : EB_NEON_WORDS;
      eb_neon_spread_pixels(b, pixel, begin, words, spread);
      for (int32_t channel = 0; channel < b->channels; channel += step) {
        const uint32_t *weights = (const uint32_t *)b->weights + (size_t)channel * b->words + begin * (size_t)step;
        uint16x8_t sums[EB_NEON_PIXELS * EB_NEON_CHANNELS / EB_NEON_LANES];
        count(weights, spread, words, sums);
        for (int32_t p = 0; p < EB_NEON_PIXELS; p++) {
          eb_neon_add_sums(sums + p * vectors, vectors, begin > 0, x + p * EB_NEON_CHANNELS + channel);
        }
      }
    }
    const int32_t left = b->pixel_count - pixel;
    eb_write_output(b, pixel, left < EB_NEON_PIXELS ? left : EB_NEON_PIXELS, x, EB_NEON_CHANNELS);
  }
}

#endif
