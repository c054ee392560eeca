#include "pool2d.h"

#include <float.h>

#include "steps.h"
#include "window.h"

enum { CHUNK = 64 };

eb_status eb_pool2d_check(eb_pool2d *op, int32_t *tiles) {
  const eb_status status = eb_window_resolve(&op->window);
  if (status != EB_OK) return status;
  if (op->channels < 1) return EB_BAD_SIZE;
  if (op->window.dilation_height != 1 || op->window.dilation_width != 1) return EB_BAD_STRIDE;
  const eb_window *w = &op->window;
  const int32_t pixels = w->batches * w->output_height * w->output_width, chunks = eb_ceil_div(op->channels, CHUNK);
  if (op->channels > INT32_MAX / (w->batches * w->input_height * w->input_width)) return EB_TOO_LARGE;
  if (chunks > INT32_MAX / pixels) return EB_TOO_LARGE;
  *tiles = pixels * chunks;
  return EB_OK;
}

/* Where in the input, from which channel on, and how many. */
typedef struct {
  const float *input;
  size_t stride;
  const eb_output_steps *steps;
  int32_t first, channels;
} source;

static void read(const source *from, int64_t row, float *restrict x) {
  memcpy(x, from->input + (size_t)row * from->stride + from->first, (size_t)from->channels * sizeof(float));
  if (from->steps != NULL) eb_apply_steps(from->steps, row, from->first, from->channels, x);
}

/* Of all taps of the patch, the sum or the greatest; returns how many there are. */
static int32_t gather(const eb_pool2d *op, const eb_patch *patch, const source *from, float *restrict found) {
  const eb_window *w = &op->window;
  float x[CHUNK];
  for (int32_t fy = patch->y_begin; fy < patch->y_end; fy++) {
    const int64_t line = ((int64_t)patch->batch * w->input_height + patch->y + fy) * w->input_width + patch->x;
    for (int32_t fx = patch->x_begin; fx < patch->x_end; fx++) {
      read(from, line + fx, x);
      if (op->averages) {
        for (int32_t c = 0; c < from->channels; c++) found[c] += x[c];
      } else {
        for (int32_t c = 0; c < from->channels; c++) found[c] = found[c] < x[c] ? x[c] : found[c];
      }
    }
  }
  return (patch->y_end - patch->y_begin) * (patch->x_end - patch->x_begin);
}

void eb_pool2d_run(const eb_pool2d *op, const eb_output_steps *steps, const float *input, size_t input_stride,
                   float *output, size_t output_stride, int32_t tile_begin, int32_t tile_end) {
  const int32_t chunks = eb_ceil_div(op->channels, CHUNK);
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    const int32_t pixel = tile / chunks, first = tile % chunks * CHUNK;
    const source from = {input, input_stride, steps, first, eb_at_most(op->channels - first, CHUNK)};
    const eb_patch patch = eb_patch_at(&op->window, pixel);
    float found[CHUNK];
    for (int32_t c = 0; c < CHUNK; c++) found[c] = op->averages ? 0.0f : -FLT_MAX;
    const float count = (float)gather(op, &patch, &from, found);
    float *to = output + (size_t)pixel * output_stride + first;
    for (int32_t c = 0; c < from.channels; c++) {
      const float y = op->averages ? found[c] / count : found[c];
      to[c] = y < op->low ? op->low : y > op->high ? op->high : y;
    }
  }
}
