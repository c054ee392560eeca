/* What the NEON kernels of W1A8 convolution share: `tbl` as a table of 16 sums, low and high nibbles of inputs apart.
 *
 * With u = x + 128, a weight of +1 takes u and one of -1 takes 255 - u, so that all is unsigned: four nibbles make at
 * most 60, and four such sums fit in a byte. A table holds 16 sums of four low nibbles, then 16 of high ones; bit i of
 * the index is set where the weight of input i is -1. A register holds the indices of 16 channels, a byte for two
 * tables. Bytes are widened every four tables (16 inputs of at most 255), words every 16 times (16 * 16 * 255 = 65280).
 */
#ifndef EDGEBNN_W1A8_NEON_H
#define EDGEBNN_W1A8_NEON_H

#include <arm_neon.h>

#include "w1a8_neon_output.h"

enum {
  EB_W1A8_NEON_LANES = 16, /* channels of a register of indices */
  EB_W1A8_NEON_TILE = 32,
  EB_W1A8_NEON_PIXELS = 4, /* at most, at a time */
  EB_W1A8_NEON_TABLE = 32, /* bytes */
  EB_W1A8_NEON_FOUR = 4,  /* tables between two widenings of bytes */
  EB_W1A8_NEON_FOURS = 16 /* and such fours between two of words */
};

/* ---- tables --------------------------------------------------------------------------------------------------- */

EB_INLINE uint8x16_t eb_w1a8_neon_flips(uint64_t low, uint64_t high) {
  return vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(low), vcreate_u64(high)));
}

/* All lanes of four vectors: word i of v in the i-th. */
EB_INLINE void eb_w1a8_neon_spread(uint8x16_t v, uint8x16_t *to) {
  const uint32x2_t low = vget_low_u32(vreinterpretq_u32_u8(v)), high = vget_high_u32(vreinterpretq_u32_u8(v));
  to[0] = vreinterpretq_u8_u32(vdupq_lane_u32(low, 0));
  to[1] = vreinterpretq_u8_u32(vdupq_lane_u32(low, 1));
  to[2] = vreinterpretq_u8_u32(vdupq_lane_u32(high, 0));
  to[3] = vreinterpretq_u8_u32(vdupq_lane_u32(high, 1));
}

/* Four tables of 16 nibbles: sums of two nibbles under four choices of signs, of inputs 0 and 1 and of inputs 2 and 3,
 * then all 16 pairs of those. */
EB_INLINE void eb_w1a8_neon_sum(uint8x16_t nibbles, uint8x16_t *table) {
  const uint64_t odd = 0x0F000F000F000F00u, upper = 0x0F0F00000F0F0000u;
  const uint8x16_t flips0 = eb_w1a8_neon_flips(odd, odd), flips1 = eb_w1a8_neon_flips(upper, upper);
  const uint8x16x2_t twos = vtrnq_u8(nibbles, nibbles); /* inputs 0 and 2, 1 and 3, twice each */
  const uint16x8_t even = vreinterpretq_u16_u8(twos.val[0]), uneven = vreinterpretq_u16_u8(twos.val[1]);
  const uint16x8x2_t n02 = vtrnq_u16(even, even), n13 = vtrnq_u16(uneven, uneven);
  const uint8x16_t pair01 = vaddq_u8(veorq_u8(vreinterpretq_u8_u16(n02.val[0]), flips0),
                                     veorq_u8(vreinterpretq_u8_u16(n13.val[0]), flips1));
  const uint8x16_t pair23 = vaddq_u8(veorq_u8(vreinterpretq_u8_u16(n02.val[1]), flips0),
                                     veorq_u8(vreinterpretq_u8_u16(n13.val[1]), flips1));
  const uint8x16x2_t twice = vzipq_u8(pair23, pair23);
  eb_w1a8_neon_spread(pair01, table);
  for (int half = 0; half < 2; half++) {
    const uint16x8_t two = vreinterpretq_u16_u8(twice.val[half]);
    const uint16x8x2_t four = vzipq_u16(two, two);
    for (int i = 0; i < 2; i++) {
      table[2 * half + i] = vaddq_u8(table[2 * half + i], vreinterpretq_u8_u16(four.val[i]));
    }
  }
}

