/* Binary convolution, before anything runs: checks, choice of the inner loop, tiling and memory. */
#include "bconv2d.h"
#include "choose.h"

static const eb_bconv2d_kernel kernels[] = {
#define EB_BCONV2D_KERNEL(line, architecture, flags, ...) \
  EB_ON_##architecture({.name = #line, .run = eb_bconv2d_##line, .pack = eb_bconv2d_##line##_pack, __VA_ARGS__},)
#include "../core/bconv2d.kernels"
#undef EB_BCONV2D_KERNEL
};

const eb_bconv2d_kernel *eb_bconv2d_kernel_at(size_t index) {
  return index < sizeof(kernels) / sizeof(kernels[0]) ? &kernels[index] : NULL;
}

static eb_status choose_kernel(const char *name, uint32_t cpu_features, const eb_bconv2d_kernel **chosen) {
  eb_status status;
  for (size_t i = 0; (*chosen = eb_bconv2d_kernel_at(i)) != NULL; i++) {
    if (eb_ends_search((*chosen)->name, (*chosen)->cpu_features, name, cpu_features, &status)) return status;
  }
  return eb_search_failed(name);
}

const char *eb_bconv2d_kernel_named(const char *name, uint32_t cpu_features) {
  const eb_bconv2d_kernel *kernel;
  return name != NULL && choose_kernel(name, cpu_features, &kernel) == EB_OK ? kernel->name : NULL;
}

eb_status eb_bconv2d_groups(int32_t channels_in, int32_t filter_words, int32_t *groups) {
  if (channels_in < 1 || filter_words < 1) return EB_BAD_SIZE;
  const int32_t words = eb_packed_words(channels_in);
  if (words % filter_words != 0) return EB_BAD_GROUPS;
  *groups = words / filter_words;
  return *groups == 1 || channels_in % (*groups * 32) == 0 ? EB_OK : EB_BAD_GROUPS;
}

static eb_status check_options(const eb_bconv2d *op) {
  if (op->channels_in < 1 || op->channels_out < 1) return EB_BAD_SIZE;
  if (op->pad_value != 0 && op->pad_value != 1) return EB_BAD_OPTION;
  if (op->activation < EB_ACT_NONE || op->activation > EB_ACT_RELU6) return EB_BAD_OPTION;
  if (op->output_type != EB_FLOAT32 && op->output_type != EB_INT8 && op->output_type != EB_PACKED) return EB_BAD_OPTION;
  if (op->groups < 1 || op->channels_in % op->groups != 0 || op->channels_out % op->groups != 0) return EB_BAD_GROUPS;
  if (op->groups > 1 && op->channels_in / op->groups % 32 != 0) return EB_BAD_GROUPS;
  if (op->output_type == EB_INT8) {
    if (!eb_is_scale(op->output_scale) || !eb_is_zero_point(op->output_zero_point)) return EB_BAD_QUANTIZATION;
  }
  if (eb_pads_with_zeros(op) && op->output_type == EB_PACKED && op->channels_in % 2 != 0) return EB_UNSUPPORTED;
  return EB_OK;
}

/* Tensors are counted in int32, and twice the sum of all bits of a window is an int32. */
static eb_status check_counts(const eb_bconv2d *op) {
  const eb_window *w = &op->window;
  const int32_t input_pixels = w->batches * w->input_height * w->input_width;
  const int32_t output_pixels = w->batches * w->output_height * w->output_width;
  const int64_t taps = (int64_t)w->filter_height * w->filter_width;
  const int64_t window_words = taps * eb_packed_words(op->channels_in / op->groups);
  if (window_words > INT32_MAX / 64) return EB_TOO_LARGE;
  if (eb_packed_words(op->channels_in) > INT32_MAX / input_pixels) return EB_TOO_LARGE;
  if (op->channels_out > INT32_MAX / output_pixels) return EB_TOO_LARGE;
  if ((int64_t)op->channels_out * window_words > INT32_MAX / 4) return EB_TOO_LARGE;
  return EB_OK;
}

/* Persistent memory. */
static eb_status plan_memory(eb_bconv2d_plan *plan) {
  const eb_bconv2d *op = &plan->op;
  const int64_t blocks = (int64_t)op->groups * plan->group_blocks;
  const int64_t word_bytes = (int64_t)plan->kernel->channel_tile * plan->kernel->lane_bytes;
  const int64_t tap_sums = (int64_t)op->window.filter_height * op->window.filter_width * op->channels_out * 4;
  if (tap_sums > INT32_MAX / 4 || op->channels_out > INT32_MAX / 32) return EB_TOO_LARGE;
  if (blocks > INT32_MAX / 2 / (word_bytes * plan->window_words + EB_ALIGNMENT)) return EB_TOO_LARGE;
  plan->constants_offset = (size_t)blocks * eb_block_bytes(plan);
  plan->tap_sums_offset = plan->constants_offset + eb_align(2 * sizeof(float) * (size_t)op->channels_out);
  plan->persistent_bytes = plan->tap_sums_offset + (eb_pads_with_zeros(op) ? eb_align((size_t)tap_sums) : 0);
  return EB_OK;
}

