/* What goes over rows of floats, by the best kernel for the processor. */
#include "../core/rows_block.h"
#include "../core/unary.h"
#include "choose.h"

static const eb_rows_kernel *const kernels[] = {
#define EB_ROWS_KERNEL(line, architecture, ...) EB_ON_##architecture(&eb_rows_##line,)
#include "../core/rows.kernels"
#undef EB_ROWS_KERNEL
};

const eb_rows_kernel *eb_rows_kernel_at(size_t index) {
  return index < sizeof(kernels) / sizeof(kernels[0]) ? kernels[index] : NULL;
}

const eb_rows_kernel *eb_rows_choose(const char *name, uint32_t cpu_features) {
  const eb_rows_kernel *best = NULL;
  for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
    if (!eb_has_features(kernels[i]->cpu_features, cpu_features)) continue;
    if (name != NULL && strcmp(kernels[i]->name, name) == 0) return kernels[i];
    if (best == NULL) best = kernels[i];
  }
  return best; /* the last needs nothing */
}

eb_status eb_pool2d_check(eb_pool2d *op, int32_t *tiles) {
  const eb_status status = eb_window_resolve(&op->window);
  if (status != EB_OK) return status;
  if (op->channels < 1) return EB_BAD_SIZE;
  if (op->window.dilation_height != 1 || op->window.dilation_width != 1) return EB_BAD_STRIDE;
  const eb_window *w = &op->window;
  if (op->type == EB_INT8 && w->filter_height > EB_POOL_INT8_TAPS / w->filter_width) return EB_TOO_LARGE;
  const int32_t pixels = w->batches * w->output_height * w->output_width, chunks = eb_ceil_div(op->channels, EB_POOL_CHANNELS);
  if (op->channels > INT32_MAX / (w->batches * w->input_height * w->input_width)) return EB_TOO_LARGE;
  if (chunks > INT32_MAX / pixels) return EB_TOO_LARGE;
  *tiles = pixels * chunks;
  return EB_OK;
}

static size_t lanes_of(int32_t outputs) { return (size_t)eb_round_up(outputs, EB_DENSE_LANES); }

size_t eb_dense_float_packed(int32_t inputs, int32_t outputs) { return (size_t)inputs * lanes_of(outputs); }

void eb_dense_float_pack(int32_t inputs, int32_t outputs, const float *weights, float *packed) {
  memset(packed, 0, eb_dense_float_packed(inputs, outputs) * sizeof(float));
  for (size_t o = 0; o < (size_t)outputs; o++) {
    float *to = packed + o / EB_DENSE_LANES * EB_DENSE_LANES * (size_t)inputs + o % EB_DENSE_LANES;
    for (size_t k = 0; k < (size_t)inputs; k++) to[k * EB_DENSE_LANES] = weights[o * (size_t)inputs + k];
  }
}

void eb_logistic_run(const float *input, float *output, int32_t count) {
  const eb_unary_float_layer layer = {.elements = count};
  eb_logistic_float(&layer, input, output);
}