/* The first `count` of the four tables of 16 inputs. */
EB_INLINE void eb_w1a8_neon_stage_four(int8x16_t x, int32_t count, uint8_t *tables) {
  const uint8x16_t u = veorq_u8(vreinterpretq_u8_s8(x), vdupq_n_u8(0x80));
  uint8x16_t low[EB_W1A8_NEON_FOUR], high[EB_W1A8_NEON_FOUR];
  eb_w1a8_neon_sum(vandq_u8(u, vdupq_n_u8(15)), low);
  eb_w1a8_neon_sum(vshrq_n_u8(u, 4), high);
#pragma GCC unroll 4
  for (int32_t i = 0; i < EB_W1A8_NEON_FOUR; i++, tables += EB_W1A8_NEON_TABLE) {
    if (i >= count) break;
    vst1q_u8(tables, low[i]);
    vst1q_u8(tables + EB_W1A8_NEON_TABLE / 2, high[i]);
  }
}

EB_INLINE void eb_w1a8_neon_stage(const int8_t *input, int32_t inputs, void *to) {
  enum { SIXTEEN = 16 };
  uint8_t *tables = to;
  for (; inputs >= SIXTEEN; inputs -= SIXTEEN, input += SIXTEEN, tables += EB_W1A8_NEON_FOUR * EB_W1A8_NEON_TABLE) {
    eb_w1a8_neon_stage_four(vld1q_s8(input), EB_W1A8_NEON_FOUR, tables);
  }
  if (inputs == 0) return;
  int8_t rest[SIXTEEN];
  memset(rest, -128, sizeof(rest)); /* u = 0 */
  memcpy(rest, input, (size_t)inputs);
  eb_w1a8_neon_stage_four(vld1q_s8(rest), eb_ceil_div(inputs, 4), tables);
}

/* ---- look-up -------------------------------------------------------------------------------------------------- */

EB_INLINE uint8x16_t eb_w1a8_neon_find(const uint8_t *entries, uint8x16_t index) {
#if defined(__aarch64__)
  return vqtbl1q_u8(vld1q_u8(entries), index);
#else
  const uint8x16_t both = vld1q_u8(entries);
  const uint8x8x2_t table = {{vget_low_u8(both), vget_high_u8(both)}};
  return vcombine_u8(vtbl2_u8(table, vget_low_u8(index)), vtbl2_u8(table, vget_high_u8(index)));
#endif
}

/* Adds byte sums of low and of high nibbles to 16-bit sums of 16 channels. */
EB_INLINE void eb_w1a8_neon_add(uint16x8_t *sums, uint8x16_t low, uint8x16_t high) {
  const uint8x8_t sixteen = vdup_n_u8(16);
  sums[0] = vmlal_u8(vaddw_u8(sums[0], vget_low_u8(low)), vget_low_u8(high), sixteen);
  sums[1] = vmlal_u8(vaddw_u8(sums[1], vget_high_u8(low)), vget_high_u8(high), sixteen);
}

/* Adds what 16 channels find in `tables` tables (at most four) of each pixel; both are constants. */
EB_INLINE void eb_w1a8_neon_look_up(const uint8_t *lanes, const uint8_t *table, size_t stride, const int pixels,
                                    const int tables, uint16x8_t (*sums)[2]) {
  uint8x16_t index[EB_W1A8_NEON_FOUR];
#pragma GCC unroll 2
  for (int t = 0; t < tables; t += 2, lanes += EB_W1A8_NEON_TILE) {
    const uint8x16_t lane = vld1q_u8(lanes);
    index[t] = vandq_u8(lane, vdupq_n_u8(15));
    index[t + 1] = vshrq_n_u8(lane, 4);
  }
#pragma GCC unroll 4
  for (int p = 0; p < pixels; p++, table += stride) {
    uint8x16_t low = eb_w1a8_neon_find(table, index[0]);
    uint8x16_t high = eb_w1a8_neon_find(table + EB_W1A8_NEON_TABLE / 2, index[0]);
#pragma GCC unroll 3
    for (int t = 1; t < tables; t++) {
      const uint8_t *entries = table + t * EB_W1A8_NEON_TABLE;
      low = vaddq_u8(low, eb_w1a8_neon_find(entries, index[t]));
      high = vaddq_u8(high, eb_w1a8_neon_find(entries + EB_W1A8_NEON_TABLE / 2, index[t]));
    }
    eb_w1a8_neon_add(sums[p], low, high);
  }
}

/* Sets sums to what 16 channels find in `fours` fours of tables (at least one) of one pixel or of more side by side. */
typedef void (*eb_w1a8_neon_sum_fn)(const uint8_t *lanes, const uint8_t *table, size_t stride, size_t fours,
                                    uint16x8_t (*sums)[2]);

