/* What the kernels of convolution of few input channels do besides: rows of the input are staged, windows gathered, and rows of
 * sums pooled. Plain loops, compiled with the flags of the kernel that includes this, which defines before
 *   SUM, int32_t or float;
 *   POOL_CHANNELS, which are pooled at a time: a divisor of the kernel's channel_multiple;
 *   void write_pixel(const eb_conv2d_few_transform *t, int32_t first, int32_t count, const SUM *sums, void *output):
 *     `count` channels from `first` on, at most POOL_CHANNELS, of one pixel, whose output of channel 0 is the first;
 * and FEW_KERNEL, its name. */
#ifndef EDGEBNN_CONV2D_FEW_ROWS_H
#define EDGEBNN_CONV2D_FEW_ROWS_H

#include "conv2d_few_block.h"

/* ---- staging ------------------------------------------------------------------------------------------------------ */

/* Beyond +-1000 it makes no difference; NaN becomes 0, as 0 / 0 does in TFLite. */
EB_INLINE int32_t eb_few_quantize(float x, float scale, int32_t zero_point) {
  float y = x / scale;
  y = y == y ? y : 0.0f;
  y = y < 1000.0f ? y : 1000.0f;
  y = y > -1000.0f ? y : -1000.0f;
  const int32_t q = (int32_t)(y + __builtin_copysignf(0x1.fffffep-2f, y)) + zero_point; /* as in output_transform.h */
  return q < -128 ? -128 : q > 127 ? 127 : q;
}

EB_INLINE void eb_few_stage(const eb_conv2d_few_stage *row) {
  const int8_t *restrict x = row->input;
  const float *restrict f = row->input;
  uint8_t *restrict bytes = row->to;
  int16_t *restrict wide = row->to;
  const int quantizes = row->input_type == EB_FLOAT32;
  if (row->staged == EB_STAGED_FLOAT) {
    memcpy(row->to, row->input, (size_t)row->count * sizeof(float));
  } else if (row->staged == EB_STAGED_INT16) {
    if (quantizes) {
      for (int32_t i = 0; i < row->count; i++) wide[i] = (int16_t)eb_few_quantize(f[i], row->scale, row->zero_point);
    } else {
      for (int32_t i = 0; i < row->count; i++) wide[i] = x[i];
    }
  } else {
    const uint8_t flip = row->staged == EB_STAGED_UINT8 ? 0x80 : 0;
    if (quantizes) {
      for (int32_t i = 0; i < row->count; i++) {
        bytes[i] = (uint8_t)((uint8_t)eb_few_quantize(f[i], row->scale, row->zero_point) ^ flip);
      }
    } else {
      for (int32_t i = 0; i < row->count; i++) bytes[i] = (uint8_t)((uint8_t)x[i] ^ flip);
    }
  }
}

/* ---- gathering ---------------------------------------------------------------------------------------------------- */

/* Segments of at most `size` bytes, as if they were of that many. */
EB_INLINE void eb_few_gather_as(const eb_conv2d_few_gather *g, const size_t size) {
  for (int32_t p = 0; p < g->count; p++) {
    const size_t from = (size_t)p * g->pixel_bytes;
    char *to = g->windows + (size_t)p * g->window_bytes;
    for (int32_t s = 0; s < g->segment_count; s++, to += g->segment_bytes) memcpy(to, g->segments[s] + from, size);
  }
}

EB_INLINE void eb_few_gather_long(const eb_conv2d_few_gather *g) {
  for (int32_t p = 0; p < g->count; p++) {
    const size_t from = (size_t)p * g->pixel_bytes;
    char *to = g->windows + (size_t)p * g->window_bytes;
    for (int32_t s = 0; s < g->segment_count; s++, to += g->segment_bytes) {
      for (size_t i = 0; i < g->segment_bytes; i += 64) memcpy(to + i, g->segments[s] + from + i, 64);
    }
  }
}

EB_INLINE void eb_few_gather(const eb_conv2d_few_gather *g) {
  if (g->segment_bytes <= 8) {
    eb_few_gather_as(g, 8);
  } else if (g->segment_bytes <= 16) {
    eb_few_gather_as(g, 16);
  } else if (g->segment_bytes <= 32) {
    eb_few_gather_as(g, 32);
  } else {
    eb_few_gather_long(g);
  }
}

/* ---- pooling ------------------------------------------------------------------------------------------------------ */

EB_INLINE void eb_few_pool_pixel(const eb_conv2d_few_pool *p, int32_t begin, int32_t end, int32_t first, void *output) {
  SUM most[POOL_CHANNELS];
  for (int32_t r = 0; r < p->row_count; r++) {
    for (int32_t x = begin; x < end; x++) {
      const SUM *restrict sums = (const SUM *)p->rows[r] + (size_t)x * p->sum_stride + (size_t)first;
      if (r == 0 && x == begin) {
        memcpy(most, sums, sizeof(most));
      } else {
        for (int32_t c = 0; c < POOL_CHANNELS; c++) most[c] = sums[c] > most[c] ? sums[c] : most[c];
      }
    }
  }
  write_pixel(&p->transform, first, eb_at_most(p->channels - first, POOL_CHANNELS), most, output);
}

EB_INLINE void eb_few_pool(const eb_conv2d_few_pool *p) {
  const size_t bytes = p->transform.output_type == EB_FLOAT32 ? sizeof(float) : 1;
  for (int32_t x = 0; x < p->pixel_count; x++) {
    const int32_t left = x * p->stride - p->pad_left;
    const int32_t begin = eb_at_least(left, 0), end = eb_at_most(left + p->width, p->columns);
    char *output = (char *)p->output + (size_t)x * p->output_stride * bytes;
    for (int32_t c = 0; c < p->channels; c += POOL_CHANNELS) eb_few_pool_pixel(p, begin, end, c, output);
  }
}

#define EB_FEW_NAME(kernel, part) EB_FEW_JOIN(kernel, part)
#define EB_FEW_JOIN(kernel, part) eb_##kernel##_##part
void EB_FEW_NAME(FEW_KERNEL, stage)(const eb_conv2d_few_stage *row) { eb_few_stage(row); }
void EB_FEW_NAME(FEW_KERNEL, gather)(const eb_conv2d_few_gather *windows) { eb_few_gather(windows); }
void EB_FEW_NAME(FEW_KERNEL, pool)(const eb_conv2d_few_pool *row) { eb_few_pool(row); }

#endif
