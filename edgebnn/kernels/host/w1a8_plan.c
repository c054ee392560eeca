/* W1A8 convolution, before anything runs: checks, choice of the kernel, tiling and memory. */
#include "choose.h"
#include "../core/w1a8_parts.h"

enum {
  ENOUGH_TILES = 16,             /* for any number of threads that a small layer is worth */
  ENOUGH_PIXELS = 128,           /* that expanded weights are to serve, at least */
  MOST_EXPANDED_BYTES = 128 << 10 /* that are kept in scratch for more than one block */
};

static const eb_w1a8_kernel kernels[] = {
#define EB_W1A8_KERNEL(line, architecture, flags, ...)                                       \
  EB_ON_##architecture({.name = #line, .stage = eb_w1a8_##line##_stage, \
                        .run = eb_w1a8_##line, .depthwise = eb_w1a8_##line##_depthwise, __VA_ARGS__},)
#include "../core/w1a8.kernels"
#undef EB_W1A8_KERNEL
};

const eb_w1a8_kernel *eb_w1a8_kernel_at(size_t index) {
  return index < sizeof(kernels) / sizeof(kernels[0]) ? &kernels[index] : NULL;
}

/* The one of that name, or the best: the first. */
static eb_status find_kernel(const char *name, uint32_t cpu_features, const eb_w1a8_kernel **found) {
  eb_status status;
  for (size_t i = 0; (*found = eb_w1a8_kernel_at(i)) != NULL; i++) {
    if (eb_ends_search((*found)->name, (*found)->cpu_features, name, cpu_features, &status)) return status;
  }
  return eb_search_failed(name);
}

/* The one that costs least, where costs are known; else the best. */
static eb_status choose_kernel(const eb_w1a8 *op, uint32_t cpu_features, const eb_w1a8_kernel **chosen) {
  const eb_status status = find_kernel(NULL, cpu_features, chosen);
  double least = -1.0;
  const eb_w1a8_kernel *kernel;
  for (size_t i = 0; (kernel = eb_w1a8_kernel_at(i)) != NULL; i++) {
    if (!eb_has_features(kernel->cpu_features, cpu_features)) continue;
    const double cost = eb_w1a8_cost(op, kernel);
    if (cost < 0.0 || (least >= 0.0 && cost >= least)) continue;
    least = cost;
    *chosen = kernel;
  }
  return status;
}

const char *eb_w1a8_kernel_named(const char *name, uint32_t cpu_features) {
  const eb_w1a8_kernel *kernel;
  return find_kernel(name, cpu_features, &kernel) == EB_OK ? kernel->name : NULL;
}

static eb_status check_options(const eb_w1a8 *op) {
  if (op->channels_in < 1 || op->channels_out < 1) return EB_BAD_SIZE;
  if (op->depthwise != 0 && op->depthwise != 1) return EB_BAD_OPTION;
  if (op->rounding != EB_ROUND_TWICE && op->rounding != EB_ROUND_ONCE) return EB_BAD_OPTION;
  if (op->groups < 1 || op->channels_in % op->groups != 0 || op->channels_out % op->groups != 0) return EB_BAD_GROUPS;
  if (op->depthwise && (op->groups != 1 || op->channels_out % op->channels_in != 0)) return EB_BAD_GROUPS;
  if (!eb_is_zero_point(op->input_zero_point) || !eb_is_zero_point(op->output_zero_point)) return EB_BAD_QUANTIZATION;
  if (!eb_is_zero_point(op->output_min) || !eb_is_zero_point(op->output_max)) return EB_BAD_QUANTIZATION;
  return op->output_min <= op->output_max ? EB_OK : EB_BAD_QUANTIZATION;
}

/* Tensors are counted in int32, and the largest sum of a window, of 255 an input, is an int32. */
static eb_status check_counts(const eb_w1a8 *op) {
  const eb_window *w = &op->window;
  const int32_t taps = w->filter_height * w->filter_width;
  const int32_t inputs = op->depthwise ? 1 : op->channels_in / op->groups;
  if (taps > INT32_MAX / 1024 / inputs) return EB_TOO_LARGE;
  if (op->channels_in > INT32_MAX / (w->batches * w->input_height * w->input_width)) return EB_TOO_LARGE;
  if (op->channels_out > INT32_MAX / 64 / (w->batches * w->output_height * w->output_width)) return EB_TOO_LARGE;
  if ((int64_t)op->channels_out * taps * eb_packed_words(inputs) > INT32_MAX / 64) return EB_TOO_LARGE;
  return EB_OK;
}

