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

#include "../core/output_transform.h"

enum {
  EB_NEON_LANES = 4,
  EB_NEON_PIXELS = 4,
  EB_NEON_CHANNELS = 32, /* of a block */
  /* Words of a window that are counted in one go. Their vectors (9 KB) and as much of the weights stay in a
   * first-level cache of 32 KB; a 16-bit sum takes up to 4095 words. */
  EB_NEON_WORDS = 144
};

/* Counts differing bits of four pixels and vectors * EB_NEON_LANES channels: weights is [words][vectors][lanes], pixels
 * [words][EB_NEON_PIXELS][lanes], and words at least 2. sums: [EB_NEON_PIXELS][vectors], two 16-bit sums a channel. */
typedef void (*eb_neon_count_fn)(const uint32_t *weights, const uint32_t *pixels, size_t words, uint16x8_t *sums);

/* [vectors of a step][words][vectors][lanes]; what the channels do not fill is 0. */
EB_INLINE void eb_neon_pack(const uint32_t *filter, size_t filter_words, size_t words, int32_t channels,
                            int32_t vectors, uint32_t *packed) {
  eb_pack_lanes_in_turn(filter, filter_words, words, channels, EB_NEON_CHANNELS, vectors * EB_NEON_LANES, packed);
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

/* `words` words of four pixels, in the order of the inner loop. */
EB_INLINE void eb_neon_spread_pixels(const uint32_t *pixels, size_t stride, size_t words, uint32_t *to) {
  const uint32_t *a = pixels, *b = a + stride, *c = b + stride, *d = c + stride;
  for (size_t fours = words / 4; fours > 0; fours--, to += 4 * EB_NEON_PIXELS * EB_NEON_LANES) {
    const uint32x4x4_t x[EB_NEON_PIXELS] = {eb_neon_spread(a), eb_neon_spread(b), eb_neon_spread(c), eb_neon_spread(d)};
    a += 4, b += 4, c += 4, d += 4;
    /* Else compilers add an index to each of the four again and again. */
    __asm__("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
    for (int i = 0; i < 4; i++) {
      for (int p = 0; p < EB_NEON_PIXELS; p++) vst1q_u32(to + (i * EB_NEON_PIXELS + p) * EB_NEON_LANES, x[p].val[i]);
    }
  }
  for (words %= 4; words > 0; words--, to += EB_NEON_PIXELS * EB_NEON_LANES) {
    vst1q_u32(to, vdupq_n_u32(*a++));
    vst1q_u32(to + EB_NEON_LANES, vdupq_n_u32(*b++));
    vst1q_u32(to + 2 * EB_NEON_LANES, vdupq_n_u32(*c++));
    vst1q_u32(to + 3 * EB_NEON_LANES, vdupq_n_u32(*d++));
  }
}

/* The inner loop for what remains: one pixel, as it stands. */
EB_INLINE void eb_neon_count_one(const uint32_t *weights, const uint32_t *pixel, size_t words, int32_t vectors,
                                 uint16x8_t *sums) {
  uint16x8_t sum[EB_NEON_CHANNELS / EB_NEON_LANES];
  for (int v = 0; v < vectors; v++) sum[v] = vdupq_n_u16(0);
  for (; words > 0; words--, weights += vectors * EB_NEON_LANES) {
    const uint32x4_t x = vdupq_n_u32(*pixel++);
    for (int v = 0; v < vectors; v++) {
      const uint32x4_t differing = veorq_u32(vld1q_u32(weights + v * EB_NEON_LANES), x);
      sum[v] = vpadalq_u8(sum[v], vcntq_u8(vreinterpretq_u8_u32(differing)));
    }
  }
  for (int v = 0; v < vectors; v++) sums[v] = sum[v];
}

/* The sums of 8 channels: at most 32 * EB_NEON_WORDS, which 16 bits hold. */
EB_INLINE uint16x8_t eb_neon_add_pairs(uint16x8_t low, uint16x8_t high) {
#if defined(__aarch64__)
  return vpaddq_u16(low, high);
#else
  return vcombine_u16(vpadd_u16(vget_low_u16(low), vget_high_u16(low)),
                      vpadd_u16(vget_low_u16(high), vget_high_u16(high)));
#endif
}

/* x = 2 * sum, or adds it to x; x: [pixels][EB_NEON_CHANNELS], from the first channel on that was counted. */
EB_INLINE void eb_neon_add_sums(const uint16x8_t *sums, int32_t pixels, int32_t vectors, int adds, int32_t *x) {
  for (int32_t p = 0; p < pixels; p++, x += EB_NEON_CHANNELS) {
    for (int32_t v = 0; v < vectors; v += 2, sums += 2) {
      const uint16x8_t sum = eb_neon_add_pairs(sums[0], sums[1]);
      int32x4_t low = vreinterpretq_s32_u32(vshll_n_u16(vget_low_u16(sum), 1));
      int32x4_t high = vreinterpretq_s32_u32(vshll_n_u16(vget_high_u16(sum), 1));
      int32_t *to = x + v * EB_NEON_LANES;
      if (adds) {
        low = vaddq_s32(low, vld1q_s32(to));
        high = vaddq_s32(high, vld1q_s32(to + EB_NEON_LANES));
      }
      vst1q_s32(to, low);
      vst1q_s32(to + EB_NEON_LANES, high);
    }
  }
}

/* One or four pixels from `first` on, and all channels of the block. */
EB_INLINE void eb_neon_run_pixels(const eb_bconv2d_block *b, int32_t first, int32_t pixels, int32_t vectors,
                                  eb_neon_count_fn count) {
  uint32_t spread[EB_NEON_WORDS * EB_NEON_PIXELS * EB_NEON_LANES] __attribute__((aligned(EB_ALIGNMENT)));
  int32_t x[EB_NEON_PIXELS * EB_NEON_CHANNELS] __attribute__((aligned(EB_ALIGNMENT)));
  const int32_t step = vectors * EB_NEON_LANES, channels = b->channels;
  const size_t words = b->words, stride = b->pixel_stride;
  const uint32_t *pixel = b->pixels + (size_t)first * stride;
  for (size_t begin = 0; begin < words; begin += EB_NEON_WORDS, pixel += EB_NEON_WORDS) {
    const size_t length = words - begin < EB_NEON_WORDS ? words - begin : EB_NEON_WORDS;
    const int together = pixels > 1 && length > 1;
    const uint32_t *weights = (const uint32_t *)b->weights + begin * (size_t)step;
    if (together) eb_neon_spread_pixels(pixel, stride, length, spread);
    for (int32_t channel = 0; channel < channels; channel += step, weights += words * (size_t)step) {
      uint16x8_t sums[EB_NEON_PIXELS * EB_NEON_CHANNELS / EB_NEON_LANES];
      if (together) {
        count(weights, spread, length, sums);
      } else {
        for (int32_t p = 0; p < pixels; p++) {
          eb_neon_count_one(weights, pixel + (size_t)p * stride, length, vectors, sums + p * vectors);
        }
      }
      if (begin == 0) {
        eb_neon_add_sums(sums, pixels, vectors, 0, x + channel);
      } else {
        eb_neon_add_sums(sums, pixels, vectors, 1, x + channel);
      }
    }
  }
  eb_write_output(b, first, pixels, x, EB_NEON_CHANNELS);
}

/* The kernel, with an inner loop over `vectors`, a constant that divides EB_NEON_CHANNELS / EB_NEON_LANES. */
EB_INLINE void eb_neon_run(const eb_bconv2d_block *b, int32_t vectors, eb_neon_count_fn count) {
  eb_require_bconv2d_block(b, EB_NEON_CHANNELS, 1);
  int32_t pixel = 0;
  for (; pixel + EB_NEON_PIXELS <= b->pixel_count; pixel += EB_NEON_PIXELS) {
    /* Else compilers keep every pointer that follows from it, and move them all on. */
    __asm__("" : "+r"(pixel));
    eb_neon_run_pixels(b, pixel, EB_NEON_PIXELS, vectors, count);
  }
  for (; pixel < b->pixel_count; pixel++) eb_neon_run_pixels(b, pixel, 1, vectors, count);
}

#endif
