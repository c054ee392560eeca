/* Convolution of few input channels, before anything runs: checks, choice of the kernel, and memory. */
#include "choose.h"
#include "../core/conv2d_few_parts.h"

enum {
  LARGEST_WINDOW = 1 << 15,  /* inputs: their sum fits in 32 bits */
  GATHERED_BYTES = 12 * 1024, /* of windows at a time: they stay near, and weights beside them; more, to fill */
  WHOLE_TILES = 48            /* pixels: a multiple of what kernels compute at a time */
};

#define FIELDS(line, ...)                                                                           \
  {.name = #line, .stage = FUNCTION(line, _stage), .gather = FUNCTION(line, _gather), .run = FUNCTION(line, ), \
   .pool = FUNCTION(line, _pool), __VA_ARGS__},

static const eb_conv2d_few_kernel int8_kernels[] = {
#define FUNCTION(line, part) eb_conv2d_few_##line##part
#define EB_CONV2D_FEW_KERNEL(line, architecture, flags, ...) EB_ON_##architecture(FIELDS(line, __VA_ARGS__))
#include "../core/conv2d_few.kernels"
#undef EB_CONV2D_FEW_KERNEL
#undef FUNCTION
};

static const eb_conv2d_few_kernel float_kernels[] = {
#define FUNCTION(line, part) eb_conv2d_few_float_##line##part
#define EB_CONV2D_FEW_FLOAT_KERNEL(line, architecture, flags, ...) EB_ON_##architecture(FIELDS(line, __VA_ARGS__))
#include "../core/conv2d_few_float.kernels"
#undef EB_CONV2D_FEW_FLOAT_KERNEL
#undef FUNCTION
};

const eb_conv2d_few_kernel *eb_conv2d_few_kernel_at(size_t index) {
  return index < sizeof(int8_kernels) / sizeof(int8_kernels[0]) ? &int8_kernels[index] : NULL;
}

const eb_conv2d_few_kernel *eb_conv2d_few_float_kernel_at(size_t index) {
  return index < sizeof(float_kernels) / sizeof(float_kernels[0]) ? &float_kernels[index] : NULL;
}

static eb_status choose_kernel(int32_t type, const char *name, uint32_t cpu_features,
                               const eb_conv2d_few_kernel **chosen) {
  eb_status status;
  for (size_t i = 0;; i++) {
    *chosen = type == EB_INT8 ? eb_conv2d_few_kernel_at(i) : eb_conv2d_few_float_kernel_at(i);
    if (*chosen == NULL) return eb_search_failed(name);
    if (eb_ends_search((*chosen)->name, (*chosen)->cpu_features, name, cpu_features, &status)) return status;
  }
}

const char *eb_conv2d_few_kernel_named(const char *name, uint32_t cpu_features) {
  const eb_conv2d_few_kernel *kernel;
  if (choose_kernel(EB_INT8, name, cpu_features, &kernel) == EB_OK) return kernel->name;
  return choose_kernel(EB_FLOAT32, name, cpu_features, &kernel) == EB_OK ? kernel->name : NULL;
}

static int has_side(int32_t side, int32_t filter) { return side >= 0 && side < filter; }

/* The window slides over the image with its border: its output is counted so, and its first pixel lies before the image. */
static eb_status resolve_window(eb_conv2d_few *op) {
  eb_window *w = &op->window;
  const eb_border *b = &op->border;
  if ((b->top | b->bottom | b->left | b->right) == 0) return eb_window_resolve(w);
  if (w->padding != EB_PADDING_VALID) return EB_BAD_OPTION;
  if (!has_side(b->top, w->filter_height) || !has_side(b->bottom, w->filter_height)) return EB_BAD_OPTION;
  if (!has_side(b->left, w->filter_width) || !has_side(b->right, w->filter_width)) return EB_BAD_OPTION;
  if (w->input_height < 1 || w->input_width < 1) return EB_BAD_SIZE;
  const int32_t height = w->input_height, width = w->input_width;
  if (w->filter_height > LARGEST_WINDOW || w->filter_width > LARGEST_WINDOW) return EB_TOO_LARGE;
  if (height > INT32_MAX - 2 * LARGEST_WINDOW || width > INT32_MAX - 2 * LARGEST_WINDOW) return EB_TOO_LARGE;
  w->input_height += b->top + b->bottom;
  w->input_width += b->left + b->right;
  const eb_status status = eb_window_resolve(w);
  w->input_height = height;
  w->input_width = width;
  w->pad_top = b->top;
  w->pad_left = b->left;
  return status;
}