/* The activation as bounds on dot, turned round into bounds on 2 * accum = K - dot. */
static void plan_clamp(eb_bconv2d_plan *plan) {
  static const struct { int32_t low, high; } ranges[] = {
      [EB_ACT_NONE] = {-INT32_MAX, INT32_MAX}, [EB_ACT_RELU] = {0, INT32_MAX},
      [EB_ACT_RELU_N1_TO_1] = {-1, 1}, [EB_ACT_RELU6] = {0, 6}};
  const eb_bconv2d *op = &plan->op;
  const int32_t k = op->window.filter_height * op->window.filter_width * (op->channels_in / op->groups);
  plan->clamp_min = k - eb_at_most(ranges[op->activation].high, k);
  plan->clamp_max = k - eb_at_least(ranges[op->activation].low, -k);
}

/* What follows from the operation alone. */
static eb_status plan_operation(const eb_bconv2d *op, eb_bconv2d_plan *plan) {
  plan->op = *op;
  eb_status status = eb_window_resolve(&plan->op.window);
  if (status == EB_OK) status = check_options(&plan->op);
  if (status == EB_OK) status = check_counts(&plan->op);
  if (status != EB_OK) return status;
  plan->group_words = eb_packed_words(op->channels_in / op->groups);
  plan->words = op->window.filter_height * op->window.filter_width * plan->group_words;
  plan->group_channels = op->channels_out / op->groups;
  plan_clamp(plan);
  return EB_OK;
}

/* Whether the kernel can compute the operation at all: those that are row stationary hold what they can of its filter. */
static int computes(const eb_bconv2d_kernel *kernel, const eb_bconv2d_plan *plan) {
  if (kernel->orders != EB_ROW_STATIONARY) return 1;
  const eb_window *w = &plan->op.window;
  return w->dilation_width == 1 && w->filter_width * plan->group_words <= kernel->most_row_words &&
         plan->words <= kernel->most_words;
}

/* The best line for the operation: those below the best for any may be for so few pixels or channels. */
static eb_status choose_best(eb_bconv2d_plan *plan, uint32_t cpu_features) {
  const eb_status status = choose_kernel(NULL, cpu_features, &plan->kernel);
  if (status != EB_OK) return status;
  const eb_window *w = &plan->op.window;
  const int32_t pixels = w->batches * w->output_height * w->output_width;
  const eb_bconv2d_kernel *const end = kernels + sizeof kernels / sizeof kernels[0];
  for (const eb_bconv2d_kernel *k = plan->kernel + 1; k < end && (k->best_pixels > 0 || k->best_channels > 0); k++) {
    if (!eb_has_features(k->cpu_features, cpu_features)) continue;
    if (pixels > k->best_pixels && plan->group_channels > k->best_channels) continue;
    plan->kernel = k;
    break;
  }
  return EB_OK;
}

/* What follows from the kernel. */
static eb_status plan_kernel(eb_bconv2d_plan *plan) {
  plan->window_words = eb_round_up(plan->words, plan->kernel->word_multiple);
  plan->group_blocks = eb_ceil_div(plan->group_channels, plan->kernel->channel_tile);
  return plan_memory(plan);
}

eb_status eb_bconv2d_plan_make(const eb_bconv2d *op, const char *kernel_name, uint32_t cpu_features,
                               eb_bconv2d_plan *plan) {
  eb_status status = plan_operation(op, plan);
  if (status == EB_OK && kernel_name != NULL) status = choose_kernel(kernel_name, cpu_features, &plan->kernel);
  if (status == EB_OK && (kernel_name == NULL || !computes(plan->kernel, plan))) status = choose_best(plan, cpu_features);
  if (status == EB_OK) status = plan_kernel(plan);
  if (status != EB_OK) return status;
  plan->order = plan->kernel->orders == EB_ROW_STATIONARY ? EB_ROW_STATIONARY : EB_OUTPUT_STATIONARY;
  return eb_bconv2d_plan_block(plan, eb_bconv2d_choose_blocking(plan, eb_cpu_caches_read()));
}

eb_status eb_bconv2d_plan_schedule(const eb_bconv2d *op, const eb_schedule *schedule, uint32_t cpu_features,
                                   eb_bconv2d_plan *plan) {
  if (schedule->kernel == NULL) return EB_UNKNOWN_KERNEL;
  eb_status status = plan_operation(op, plan);
  if (status == EB_OK) status = choose_kernel(schedule->kernel, cpu_features, &plan->kernel);
  if (status != EB_OK) return status;
  if (!eb_takes_order(plan->kernel->orders, schedule->order) || !computes(plan->kernel, plan)) return EB_BAD_SCHEDULE;
  const int by_rows = schedule->order == EB_ROW_STATIONARY;
  if (!eb_is_tile(schedule->tile_rows, by_rows) || !eb_is_tile(schedule->tile_pixels, !by_rows)) return EB_BAD_SCHEDULE;
  if (!eb_is_tile(schedule->tile_blocks, 1)) return EB_BAD_SCHEDULE;
  status = plan_kernel(plan);
  if (status != EB_OK) return status;
  plan->order = schedule->order;
  const eb_window *w = &plan->op.window;
  const int32_t rows = eb_at_most(schedule->tile_rows, w->output_height);
  const eb_bconv2d_blocking blocking = {by_rows ? rows * w->output_width : schedule->tile_pixels,
                                        schedule->tile_blocks};
  return eb_bconv2d_plan_block(plan, blocking);
}