/* Which tables of a window lie side by side: those of a row, unless other columns or groups stand between. */
static void plan_segments(eb_w1a8_plan *plan) {
  const eb_window *w = &plan->op.window;
  const int contiguous = plan->op.groups == 1 && w->dilation_width == 1;
  plan->tap_tables = eb_ceil_div(plan->group_inputs, plan->kernel->table_inputs);
  plan->segments = contiguous ? w->filter_height : w->filter_height * w->filter_width;
  plan->segment_tables = contiguous ? w->filter_width * plan->tap_tables : plan->tap_tables;
}

/* Scratch: `slots` staged rows and one of padding, a staged pixel of padding, and what eb_w1a8_run looks up. The rows that
 * a tile needs are there at the same time. */
static eb_status plan_scratch(eb_w1a8_plan *plan) {
  const eb_window *w = &plan->op.window;
  const int64_t span_height = (int64_t)(w->filter_height - 1) * w->dilation_height + 1;
  const int64_t span_width = (int64_t)(w->filter_width - 1) * w->dilation_width + 1;
  const int64_t step = w->stride_width < span_width ? w->stride_width : span_width;
  const int64_t columns = (w->output_width - 1) * step + span_width;
  const int64_t tile_height = (int64_t)(plan->tile_rows - 1) * w->stride_height + span_height;
  const int64_t slots = tile_height < w->input_height ? tile_height : w->input_height;
  const int64_t pixel = (int64_t)plan->op.groups * plan->tap_tables * plan->kernel->table_bytes;
  const int64_t pointers = (int64_t)plan->tile_rows * plan->segments;
  if (pointers > INT32_MAX / 16) return EB_TOO_LARGE;
  const int64_t lookups = slots + 2 * pointers + plan->op.channels_in;
  if (columns > INT32_MAX || pixel > INT32_MAX || columns > INT32_MAX / pixel) return EB_TOO_LARGE;
  if ((slots + 2) * columns > INT32_MAX / 2 / pixel || lookups > INT32_MAX / 16) return EB_TOO_LARGE;
  plan->column_step = (int32_t)step;
  plan->columns = (int32_t)columns;
  plan->slots = (int32_t)slots;
  plan->pixel_bytes = (size_t)pixel;
  plan->row_bytes = (size_t)(columns * pixel);
  plan->pixel_offset = eb_align((size_t)(slots + 1) * plan->row_bytes);
  plan->expanded_offset = plan->pixel_offset + eb_align(plan->pixel_bytes);
  plan->pointers_offset = plan->expanded_offset + (size_t)plan->expanded_slots * plan->expanded_bytes;
  plan->scratch_bytes = plan->pointers_offset + eb_align((size_t)pointers * sizeof(char *)) +
                        eb_align((size_t)slots * sizeof(int32_t)) +
                        eb_align((size_t)plan->expanded_slots * sizeof(int32_t)) +
                        eb_align((size_t)plan->group_inputs);
  return EB_OK;
}

static eb_status plan_weights(eb_w1a8_plan *plan) {
  const eb_w1a8_kernel *kernel = plan->kernel;
  const int64_t lanes = (int64_t)plan->segments * eb_ceil_div(plan->segment_tables, kernel->lane_tables);
  const int64_t bytes = lanes * kernel->channel_tile * kernel->lane_bytes + EB_ALIGNMENT;
  const int64_t blocks = (int64_t)plan->op.groups * plan->group_blocks;
  if (bytes > INT32_MAX / 4 || blocks > INT32_MAX / 4 / bytes) return EB_TOO_LARGE;
  if (blocks > INT32_MAX / 64 / kernel->channel_tile) return EB_TOO_LARGE;
  plan->block_bytes = eb_align((size_t)(bytes - EB_ALIGNMENT));
  plan->constants_offset = (size_t)blocks * plan->block_bytes;
  if (kernel->expanded_bytes == 0) return EB_OK;
  const int64_t expanded = eb_align((size_t)(lanes * kernel->channel_tile * kernel->expanded_bytes));
  plan->expanded_bytes = (size_t)expanded;
  plan->expanded_slots = blocks * expanded <= MOST_EXPANDED_BYTES ? (int32_t)blocks : 1;
  return EB_OK;
}

/* Rows of output of a tile, where nobody says. */
static int32_t choose_rows(const eb_w1a8_plan *plan) {
  return plan->kernel->expanded_bytes == 0 ? 1 : eb_ceil_div(ENOUGH_PIXELS, plan->op.window.output_width);
}