static eb_status check_types(const eb_conv2d_few *op) {
  if (op->type != EB_INT8 && op->type != EB_FLOAT32) return EB_BAD_OPTION;
  if (op->input_type != op->type && op->input_type != EB_FLOAT32) return EB_BAD_OPTION;
  if (op->output_type != op->type && op->output_type != EB_PACKED) return EB_BAD_OPTION;
  if (op->pools != 0 && op->pools != 1) return EB_BAD_OPTION;
  if (op->type == EB_FLOAT32) return op->float_min <= op->float_max ? EB_OK : EB_BAD_OPTION;
  if (op->input_type == EB_FLOAT32 && !eb_is_scale(op->input_scale)) return EB_BAD_QUANTIZATION;
  if (!eb_is_zero_point(op->input_zero_point) || !eb_is_zero_point(op->output_zero_point)) return EB_BAD_QUANTIZATION;
  if (!eb_is_zero_point(op->output_min) || !eb_is_zero_point(op->output_max)) return EB_BAD_QUANTIZATION;
  return op->output_min <= op->output_max ? EB_OK : EB_BAD_QUANTIZATION;
}

/* Tensors are counted in int32. */
static eb_status check_counts(const eb_conv2d_few *op) {
  const eb_window *w = &op->window;
  if (op->channels_in < 1 || op->channels_out < 1) return EB_BAD_SIZE;
  if (w->filter_height * w->filter_width > LARGEST_WINDOW / op->channels_in) return EB_TOO_LARGE;
  if (op->channels_in > INT32_MAX / 4 / (w->batches * w->input_height * w->input_width)) return EB_TOO_LARGE;
  if (op->channels_out > INT32_MAX / 64 / (w->batches * w->output_height * w->output_width)) return EB_TOO_LARGE;
  const int32_t inputs = w->filter_height * w->filter_width * op->channels_in;
  return op->channels_out > INT32_MAX / 64 / inputs ? EB_TOO_LARGE : EB_OK;
}

static eb_status plan_pool(eb_conv2d_few_plan *plan) {
  const eb_conv2d_few *op = &plan->op;
  plan->pool = (eb_window){.batches = op->window.batches,
                           .input_height = op->window.output_height,
                           .input_width = op->window.output_width,
                           .filter_height = op->pools ? op->pool_height : 1,
                           .filter_width = op->pools ? op->pool_width : 1,
                           .stride_height = op->pools ? op->pool_stride_height : 1,
                           .stride_width = op->pools ? op->pool_stride_width : 1,
                           .dilation_height = 1,
                           .dilation_width = 1,
                           .padding = op->pools ? op->pool_padding : EB_PADDING_VALID};
  const eb_status status = eb_window_resolve(&plan->pool);
  if (status != EB_OK) return status;
  const int64_t rows = (int64_t)plan->pool.batches * plan->pool.output_height;
  if (rows * plan->pool.output_width > INT32_MAX / 64 / op->channels_out) return EB_TOO_LARGE;
  plan->tiles = (int32_t)rows;
  /* Rows of the convolution that two neighbouring ranges of the pool both need should be few among those of a range. */
  const int32_t shared = eb_at_least(plan->pool.filter_height - plan->pool.stride_height, 0);
  plan->least_tiles = eb_ceil_div(eb_at_most(shared, plan->pool.input_height) * 6, plan->pool.stride_height);
  plan->least_tiles = eb_at_least(plan->least_tiles, 1);
  return EB_OK;
}

static int32_t bytes_of(int32_t staged) {
  return staged == EB_STAGED_FLOAT ? (int32_t)sizeof(float) : staged == EB_STAGED_INT16 ? (int32_t)sizeof(int16_t) : 1;
}

static int32_t chunk_of(size_t window_bytes, int32_t columns) {
  const int32_t most = (int32_t)(GATHERED_BYTES / window_bytes);
  return eb_at_most(eb_at_least(most / WHOLE_TILES, 1) * WHOLE_TILES, columns);
}

