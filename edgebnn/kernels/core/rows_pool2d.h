/* Pooling of windows, some channels at a time. Of rows_block.h. */
#ifndef EDGEBNN_ROWS_POOL2D_H
#define EDGEBNN_ROWS_POOL2D_H

#include <float.h>

#include "rows_block.h"
#include "steps.h"
#include "window.h"

/* Where in the input, from which channel on, and how many. */
typedef struct {
  const float *input;
  size_t stride;
  const eb_output_steps *steps;
  int32_t first, channels;
} eb_pool_source;

EB_ROWS_INLINE void eb_pool_read(const eb_pool_source *from, int64_t row, float *restrict x) {
  memcpy(x, from->input + (size_t)row * from->stride + from->first, (size_t)from->channels * sizeof(float));
  if (from->steps != NULL) eb_apply_steps(from->steps, row, from->first, from->channels, x);
}

/* Of all taps of the patch, the sum or the greatest; returns how many there are. */
EB_ROWS_INLINE int32_t eb_pool_gather(const eb_pool2d *op, const eb_patch *patch, const eb_pool_source *from, float *restrict found) {
  const eb_window *w = &op->window;
  float x[EB_POOL_CHANNELS];
  for (int32_t fy = patch->y_begin; fy < patch->y_end; fy++) {
    const int64_t line = ((int64_t)patch->batch * w->input_height + patch->y + fy) * w->input_width + patch->x;
    for (int32_t fx = patch->x_begin; fx < patch->x_end; fx++) {
      eb_pool_read(from, line + fx, x);
      if (op->averages) {
        for (int32_t c = 0; c < from->channels; c++) found[c] += x[c];
      } else {
        for (int32_t c = 0; c < from->channels; c++) found[c] = found[c] < x[c] ? x[c] : found[c];
      }
    }
  }
  return (patch->y_end - patch->y_begin) * (patch->x_end - patch->x_begin);
}

EB_ROWS_INLINE int32_t eb_pool_found(const eb_pool2d *op, const eb_patch *patch, const eb_pool_source *from, float *restrict found) {
  for (int32_t c = 0; c < EB_POOL_CHANNELS; c++) found[c] = op->averages ? 0.0f : -FLT_MAX;
  return eb_pool_gather(op, patch, from, found);
}

/* What steps that keep order make of the greatest of all taps. False where that may not be the greatest that they make: no tap
 * is above the least number, or steps make of an infinite one what is none. */
EB_ROWS_INLINE int eb_pool_steps_last(const eb_pool2d *op, const eb_output_steps *steps, int32_t pixel, const eb_patch *patch,
                                      const eb_pool_source *from, float *restrict found) {
  int sure = 1;
  eb_pool_found(op, patch, from, found);
  for (int32_t c = 0; c < from->channels; c++) sure &= found[c] > -FLT_MAX;
  eb_apply_steps(steps, pixel, from->first, from->channels, found);
  for (int32_t c = 0; c < from->channels; c++) sure &= found[c] == found[c];
  return sure;
}

EB_ROWS_INLINE void eb_pool_float_tiles(const eb_pool2d *op, const eb_output_steps *steps, const float *input,
                                  size_t input_stride, float *output, size_t output_stride, int32_t tile_begin,
                                  int32_t tile_end) {
  const int32_t chunks = eb_ceil_div(op->channels, EB_POOL_CHANNELS);
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    const int32_t pixel = tile / chunks, first = tile % chunks * EB_POOL_CHANNELS;
    eb_pool_source from = {input, input_stride, NULL, first, eb_at_most(op->channels - first, EB_POOL_CHANNELS)};
    const eb_patch patch = eb_patch_at(&op->window, pixel);
    float found[EB_POOL_CHANNELS], count = 1.0f;
    if (!op->steps_last || !eb_pool_steps_last(op, steps, pixel, &patch, &from, found)) {
      from.steps = steps;
      count = (float)eb_pool_found(op, &patch, &from, found);
    }
    float *to = output + (size_t)pixel * output_stride + first;
    for (int32_t c = 0; c < from.channels; c++) {
      const float y = op->averages ? found[c] / count : found[c];
      to[c] = y < op->low ? op->low : y > op->high ? op->high : y;
    }
  }
}

/* Some channels of an output pixel. Their number is a constant for most, so that a compiler makes whole vectors of them. */
EB_ROWS_INLINE void eb_pool_int8_tile(const eb_pool2d *op, const eb_patch *patch, const int8_t *input, size_t stride,
                                      const int32_t channels, int8_t *restrict to) {
  const eb_window *w = &op->window;
  const int32_t low = (int32_t)op->low, high = (int32_t)op->high;
  const int32_t count = (patch->y_end - patch->y_begin) * (patch->x_end - patch->x_begin), half = count / 2;
  int32_t found[EB_POOL_CHANNELS];
  for (int32_t c = 0; c < channels; c++) found[c] = op->averages ? 0 : INT8_MIN;
  for (int32_t fy = patch->y_begin; fy < patch->y_end; fy++) {
    const int64_t line = ((int64_t)patch->batch * w->input_height + patch->y + fy) * w->input_width + patch->x;
    for (int32_t fx = patch->x_begin; fx < patch->x_end; fx++) {
      const int8_t *restrict x = input + (size_t)(line + fx) * stride;
      if (op->averages) {
        for (int32_t c = 0; c < channels; c++) found[c] += x[c];
      } else {
        for (int32_t c = 0; c < channels; c++) found[c] = found[c] < x[c] ? x[c] : found[c];
      }
    }
  }
  if (op->averages) {
    for (int32_t c = 0; c < channels; c++) {
      const int32_t away = found[c] < 0 ? found[c] - half : found[c] + half;
      found[c] = (int32_t)((float)away / (float)count);
    }
  }
  for (int32_t c = 0; c < channels; c++) to[c] = (int8_t)(found[c] < low ? low : found[c] > high ? high : found[c]);
}

EB_ROWS_INLINE void eb_pool_int8_tiles(const eb_pool2d *op, const int8_t *input, size_t input_stride, int8_t *output,
                                       size_t output_stride, int32_t tile_begin, int32_t tile_end) {
  const int32_t chunks = eb_ceil_div(op->channels, EB_POOL_CHANNELS);
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    const int32_t pixel = tile / chunks, first = tile % chunks * EB_POOL_CHANNELS, channels = op->channels - first;
    const eb_patch patch = eb_patch_at(&op->window, pixel);
    int8_t *to = output + (size_t)pixel * output_stride + first;
    if (channels >= EB_POOL_CHANNELS) {
      eb_pool_int8_tile(op, &patch, input + first, input_stride, EB_POOL_CHANNELS, to);
    } else {
      eb_pool_int8_tile(op, &patch, input + first, input_stride, channels, to);
    }
  }
}

EB_ROWS_INLINE void eb_pool_tiles(const eb_pool2d *op, const eb_output_steps *steps, const void *input, size_t input_stride,
                                  void *output, size_t output_stride, int32_t tile_begin, int32_t tile_end) {
  if (op->type == EB_INT8) {
    eb_pool_int8_tiles(op, input, input_stride, output, output_stride, tile_begin, tile_end);
  } else {
    eb_pool_float_tiles(op, steps, input, input_stride, output, output_stride, tile_begin, tile_end);
  }
}

#endif
