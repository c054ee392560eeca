/* W1A8 convolution on AArch64 with its dot products (Cortex-A55, A76 and newer): a table is four inputs as they are,
 * and weights are expanded to bytes of +1 and -1. `sdot` makes 16 multiply-accumulates, of four inputs and four channels;
 * 16 channels by four pixels take 16 of them and load four registers of weights: at most 32 MACs a cycle on two vector
 * pipes. Sums are of 32 bits throughout.
 */
#include "../core/w1a8_bytes.h"

#if defined(__ARM_NEON) && defined(__aarch64__)
#include "sdot.h"
#include "w1a8_neon_output.h"

enum {
  CHANNELS = 16,
  VECTORS = CHANNELS / 4, /* of the weights of a table, and of sums */
  TABLE_BYTES = 4,
  PIXELS = 4,
  ROW = 32 /* pixels whose sums are kept before they become outputs */
};

void eb_w1a8_neon64dot_stage(const eb_w1a8_pixels *pixels) { eb_w1a8_stage_bytes(pixels, TABLE_BYTES, 0); }

/* Bytes of +1 and -1, [tables][CHANNELS][4 inputs]: two tables for each lane. */
void eb_w1a8_neon64dot_expand(const void *lanes, size_t count, void *weights) {
  const uint8_t *from = lanes;
  int8_t *to = weights;
  const uint8x16_t bits = vreinterpretq_u8_u32(vdupq_n_u32(0x08040201)), high_bits = vshlq_n_u8(bits, 4);
  const uint8x16_t first = vreinterpretq_u8_u32((uint32x4_t){0x00000000, 0x01010101, 0x02020202, 0x03030303});
  const uint8x16_t one = vdupq_n_u8(1);
  for (size_t i = 0; i < count; i++, from += CHANNELS, to += 2 * CHANNELS * TABLE_BYTES) {
    const uint8x16_t lane = vld1q_u8(from);
    for (int v = 0; v < VECTORS; v++) {
      const uint8x16_t signs = vqtbl1q_u8(lane, vaddq_u8(first, vdupq_n_u8((uint8_t)(4 * v))));
      int8_t *low = to + 16 * v;
      vst1q_s8(low, vreinterpretq_s8_u8(vorrq_u8(vtstq_u8(signs, bits), one)));
      vst1q_s8(low + CHANNELS * TABLE_BYTES, vreinterpretq_s8_u8(vorrq_u8(vtstq_u8(signs, high_bits), one)));
    }
  }
}

/* Adds a table, whose number among four is `lane`. */
#define ADD_TABLE(lane)                                                                                \
  do {                                                                                                 \
    const int8x16x4_t w = vld1q_s8_x4(weights + (lane)*CHANNELS * TABLE_BYTES);                        \
    _Pragma("GCC unroll 4") for (int p = 0; p < pixels; p++) {                                         \
      _Pragma("GCC unroll 4") for (int v = 0; v < VECTORS; v++) EB_SDOT(sums[p][v], w.val[v], x[p], lane); \
    }                                                                                                  \
  } while (0)

/* sums: [pixels][CHANNELS]. */
EB_INLINE void add_tables(const int8_t *weights, const int8_t *inputs, size_t tables, size_t stride, const int pixels,
                          int32_t *to) {
  int32x4_t sums[PIXELS][VECTORS];
  int8x16_t x[PIXELS];
#pragma GCC unroll 4
  for (int p = 0; p < pixels; p++) {
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) sums[p][v] = vld1q_s32(to + p * CHANNELS + 4 * v);
  }
  for (; tables >= 4; tables -= 4, weights += 4 * CHANNELS * TABLE_BYTES, inputs += 4 * TABLE_BYTES) {
#pragma GCC unroll 4
    for (int p = 0; p < pixels; p++) x[p] = vld1q_s8(inputs + (size_t)p * stride);
    ADD_TABLE(0);
    ADD_TABLE(1);
    ADD_TABLE(2);
    ADD_TABLE(3);
  }
  for (; tables > 0; tables--, weights += CHANNELS * TABLE_BYTES, inputs += TABLE_BYTES) {
#pragma GCC unroll 4
    for (int p = 0; p < pixels; p++) {
      int32_t four;
      memcpy(&four, inputs + (size_t)p * stride, sizeof(four));
      x[p] = vreinterpretq_s8_s32(vdupq_n_s32(four));
    }
    ADD_TABLE(0);
  }
#pragma GCC unroll 4
  for (int p = 0; p < pixels; p++) {
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) vst1q_s32(to + p * CHANNELS + 4 * v, sums[p][v]);
  }
}

EB_INLINE void add_whole(const int8_t *weights, const char *inputs, size_t tables, size_t stride, int32_t *to) {
  add_tables(weights, (const int8_t *)inputs, tables, stride, PIXELS, to);
}

/* One by one. */
EB_INLINE void add_rest(const int8_t *weights, const char *inputs, size_t tables, size_t stride, int32_t pixels,
                        int32_t *to) {
  for (int32_t p = 0; p < pixels; p++) {
    add_tables(weights, (const int8_t *)inputs + (size_t)p * stride, tables, 0, 1, to + p * CHANNELS);
  }
}

EB_INLINE void write_pixel(const eb_w1a8_transform *t, int32_t first, int32_t count, const int32_t *sums, int8_t *output) {
  eb_w1a8_neon_write_channels(t, first, count, sums, output);
}

#include "../core/w1a8_dot.h"

void eb_w1a8_neon64dot(const eb_w1a8_block *b) { eb_w1a8_dot_run(b); }

void eb_w1a8_neon64dot_depthwise(const eb_w1a8_depthwise *d) { eb_depthwise_run(d, eb_w1a8_neon_write_channels); }
#endif
