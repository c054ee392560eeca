/* float32 convolution of few input channels with NEON: an input, a lane of a register, times the weights of channels side by
 * side. 8 channels by PIXELS pixels, which the including file defines with KERNEL, the function, and FEW_KERNEL. */
#include <arm_neon.h>

#include "../core/conv2d_few_block.h"

enum { LANES = 8, LOADED = 4 /* inputs of a register */, POOL_CHANNELS = LANES };

#define SUM float

#if defined(__aarch64__)
#define MULTIPLY_ADD(sum, weights, x, lane) vfmaq_laneq_f32(sum, weights, x, lane)
#else
#define MULTIPLY_ADD(sum, weights, x, lane) \
  vmlaq_lane_f32(sum, weights, (lane) < 2 ? vget_low_f32(x) : vget_high_f32(x), (lane) % 2)
#endif

EB_INLINE float32x4_t bounded(const eb_conv2d_few_transform *t, float32x4_t sum) {
  return vmaxq_f32(vminq_f32(sum, vdupq_n_f32(t->float_max)), vdupq_n_f32(t->float_min));
}

typedef float32x4x2_t pooled;

EB_INLINE pooled pool_load(const float *sums) { return (pooled){{vld1q_f32(sums), vld1q_f32(sums + 4)}}; }

EB_INLINE pooled pool_max(pooled a, pooled b) {
  return (pooled){{vmaxq_f32(a.val[0], b.val[0]), vmaxq_f32(a.val[1], b.val[1])}};
}

EB_INLINE void write_pooled(const eb_conv2d_few_transform *t, int32_t first, int32_t count, pooled sums, void *output) {
  float y[LANES];
  vst1q_f32(y, bounded(t, sums.val[0]));
  vst1q_f32(y + 4, bounded(t, sums.val[1]));
  if (t->output_type == EB_PACKED) {
    uint32_t bits = 0;
    for (int32_t c = 0; c < eb_at_most(count, LANES); c++) bits |= (uint32_t)(y[c] < 0.0f) << c;
    ((uint8_t *)output)[first / 8] = (uint8_t)bits;
  } else {
    memcpy((float *)output + first, y, (size_t)eb_at_most(count, LANES) * sizeof(float));
  }
}

/* Adds an input, whose number among four is `lane`, of each pixel. */
#define ADD_INPUT(lane)                                                                         \
  do {                                                                                          \
    const float32x4_t low = vld1q_f32(weights + (lane)*LANES);                                  \
    const float32x4_t high = vld1q_f32(weights + (lane)*LANES + 4);                             \
    _Pragma("GCC unroll 8") for (int p = 0; p < pixels; p++) {                                  \
      sums[p][0] = MULTIPLY_ADD(sums[p][0], low, x[p], lane);                                   \
      sums[p][1] = MULTIPLY_ADD(sums[p][1], high, x[p], lane);                                  \
    }                                                                                           \
  } while (0)
#define LOAD_INPUTS                                                               \
  _Pragma("GCC unroll 8") for (int p = 0; p < pixels; p++) {                      \
    x[p] = vld1q_f32((const float *)(const void *)(at + (size_t)p * b->window_bytes)); \
  }

/* Some pixels (a constant) from `first` on, of which `count` are wanted. */
EB_INLINE void compute(const eb_conv2d_few_block *b, int32_t first, int32_t count, const int pixels) {
  const float *weights = b->weights, *bias = b->bias;
  const char *at = b->windows + (size_t)first * b->window_bytes;
  float32x4_t sums[PIXELS][2], x[PIXELS];
#pragma GCC unroll 8
  for (int p = 0; p < pixels; p++) {
    sums[p][0] = vld1q_f32(bias);
    sums[p][1] = vld1q_f32(bias + 4);
  }
  int32_t inputs = b->groups;
  for (; inputs >= LOADED; inputs -= LOADED, weights += LOADED * LANES, at += LOADED * (int32_t)sizeof(float)) {
    LOAD_INPUTS
    ADD_INPUT(0);
    ADD_INPUT(1);
    ADD_INPUT(2);
    ADD_INPUT(3);
  }
  if (inputs > 0) {
    LOAD_INPUTS
    ADD_INPUT(0);
    if (inputs > 1) ADD_INPUT(1);
    if (inputs > 2) ADD_INPUT(2);
  }
#pragma GCC unroll 8
  for (int p = 0; p < pixels; p++) {
    if (p >= count) break;
    if (b->sums != NULL) {
      float *to = (float *)b->sums + (size_t)(first + p) * b->sum_stride;
      vst1q_f32(to, sums[p][0]);
      vst1q_f32(to + 4, sums[p][1]);
    } else {
      const size_t bytes = b->transform.output_type == EB_PACKED ? 1 : sizeof(float);
      char *output = (char *)b->output + (size_t)(first + p) * b->output_stride * bytes;
      write_pooled(&b->transform, 0, b->channels, (pooled){{sums[p][0], sums[p][1]}}, output);
    }
  }
}

void KERNEL(const eb_conv2d_few_block *b) {
  eb_require_conv2d_few_block(b, LANES);
  for (int32_t first = 0; first < b->pixel_count;) {
    const int32_t left = b->pixel_count - first;
    if (left > PIXELS / 2) {
      compute(b, first, eb_at_most(left, PIXELS), PIXELS);
      first += PIXELS;
    } else {
      compute(b, first, left, PIXELS / 2);
      first += PIXELS / 2;
    }
  }
}

#include "../core/conv2d_few_rows.h"