EB_INLINE void eb_w1a8_neon_sum_one(const uint8_t *lanes, const uint8_t *table, size_t stride, size_t fours,
                                    uint16x8_t (*sums)[2]) {
  sums[0][0] = sums[0][1] = vdupq_n_u16(0);
  for (; fours > 0; fours--) {
    eb_w1a8_neon_look_up(lanes, table, stride, 1, EB_W1A8_NEON_FOUR, sums);
    lanes += 2 * EB_W1A8_NEON_TILE;
    table += EB_W1A8_NEON_FOUR * EB_W1A8_NEON_TABLE;
  }
}

/* Adds at most EB_W1A8_NEON_FOURS fours of tables side by side to x. */
EB_INLINE void eb_w1a8_neon_sum_run(const uint8_t *lanes, const uint8_t *table, size_t tables, size_t stride,
                                    const int pixels, eb_w1a8_neon_sum_fn sum, uint32x4_t (*x)[4]) {
  uint16x8_t sums[EB_W1A8_NEON_PIXELS][2];
  const size_t fours = tables / EB_W1A8_NEON_FOUR;
  if (fours > 0) {
    sum(lanes, table, stride, fours, sums);
  } else {
#pragma GCC unroll 4
    for (int p = 0; p < pixels; p++) sums[p][0] = sums[p][1] = vdupq_n_u16(0);
  }
  lanes += fours * 2 * EB_W1A8_NEON_TILE;
  table += fours * EB_W1A8_NEON_FOUR * EB_W1A8_NEON_TABLE;
  switch (tables % EB_W1A8_NEON_FOUR) {
    case 1: eb_w1a8_neon_look_up(lanes, table, stride, pixels, 1, sums); break;
    case 2: eb_w1a8_neon_look_up(lanes, table, stride, pixels, 2, sums); break;
    case 3: eb_w1a8_neon_look_up(lanes, table, stride, pixels, 3, sums); break;
    default: break;
  }
#pragma GCC unroll 4
  for (int p = 0; p < pixels; p++) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
      x[p][2 * half] = vaddw_u16(x[p][2 * half], vget_low_u16(sums[p][half]));
      x[p][2 * half + 1] = vaddw_u16(x[p][2 * half + 1], vget_high_u16(sums[p][half]));
    }
  }
}

/* 16 channels from `channel` on of some pixels (a constant) from `first` on, summed up by `sum`. */
EB_INLINE void eb_w1a8_neon_compute(const eb_w1a8_block *b, int32_t channel, int32_t first, const int pixels,
                                    eb_w1a8_neon_sum_fn sum) {
  uint32x4_t x[EB_W1A8_NEON_PIXELS][4];
  for (int p = 0; p < pixels; p++) {
    for (int i = 0; i < 4; i++) x[p][i] = vdupq_n_u32(0);
  }
  const uint8_t *lanes = (const uint8_t *)b->weights + channel;
  for (size_t s = 0; s < b->segment_count; s++) {
    const uint8_t *table = (const uint8_t *)b->segments[s] + (size_t)first * b->pixel_stride;
    for (size_t tables = b->segment_tables; tables > 0;) {
      const size_t most = (size_t)EB_W1A8_NEON_FOURS * EB_W1A8_NEON_FOUR;
      const size_t some = tables < most ? tables : most;
      eb_w1a8_neon_sum_run(lanes, table, some, b->pixel_stride, pixels, sum, x);
      lanes += (some + 1) / 2 * EB_W1A8_NEON_TILE;
      table += some * EB_W1A8_NEON_TABLE;
      tables -= some;
    }
  }
  for (int p = 0; p < pixels; p++) {
    int8_t *output = b->output + (size_t)(first + p) * b->output_stride;
    int32x4_t sums[4];
    for (int i = 0; i < 4; i++) sums[i] = vreinterpretq_s32_u32(x[p][i]);
    eb_w1a8_neon_write(&b->transform, channel, b->channels - channel, sums, output + channel);
  }
}

/* Pixels from `first` on, one by one. */
EB_INLINE void eb_w1a8_neon_run_ones(const eb_w1a8_block *b, int32_t first) {
  for (; first < b->pixel_count; first++) {
    for (int32_t c = 0; c < b->channels; c += EB_W1A8_NEON_LANES) {
      eb_w1a8_neon_compute(b, c, first, 1, eb_w1a8_neon_sum_one);
    }
  }
}

#endif