/* Rows that are staged, and how windows lie in them. */
static eb_status plan_rows(eb_conv2d_few_plan *plan) {
  const eb_conv2d_few *op = &plan->op;
  const eb_window *w = &op->window;
  const eb_conv2d_few_kernel *kernel = plan->kernel;
  const int contiguous = w->dilation_width == 1;
  const int32_t taps = contiguous ? w->filter_width : 1, inputs = w->filter_height * w->filter_width * op->channels_in;
  plan->element_bytes = bytes_of(kernel->staged);
  plan->segments = contiguous ? w->filter_height : w->filter_height * w->filter_width;
  plan->segment_bytes = (size_t)(taps * op->channels_in * plan->element_bytes);
  const int32_t groups = eb_round_up(eb_ceil_div(inputs, kernel->input_group), kernel->group_multiple);
  plan->window_bytes = (size_t)(groups * kernel->input_group * plan->element_bytes);
  const int64_t span_height = (int64_t)(w->filter_height - 1) * w->dilation_height + 1;
  const int64_t slots = span_height < w->input_height ? span_height : w->input_height;
  const int64_t columns = (int64_t)(w->output_width - 1) * w->stride_width +
                          (int64_t)(w->filter_width - 1) * w->dilation_width + 1;
  const int64_t pixel = (int64_t)op->channels_in * plan->element_bytes;
  if (columns > INT32_MAX / 8 / pixel || w->stride_width > INT32_MAX / pixel) return EB_TOO_LARGE;
  const int64_t row = columns * pixel + EB_FEW_OVERRUN + EB_ALIGNMENT;
  if ((slots + 1) * row > INT32_MAX / 2) return EB_TOO_LARGE;
  plan->pixel_bytes = (size_t)(w->stride_width * pixel);
  plan->slots = (int32_t)slots;
  plan->row_bytes = eb_align((size_t)(columns * pixel) + EB_FEW_OVERRUN);
  plan->chunk = chunk_of(plan->window_bytes, w->output_width);
  return EB_OK;
}

static eb_status plan_blocks(eb_conv2d_few_plan *plan) {
  const eb_conv2d_few_kernel *kernel = plan->kernel;
  const int32_t channels = plan->op.channels_out;
  plan->blocks = eb_ceil_div(channels, kernel->channel_tile);
  plan->padded_channels = eb_round_up(channels, kernel->channel_multiple);
  const int64_t block = (int64_t)kernel->channel_tile * (int64_t)plan->window_bytes + EB_ALIGNMENT;
  if (plan->blocks > INT32_MAX / 4 / block) return EB_TOO_LARGE;
  plan->block_bytes = eb_align((size_t)(block - EB_ALIGNMENT));
  plan->constants_offset = (size_t)plan->blocks * plan->block_bytes;
  plan->persistent_bytes = plan->constants_offset + EB_FEW_ARRAYS * eb_few_array_bytes(plan);
  return EB_OK;
}

static eb_status plan_scratch(eb_conv2d_few_plan *plan) {
  const int pools = plan->op.pools;
  plan->sum_rows = pools ? eb_at_most(plan->pool.filter_height, plan->pool.input_height) : 0;
  const int64_t sum_row = (int64_t)plan->op.window.output_width * plan->padded_channels * (int64_t)sizeof(int32_t);
  if (pools && plan->sum_rows > INT32_MAX / 2 / (sum_row + EB_ALIGNMENT)) return EB_TOO_LARGE;
  plan->sum_row_bytes = pools ? eb_align((size_t)sum_row) : 0;
  const size_t windows = (size_t)(plan->chunk + EB_FEW_SPARE_PIXELS) * plan->window_bytes + EB_FEW_OVERRUN;
  plan->windows_offset = (size_t)(plan->slots + 1) * plan->row_bytes;
  plan->sums_offset = plan->windows_offset + eb_align(windows);
  plan->keys_offset = plan->sums_offset + (size_t)plan->sum_rows * plan->sum_row_bytes;
  plan->scratch_bytes = plan->keys_offset + eb_few_lookup_bytes(plan);
  return EB_OK;
}

eb_status eb_conv2d_few_plan_make(const eb_conv2d_few *op, const char *kernel_name, uint32_t cpu_features,
                                  eb_conv2d_few_plan *plan) {
  memset(plan, 0, sizeof(*plan));
  plan->op = *op;
  eb_status status = resolve_window(&plan->op);
  if (status == EB_OK) status = check_types(&plan->op);
  if (status == EB_OK) status = check_counts(&plan->op);
  if (status == EB_OK) status = plan_pool(plan);
  if (status == EB_OK) status = choose_kernel(op->type, kernel_name, cpu_features, &plan->kernel);
  if (status == EB_OK) status = plan_rows(plan);
  if (status == EB_OK) status = plan_blocks(plan);
  return status == EB_OK ? plan_scratch(plan) : status;
}
