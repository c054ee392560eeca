/* The loops of convolution of few input channels around one instruction, for kernels that broadcast a group of inputs and have
 * output channels in lanes: sums of some pixels by some vectors of channels stay in registers while a window is read from end to
 * end. What includes this defines before
 *   SUM, int32_t or float; vector, and LANES of it; MOST_VECTORS, of a block; GROUP_BYTES, of a group of inputs;
 *   vector load(const void *vectors), void store(SUM *to, vector sums), vector broadcast(const char *group);
 *   MULTIPLY_ADD(sum, inputs, weights);
 *   void write_sums(const eb_conv2d_few_transform *t, int32_t c, int32_t count, const vector *sums, size_t step, int32_t pixels,
 *                   const int32_t most, size_t stride, void *output):
 *     LANES channels from `c` on, of which `count` are there, of `pixels` pixels (at most `most`, a constant), whose sums are
 *     `step` vectors apart and outputs `stride` elements or, packed, bytes; output: of channel 0 of the first. */
#ifndef EDGEBNN_CONV2D_FEW_TILES_H
#define EDGEBNN_CONV2D_FEW_TILES_H

#include "../core/conv2d_few_block.h"

enum { MOST_PIXELS = 16 };

EB_INLINE void compute(const eb_conv2d_few_block *b, int32_t first, int32_t count, const int pixels, const int vectors) {
  const SUM *weights = b->weights, *bias = b->bias;
  const size_t window_bytes = b->window_bytes, bytes = b->transform.output_type == EB_FLOAT32 ? sizeof(float) : 1;
  const char *window = b->windows + (size_t)first * window_bytes;
  vector sums[MOST_PIXELS * MOST_VECTORS];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) {
    const vector start = load(bias + v * LANES);
#pragma GCC unroll 16
    for (int p = 0; p < pixels; p++) sums[p * vectors + v] = start;
  }
  for (int32_t g = b->groups; g > 0; g--, weights += vectors * LANES, window += GROUP_BYTES) {
    vector w[MOST_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) w[v] = load(weights + v * LANES);
#pragma GCC unroll 16
    for (int p = 0; p < pixels; p++) {
      const vector x = broadcast(window + (size_t)p * window_bytes);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) MULTIPLY_ADD(sums[p * vectors + v], x, w[v]);
    }
  }
  if (b->sums != NULL) {
    SUM *to = (SUM *)b->sums + (size_t)first * b->sum_stride;
    const size_t stride = b->sum_stride;
#pragma GCC unroll 16
    for (int p = 0; p < pixels; p++) {
      if (p >= count) break;
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) store(to + (size_t)p * stride + v * LANES, sums[p * vectors + v]);
    }
    return;
  }
  const eb_conv2d_few_transform t = b->transform;
  const size_t stride = b->output_stride;
  const int32_t channels = b->channels;
  char *output = (char *)b->output + (size_t)first * stride * bytes;
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) {
    write_sums(&t, v * LANES, channels - v * LANES, sums + v, (size_t)vectors, count, pixels, stride, output);
  }
}

typedef void tile(const eb_conv2d_few_block *b, int32_t first, int32_t count);
#define COMPUTE(pixels, vectors)                                                                         \
  static void compute_##pixels##_##vectors(const eb_conv2d_few_block *b, int32_t first, int32_t count) { \
    compute(b, first, count, pixels, vectors);                                                           \
  }

/* By many pixels at a time, or four. Where many are six, seven and eight are twice four. */
static void compute_all(const eb_conv2d_few_block *b, tile *many, int32_t of_many, tile *four) {
  for (int32_t first = 0; first < b->pixel_count;) {
    const int32_t left = b->pixel_count - first;
    const int takes_four = left <= 4 || (left > of_many && left <= 8);
    const int32_t taken = takes_four ? 4 : of_many;
    (takes_four ? four : many)(b, first, eb_at_most(left, taken));
    first += taken;
  }
}

/* A kernel's function: tiles for each number of vectors, of as many pixels as 32 registers hold: 16 to 24 are sums. */
#define FEW_BY_FOUR_VECTORS(function)                                                 \
  COMPUTE(16, 1)                                                                      \
  COMPUTE(8, 2)                                                                       \
  COMPUTE(8, 3)                                                                       \
  COMPUTE(6, 4)                                                                       \
  COMPUTE(4, 1)                                                                       \
  COMPUTE(4, 2)                                                                       \
  COMPUTE(4, 3)                                                                       \
  COMPUTE(4, 4)                                                                       \
  void function(const eb_conv2d_few_block *b) {                                       \
    eb_require_conv2d_few_block(b, TILE);                                             \
    switch (eb_ceil_div(b->channels, LANES)) {                                        \
      case 1: compute_all(b, compute_16_1, 16, compute_4_1); break;                   \
      case 2: compute_all(b, compute_8_2, 8, compute_4_2); break;                     \
      case 3: compute_all(b, compute_8_3, 8, compute_4_3); break;                     \
      default: compute_all(b, compute_6_4, 6, compute_4_4); break;                    \
    }                                                                                 \
  }

/* 16 registers, of which twelve are sums. */
#define FEW_BY_TWO_VECTORS(function)                                                  \
  COMPUTE(12, 1)                                                                      \
  COMPUTE(6, 2)                                                                       \
  COMPUTE(4, 1)                                                                       \
  COMPUTE(4, 2)                                                                       \
  void function(const eb_conv2d_few_block *b) {                                       \
    eb_require_conv2d_few_block(b, TILE);                                             \
    if (b->channels <= LANES) {                                                       \
      compute_all(b, compute_12_1, 12, compute_4_1);                                  \
    } else {                                                                          \
      compute_all(b, compute_6_2, 6, compute_4_2);                                    \
    }                                                                                 \
  }

/* What conv2d_few_rows.h, which is included behind this, pools with: a vector of sums at a time. */
typedef vector pooled;

EB_INLINE pooled pool_load(const SUM *sums) { return load(sums); }

EB_INLINE void write_pooled(const eb_conv2d_few_transform *t, int32_t first, int32_t count, pooled sums, void *output) {
  write_sums(t, first, count, &sums, 1, 1, 1, 0, output);
}

#endif
