/* What the kernels of convolution of few input channels do besides: rows of the input are staged, windows gathered, and rows of
 * sums pooled. Plain loops, compiled with the flags of the kernel that includes this, which defines before
 *   SUM, int32_t or float;
 *   POOL_CHANNELS, which are pooled at a time: a divisor of the kernel's channel_multiple;
 *   pooled, so many sums; pooled pool_load(const SUM *sums), pooled pool_max(pooled a, pooled b);
 *   void write_pooled(const eb_conv2d_few_transform *t, int32_t first, int32_t count, pooled sums, void *output):
 *     `count` channels from `first` on of one pixel, whose output of channel 0 is the first;
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

/* What a row says is taken out of it before anything is written: a byte written could be part of it, to the compiler. */
EB_INLINE void eb_few_stage_bytes(const int8_t *restrict x, int32_t count, uint8_t flip, uint8_t *restrict to) {
  for (int32_t i = 0; i < count; i++) to[i] = (uint8_t)((uint8_t)x[i] ^ flip);
}

EB_INLINE void eb_few_quantize_bytes(const float *restrict x, int32_t count, float scale, int32_t zero_point, uint8_t flip,
                                     uint8_t *restrict to) {
  for (int32_t i = 0; i < count; i++) to[i] = (uint8_t)((uint8_t)eb_few_quantize(x[i], scale, zero_point) ^ flip);
}

EB_INLINE void eb_few_stage_wide(const int8_t *restrict x, int32_t count, int16_t *restrict to) {
  for (int32_t i = 0; i < count; i++) to[i] = x[i];
}

EB_INLINE void eb_few_quantize_wide(const float *restrict x, int32_t count, float scale, int32_t zero_point,
                                    int16_t *restrict to) {
  for (int32_t i = 0; i < count; i++) to[i] = (int16_t)eb_few_quantize(x[i], scale, zero_point);
}

EB_INLINE void eb_few_stage(const eb_conv2d_few_stage *row) {
  const int quantizes = row->input_type == EB_FLOAT32;
  const uint8_t flip = row->staged == EB_STAGED_UINT8 ? 0x80 : 0;
  if (row->staged == EB_STAGED_FLOAT) {
    memcpy(row->to, row->input, (size_t)row->count * sizeof(float));
  } else if (row->staged == EB_STAGED_INT16 && quantizes) {
    eb_few_quantize_wide(row->input, row->count, row->scale, row->zero_point, row->to);
  } else if (row->staged == EB_STAGED_INT16) {
    eb_few_stage_wide(row->input, row->count, row->to);
  } else if (quantizes) {
    eb_few_quantize_bytes(row->input, row->count, row->scale, row->zero_point, flip, row->to);
  } else {
    eb_few_stage_bytes(row->input, row->count, flip, row->to);
  }
}

/* ---- gathering ---------------------------------------------------------------------------------------------------- */

/* Segments of at most `size` bytes, as if they were of that many; `steps` of them, for longer ones. */
EB_INLINE void eb_few_gather_as(const eb_conv2d_few_gather *g, const size_t size, const size_t steps) {
  const char *const *segments = g->segments;
  const size_t pixel_bytes = g->pixel_bytes, window_bytes = g->window_bytes, segment_bytes = g->segment_bytes;
  const int32_t count = g->count, segment_count = g->segment_count;
  size_t from = 0;
  char *window = g->windows;
  for (int32_t p = 0; p < count; p++, from += pixel_bytes, window += window_bytes) {
    char *to = window;
    for (int32_t s = 0; s < segment_count; s++, to += segment_bytes) {
      for (size_t i = 0; i < steps; i++) memcpy(to + i * size, segments[s] + from + i * size, size);
    }
  }
}

EB_INLINE void eb_few_gather(const eb_conv2d_few_gather *g) {
  if (g->segment_bytes <= 8) {
    eb_few_gather_as(g, 8, 1);
  } else if (g->segment_bytes <= 16) {
    eb_few_gather_as(g, 16, 1);
  } else if (g->segment_bytes <= 32) {
    eb_few_gather_as(g, 32, 1);
  } else if (g->segment_bytes <= 48) {
    eb_few_gather_as(g, 16, 3);
  } else if (g->segment_bytes <= 64) {
    eb_few_gather_as(g, 32, 2);
  } else {
    eb_few_gather_as(g, 64, (g->segment_bytes + 63) / 64);
  }
}

/* ---- pooling ------------------------------------------------------------------------------------------------------ */

/* The greatest of each channel over `rows` rows and `columns` columns, which are constants for windows that lie within. */
EB_INLINE pooled eb_few_most(const void *const *rows, const int32_t row_count, size_t at, const int32_t columns, size_t step) {
  pooled most = pool_load((const SUM *)rows[0] + at);
  for (int32_t r = 0; r < row_count; r++) {
    const SUM *sums = (const SUM *)rows[r] + at;
    for (int32_t i = 0; i < columns; i++) most = pool_max(most, pool_load(sums + (size_t)i * step));
  }
  return most;
}

EB_INLINE void eb_few_pool(const eb_conv2d_few_pool *p) {
  const eb_conv2d_few_transform t = p->transform;
  const size_t bytes = t.output_type == EB_FLOAT32 ? sizeof(float) : 1, step = p->sum_stride, stride = p->output_stride;
  const void *const *rows = p->rows;
  const int32_t channels = p->channels, row_count = p->row_count, columns = p->columns;
  const int32_t count = p->pixel_count, width = p->width, pool_stride = p->stride, pad_left = p->pad_left;
  char *output = p->output;
  for (int32_t x = 0; x < count; x++, output += stride * bytes) {
    const int32_t left = x * pool_stride - pad_left;
    const int32_t begin = eb_at_least(left, 0), end = eb_at_most(left + width, columns);
    for (int32_t c = 0; c < channels; c += POOL_CHANNELS) {
      const size_t at = (size_t)begin * step + (size_t)c;
      const pooled most = row_count == 3 && end - begin == 3 ? eb_few_most(rows, 3, at, 3, step)
                                                              : eb_few_most(rows, row_count, at, end - begin, step);
      write_pooled(&t, c, eb_at_most(channels - c, POOL_CHANNELS), most, output);
    }
  }
}

#define EB_FEW_NAME(kernel, part) EB_FEW_JOIN(kernel, part)
#define EB_FEW_JOIN(kernel, part) eb_##kernel##_##part
void EB_FEW_NAME(FEW_KERNEL, stage)(const eb_conv2d_few_stage *row) { eb_few_stage(row); }
void EB_FEW_NAME(FEW_KERNEL, gather)(const eb_conv2d_few_gather *windows) { eb_few_gather(windows); }
void EB_FEW_NAME(FEW_KERNEL, pool)(const eb_conv2d_few_pool *row) { eb_few_pool(row); }

#endif
