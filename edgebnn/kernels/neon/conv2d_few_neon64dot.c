/* int8 convolution of few input channels on AArch64 with its dot products (Cortex-A55, A76 and newer): `sdot` adds four
 * products to each of four channels. 16 channels by four pixels take 16 registers of sums; a register of a window serves four
 * groups, so that nothing but weights is loaded between them: at most 32 MACs a cycle on two vector pipes.
 */
#include "../core/conv2d_few_block.h"

#if defined(__ARM_NEON) && defined(__aarch64__)
#include "conv2d_few_neon.h"
#include "sdot.h"

enum { GROUP = 4, PIXELS = 4, TILE = 16, LOADED = 4 /* groups of a register */ };

/* Adds a group, whose number among four is `lane`. */
#define ADD_GROUP(lane)                                                                                \
  do {                                                                                                 \
    int8x16_t w[TILE / 4];                                                                             \
    _Pragma("GCC unroll 4") for (int v = 0; v < vectors; v++) {                                        \
      w[v] = vld1q_s8(weights + ((lane)*vectors + v) * 4 * GROUP);                                     \
    }                                                                                                  \
    _Pragma("GCC unroll 4") for (int p = 0; p < PIXELS; p++) {                                         \
      _Pragma("GCC unroll 4") for (int v = 0; v < vectors; v++) EB_SDOT(sums[p][v], w[v], x[p], lane); \
    }                                                                                                  \
  } while (0)

/* Four pixels from `first` on, of which `count` are wanted; vectors: of four channels, a constant. */
EB_INLINE void compute(const eb_conv2d_few_block *b, int32_t first, int32_t count, const int vectors) {
  const int8_t *weights = b->weights, *window = (const int8_t *)b->windows + (size_t)first * b->window_bytes;
  int32x4_t sums[PIXELS][TILE / 4];
  int8x16_t x[PIXELS];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) {
    const int32x4_t bias = vld1q_s32((const int32_t *)b->bias + 4 * v);
#pragma GCC unroll 4
    for (int p = 0; p < PIXELS; p++) sums[p][v] = bias;
  }
  int32_t groups = b->groups;
  for (; groups >= LOADED; groups -= LOADED, weights += LOADED * 4 * GROUP * vectors, window += LOADED * GROUP) {
#pragma GCC unroll 4
    for (int p = 0; p < PIXELS; p++) x[p] = vld1q_s8(window + (size_t)p * b->window_bytes);
    ADD_GROUP(0);
    ADD_GROUP(1);
    ADD_GROUP(2);
    ADD_GROUP(3);
  }
  if (groups > 0) {
#pragma GCC unroll 4
    for (int p = 0; p < PIXELS; p++) x[p] = vld1q_s8(window + (size_t)p * b->window_bytes);
    ADD_GROUP(0);
    if (groups > 1) ADD_GROUP(1);
    if (groups > 2) ADD_GROUP(2);
  }
  pooled octets[PIXELS * TILE / EB_FEW_NEON_LANES];
#pragma GCC unroll 8
  for (int i = 0; i < PIXELS * vectors / 2; i++) {
    const int32x4_t *pixel = sums[2 * i / vectors];
    octets[i] = (pooled){{pixel[2 * i % vectors], pixel[2 * i % vectors + 1]}};
  }
  eb_few_neon_finish(b, first, count, vectors / 2, octets);
}

void eb_conv2d_few_neon64dot(const eb_conv2d_few_block *b) {
  eb_require_conv2d_few_block(b, TILE);
  for (int32_t first = 0; first < b->pixel_count; first += PIXELS) {
    const int32_t count = eb_at_most(b->pixel_count - first, PIXELS);
    if (b->channels > EB_FEW_NEON_LANES) {
      compute(b, first, count, 4);
    } else {
      compute(b, first, count, 2);
    }
  }
}

#define FEW_KERNEL conv2d_few_neon64dot
#include "../core/conv2d_few_rows.h"
#endif