/* What follows from the operation alone. */
static eb_status plan_operation(const eb_w1a8 *op, eb_w1a8_plan *plan) {
  memset(plan, 0, sizeof(*plan));
  plan->op = *op;
  eb_status status = eb_window_resolve(&plan->op.window);
  if (status == EB_OK) status = check_options(&plan->op);
  if (status == EB_OK) status = check_counts(&plan->op);
  return status;
}

static void plan_depthwise(eb_w1a8_plan *plan) {
  const eb_window *w = &plan->op.window;
  plan->row_parts = plan->tile_rows = 1;
  plan->row_tiles = w->batches * w->output_height;
  plan->constants_offset = eb_align(sizeof(int32_t) * eb_w1a8_depthwise_words(plan));
  plan->scratch_bytes = (size_t)w->filter_height * (size_t)w->filter_width * EB_W1A8_DEPTHWISE_TAP_BYTES;
}

/* tile_rows, tile_blocks: cut to what there is; 0: as is best. */
static eb_status plan_convolution(eb_w1a8_plan *plan, int32_t tile_rows, int32_t tile_blocks) {
  const eb_window *w = &plan->op.window;
  plan->group_blocks = eb_ceil_div(plan->group_outputs, plan->kernel->channel_tile);
  plan->tile_rows = eb_at_most(tile_rows == 0 ? choose_rows(plan) : tile_rows, w->output_height);
  plan->row_tiles = w->batches * eb_ceil_div(w->output_height, plan->tile_rows);
  plan_segments(plan);
  eb_status status = plan_weights(plan);
  if (status == EB_OK) status = plan_scratch(plan);
  if (status != EB_OK) return status;
  const int32_t blocks = plan->op.groups * plan->group_blocks;
  const int32_t parts = eb_at_most(blocks, eb_ceil_div(ENOUGH_TILES, plan->row_tiles));
  plan->part_blocks = tile_blocks == 0 ? eb_ceil_div(blocks, parts) : eb_at_most(tile_blocks, blocks);
  plan->row_parts = eb_ceil_div(blocks, plan->part_blocks);
  return EB_OK;
}

static eb_status plan_kernel(eb_w1a8_plan *plan, int32_t tile_rows, int32_t tile_blocks) {
  plan->group_inputs = plan->op.channels_in / plan->op.groups;
  plan->group_outputs = plan->op.channels_out / plan->op.groups;
  if (plan->op.depthwise) {
    plan_depthwise(plan);
  } else {
    const eb_status status = plan_convolution(plan, tile_rows, tile_blocks);
    if (status != EB_OK) return status;
  }
  const int64_t tiles = (int64_t)plan->row_tiles * plan->row_parts;
  if (tiles > INT32_MAX) return EB_TOO_LARGE;
  plan->tiles = (int32_t)tiles;
  plan->persistent_bytes = plan->constants_offset + eb_w1a8_constants_bytes(plan);
  return EB_OK;
}

eb_status eb_w1a8_plan_make(const eb_w1a8 *op, const char *kernel_name, uint32_t cpu_features, eb_w1a8_plan *plan) {
  eb_status status = plan_operation(op, plan);
  if (status != EB_OK) return status;
  status = kernel_name == NULL ? choose_kernel(&plan->op, cpu_features, &plan->kernel)
                               : find_kernel(kernel_name, cpu_features, &plan->kernel);
  if (status != EB_OK) return status;
  plan->order = EB_OUTPUT_STATIONARY;
  return plan_kernel(plan, 0, 0);
}

eb_status eb_w1a8_plan_schedule(const eb_w1a8 *op, const eb_schedule *schedule, uint32_t cpu_features,
                                eb_w1a8_plan *plan) {
  if (schedule->kernel == NULL) return EB_UNKNOWN_KERNEL;
  eb_status status = plan_operation(op, plan);
  if (status != EB_OK) return status;
  status = find_kernel(schedule->kernel, cpu_features, &plan->kernel);
  if (status != EB_OK) return status;
  const int32_t orders = op->depthwise ? EB_OUTPUT_STATIONARY : plan->kernel->orders;
  if (!eb_takes_order(orders, schedule->order)) return EB_BAD_SCHEDULE;
  if (!eb_is_tile(schedule->tile_rows, 1) || !eb_is_tile(schedule->tile_pixels, 0)) return EB_BAD_SCHEDULE;
  if (!eb_is_tile(schedule->tile_blocks, !op->depthwise)) return EB_BAD_SCHEDULE;
  if (op->depthwise && schedule->tile_rows != 1) return EB_BAD_SCHEDULE;
  plan->order = schedule->order;
  return plan_kernel(plan, schedule->tile_rows, schedule->tile_blocks);
}
