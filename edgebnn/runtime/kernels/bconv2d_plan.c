/* Binary convolution, before anything runs: checks, choice of the inner loop, tiling and memory. */
#include <string.h>

#include "bconv2d.h"
#include "quantization.h"

enum {
  GATHER_BYTES = 16 * 1024, /* of a tile of work: gathered windows and sums stay in the first-level cache */
  X_BYTES = 16 * 1024,
  TILE_PIXELS = 32,
  TILE_MACS = 1 << 22 /* some 20 microseconds: much more than gathering the windows or handing out a tile */
};

static const eb_bconv2d_kernel kernels[] = {
#define EB_BCONV2D_KERNEL(name, features, channel_tile, pixel_tile, flags) \
  {#name, features, eb_bconv2d_##name, channel_tile, pixel_tile},
#include "bconv2d.kernels"
#undef EB_BCONV2D_KERNEL
};

const eb_bconv2d_kernel *eb_bconv2d_kernel_at(size_t index) {
  return index < sizeof(kernels) / sizeof(kernels[0]) ? &kernels[index] : NULL;
}

static eb_status choose_kernel(const char *name, uint32_t cpu_features, const eb_bconv2d_kernel **chosen) {
  for (size_t i = 0; (*chosen = eb_bconv2d_kernel_at(i)) != NULL; i++) {
    const int runs = ((*chosen)->cpu_features & ~cpu_features) == 0;
    if (name == NULL && runs) return EB_OK;
    if (name != NULL && strcmp(name, (*chosen)->name) == 0) return runs ? EB_OK : EB_CPU_LACKS_KERNEL;
  }
  return name == NULL ? EB_CPU_LACKS_KERNEL : EB_UNKNOWN_KERNEL;
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

static int32_t at_most(int32_t x, int32_t limit) { return x < limit ? x : limit; }
static int32_t at_least(int32_t x, int32_t limit) { return x > limit ? x : limit; }
static int32_t ceil_div(int32_t x, int32_t by) { return x / by + (x % by != 0); }
static int32_t round_up(int32_t x, int32_t to) { return ceil_div(x, to) * to; }

static eb_status plan_tiles(eb_bconv2d_plan *plan) {
  const eb_bconv2d *op = &plan->op;
  const eb_bconv2d_kernel *kernel = plan->kernel;
  const int32_t pixels = op->window.batches * op->window.output_height * op->window.output_width;
  const int32_t most = at_least(at_most(GATHER_BYTES / 4 / plan->words, TILE_PIXELS), kernel->pixel_tile);
  const int32_t even = ceil_div(pixels, ceil_div(pixels, most));
  plan->tile_pixels = at_most(round_up(even, kernel->pixel_tile), pixels);

  /* A tile of work starts at a whole word of packed output, so that no two threads write into the same. */
  const int32_t blocks_per_word = 32 / kernel->channel_tile;
  const int64_t block_macs = (int64_t)plan->words * 32 * kernel->channel_tile * plan->tile_pixels;
  const int32_t fitting = X_BYTES / 4 / kernel->channel_tile / plan->tile_pixels;
  const int32_t wanted = at_most((int32_t)(TILE_MACS / block_macs), fitting);
  plan->chunk_blocks = at_most(round_up(at_least(wanted, 1), blocks_per_word), plan->group_blocks);
  plan->chunk_groups = 1;
  if (op->output_type == EB_PACKED && op->groups > 1 && plan->group_channels % 32 != 0) {
    plan->chunk_blocks = plan->group_blocks;
    plan->chunk_groups = op->groups;
  }
  plan->chunks = op->groups / plan->chunk_groups * ceil_div(plan->group_blocks, plan->chunk_blocks);
  const int64_t tiles = (int64_t)ceil_div(pixels, plan->tile_pixels) * plan->chunks;
  plan->tiles = (int32_t)tiles;
  return tiles > INT32_MAX ? EB_TOO_LARGE : EB_OK;
}

static eb_status plan_memory(eb_bconv2d_plan *plan) {
  const eb_bconv2d *op = &plan->op;
  const int64_t lanes = (int64_t)op->groups * plan->group_blocks * plan->kernel->channel_tile;
  const int64_t weights = lanes * plan->words * 4;
  const int64_t tap_sums = (int64_t)op->window.filter_height * op->window.filter_width * op->channels_out * 4;
  const int64_t row = (int64_t)plan->chunk_blocks * plan->kernel->channel_tile;
  if (weights > INT32_MAX / 2 || tap_sums > INT32_MAX / 4 || op->channels_out > INT32_MAX / 32) return EB_TOO_LARGE;
  if ((plan->words + row) * plan->tile_pixels > INT32_MAX / 16) return EB_TOO_LARGE;
  plan->constants_offset = eb_align((size_t)weights);
  plan->tap_sums_offset = plan->constants_offset + eb_align(2 * sizeof(float) * (size_t)op->channels_out);
  plan->persistent_bytes = plan->tap_sums_offset + (eb_pads_with_zeros(op) ? eb_align((size_t)tap_sums) : 0);
  const eb_bconv2d_scratch scratch = eb_bconv2d_scratch_of(plan);
  plan->scratch_bytes = scratch.pixels_bytes + scratch.x_bytes + scratch.padding_bytes;
  return EB_OK;
}

/* The activation as bounds on dot, turned round into bounds on 2 * accum = K - dot. */
static void plan_clamp(eb_bconv2d_plan *plan) {
  static const struct { int32_t low, high; } ranges[] = {
      [EB_ACT_NONE] = {-INT32_MAX, INT32_MAX}, [EB_ACT_RELU] = {0, INT32_MAX},
      [EB_ACT_RELU_N1_TO_1] = {-1, 1}, [EB_ACT_RELU6] = {0, 6}};
  const eb_bconv2d *op = &plan->op;
  const int32_t k = op->window.filter_height * op->window.filter_width * (op->channels_in / op->groups);
  plan->clamp_min = k - at_most(ranges[op->activation].high, k);
  plan->clamp_max = k - at_least(ranges[op->activation].low, -k);
}

eb_status eb_bconv2d_plan_make(const eb_bconv2d *op, const char *kernel_name, uint32_t cpu_features,
                               eb_bconv2d_plan *plan) {
  plan->op = *op;
  eb_status status = eb_window_resolve(&plan->op.window);
  if (status == EB_OK) status = check_options(&plan->op);
  if (status == EB_OK) status = check_counts(&plan->op);
  if (status == EB_OK) status = choose_kernel(kernel_name, cpu_features, &plan->kernel);
  if (status != EB_OK) return status;
  plan->group_words = eb_packed_words(op->channels_in / op->groups);
  plan->words = op->window.filter_height * op->window.filter_width * plan->group_words;
  plan->group_channels = op->channels_out / op->groups;
  plan->group_blocks = ceil_div(plan->group_channels, plan->kernel->channel_tile);
  plan_clamp(plan);
  status = plan_tiles(plan);
  return status == EB_OK ? plan_memory(plan) : status;
}
