/* A kernel of convolution of few input channels in plain C: a window's inputs one by one, times the weights of the channels
 * side by side. What includes this defines SUM, INPUT (which weights are too), KERNEL (the function), FEW_KERNEL (its name) and
 * write_pixel, of conv2d_few_output.h. */
#include "conv2d_few_output.h"

enum { LANES = 8, POOL_CHANNELS = LANES };

typedef struct {
  SUM sums[POOL_CHANNELS];
} pooled;

EB_INLINE pooled pool_load(const SUM *sums) {
  pooled p;
  memcpy(p.sums, sums, sizeof(p.sums));
  return p;
}

EB_INLINE pooled pool_max(pooled a, pooled b) {
  for (int32_t c = 0; c < POOL_CHANNELS; c++) a.sums[c] = b.sums[c] > a.sums[c] ? b.sums[c] : a.sums[c];
  return a;
}

EB_INLINE void write_pooled(const eb_conv2d_few_transform *t, int32_t first, int32_t count, pooled sums, void *output) {
  write_pixel(t, first, count, sums.sums, output);
}

#include "conv2d_few_rows.h"

void KERNEL(const eb_conv2d_few_block *b) {
  eb_require_conv2d_few_block(b, 2 * LANES);
  const SUM *bias = b->bias;
  const int32_t lanes = eb_round_up(b->channels, LANES);
  for (int32_t p = 0; p < b->pixel_count; p++) {
    const INPUT *restrict window = (const INPUT *)(const void *)(b->windows + (size_t)p * b->window_bytes);
    for (int32_t first = 0; first < lanes; first += LANES) {
      const INPUT *restrict weights = (const INPUT *)b->weights + first;
      SUM sums[LANES];
      memcpy(sums, bias + first, sizeof(sums));
      for (int32_t i = 0; i < b->groups; i++, weights += lanes) {
        for (int32_t c = 0; c < LANES; c++) sums[c] += (SUM)window[i] * (SUM)weights[c];
      }
      if (b->sums != NULL) {
        memcpy((SUM *)b->sums + (size_t)p * b->sum_stride + first, sums, sizeof(sums));
      } else {
        const size_t bytes = b->transform.output_type == EB_FLOAT32 ? sizeof(float) : 1;
        char *output = (char *)b->output + (size_t)p * b->output_stride * bytes;
        write_pixel(&b->transform, first, eb_at_most(b->channels - first, LANES), sums, output);
      }
    }
  }
}
