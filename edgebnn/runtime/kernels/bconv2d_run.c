/* Binary convolution of a range of tiles. A tile is some output pixels by some output channels:
 *   1. the windows of the pixels are gathered, padding filled in, so that each is a row of consecutive words;
 *   2. the inner loop counts differing bits of each pixel and channel, twice: x = 2 * accum;
 *   3. x is turned into output values.
 */
#include <string.h>

#include "bconv2d.h"
#include "output_transform.h"
#include "window.h"

/* What a tile of work writes: pixels by channels of one group. */
typedef struct region {
  int32_t pixel_begin, pixel_end;
  int32_t group;
  int32_t block_begin, block_end; /* channel tiles, of the group */
} region;

/* Scratch and persistent memory, by their parts. */
typedef struct memory {
  const uint32_t *weights;
  const void *constants;
  const int32_t *tap_sums;
  uint32_t *pixels; /* [tile_pixels][words] */
  int32_t *x;       /* [tile_pixels][stride] */
  int32_t *padding; /* [stride] */
  size_t stride;
} memory;

static memory memory_of(const eb_bconv2d_plan *plan, const void *persistent, void *scratch) {
  const unsigned char *constant = persistent;
  unsigned char *own = scratch;
  const eb_bconv2d_scratch bytes = eb_bconv2d_scratch_of(plan);
  memory m;
  m.weights = persistent;
  m.constants = constant + plan->constants_offset;
  m.tap_sums = (const int32_t *)(const void *)(constant + plan->tap_sums_offset);
  m.pixels = scratch;
  m.x = (int32_t *)(void *)(own + bytes.pixels_bytes);
  m.padding = (int32_t *)(void *)(own + bytes.pixels_bytes + bytes.x_bytes);
  m.stride = (size_t)plan->chunk_blocks * (size_t)plan->kernel->channel_tile;
  return m;
}

/* One row of taps. Without dilation or groups, taps side by side are words side by side. */
static void gather_row(const eb_bconv2d_plan *plan, const eb_patch *patch, const uint32_t *restrict from,
                       uint32_t *restrict to) {
  const eb_window *w = &plan->op.window;
  const size_t step = (size_t)plan->group_words * (size_t)plan->op.groups * (size_t)w->dilation_width;
  const size_t group_words = (size_t)plan->group_words;
  const size_t hits = (size_t)(patch->x_end - patch->x_begin);
  to += (size_t)patch->x_begin * group_words;
  if (step == group_words) {
    memcpy(to, from, hits * group_words * sizeof(uint32_t));
    return;
  }
  for (size_t tap = 0; tap < hits; tap++, from += step, to += group_words) {
    memcpy(to, from, group_words * sizeof(uint32_t));
  }
}

/* The window of one pixel: [filter_height][filter_width][group_words], 0 (+1) in the padding. */
static void gather_window(const eb_bconv2d_plan *plan, const eb_patch *patch, int32_t group,
                          const uint32_t *restrict input, uint32_t *restrict to) {
  const eb_window *w = &plan->op.window;
  const size_t pixel_words = (size_t)plan->group_words * (size_t)plan->op.groups;
  const size_t row_words = (size_t)w->filter_width * (size_t)plan->group_words;
  if (eb_patch_is_padded(patch, w)) memset(to, 0, (size_t)plan->words * sizeof(uint32_t));
  if (patch->x_begin >= patch->x_end) return;
  for (int32_t tap = patch->y_begin; tap < patch->y_end; tap++) {
    const size_t y = (size_t)patch->batch * (size_t)w->input_height + (size_t)(patch->y + tap * w->dilation_height);
    const size_t x = (size_t)(patch->x + patch->x_begin * w->dilation_width);
    const uint32_t *from = input + (y * (size_t)w->input_width + x) * pixel_words + (size_t)(group * plan->group_words);
    gather_row(plan, patch, from, to + (size_t)tap * row_words);
  }
}

static void gather(const eb_bconv2d_plan *plan, const region *r, const uint32_t *input, uint32_t *pixels) {
  for (int32_t pixel = r->pixel_begin; pixel < r->pixel_end; pixel++, pixels += plan->words) {
    const eb_patch patch = eb_patch_at(&plan->op.window, pixel);
    gather_window(plan, &patch, r->group, input, pixels);
  }
}

static void count(const eb_bconv2d_plan *plan, const region *r, const memory *m) {
  const eb_bconv2d_kernel *kernel = plan->kernel;
  const size_t words = (size_t)plan->words;
  const int32_t pixels = r->pixel_end - r->pixel_begin;
  for (int32_t block = r->block_begin; block < r->block_end; block++) {
    const size_t index = (size_t)r->group * (size_t)plan->group_blocks + (size_t)block;
    const uint32_t *weights = m->weights + index * words * (size_t)kernel->channel_tile;
    int32_t *x = m->x + (size_t)(block - r->block_begin) * (size_t)kernel->channel_tile;
    for (int32_t p = 0; p < pixels; p += kernel->pixel_tile) {
      const int32_t left = pixels - p;
      kernel->tile(weights, m->pixels + (size_t)p * words, words, left < kernel->pixel_tile ? left : kernel->pixel_tile,
                   x + (size_t)p * m->stride, m->stride);
    }
  }
}

/* The sums of the filter over the taps in the padding. */
static void sum_padding(const eb_bconv2d_plan *plan, const eb_patch *patch, const int32_t *restrict tap_sums,
                        int32_t channels, int32_t *restrict padding) {
  const eb_window *w = &plan->op.window;
  memset(padding, 0, (size_t)channels * sizeof(int32_t));
  for (int32_t y = 0; y < w->filter_height; y++) {
    const int row_hits = y >= patch->y_begin && y < patch->y_end;
    for (int32_t x = 0; x < w->filter_width; x++, tap_sums += plan->op.channels_out) {
      if (row_hits && x >= patch->x_begin && x < patch->x_end) continue;
      for (int32_t c = 0; c < channels; c++) padding[c] += tap_sums[c];
    }
  }
}

/* One pixel's output from x = 2 * accum; first: its first output channel, among all. */
static void transform(const eb_bconv2d_plan *plan, const void *constants, const int32_t *x, int32_t first,
                      int32_t channels, int32_t pixel, void *output) {
  const eb_bconv2d *op = &plan->op;
  if (op->output_type == EB_PACKED) {
    int32_t *to = (int32_t *)output + (size_t)pixel * (size_t)eb_packed_words(op->channels_out);
    eb_output_packed(x, first, channels, (const int32_t *)constants + first, to);
    return;
  }
  const float low = (float)plan->clamp_min, high = (float)plan->clamp_max;
  const float *multiplier = (const float *)constants + first;
  const float *bias = multiplier + op->channels_out;
  const size_t at = (size_t)pixel * (size_t)op->channels_out + (size_t)first;
  if (op->output_type == EB_FLOAT32) {
    eb_output_float(x, channels, low, high, multiplier, bias, (float *)output + at);
  } else {
    eb_output_int8(x, channels, low, high, multiplier, bias, (int8_t *)output + at);
  }
}

static void add_to_sums(int32_t *restrict x, const int32_t *restrict padding, int32_t channels) {
  for (int32_t c = 0; c < channels; c++) x[c] += padding[c];
}

static void add_to_output(float *restrict y, const int32_t *restrict padding, const float *restrict multiplier,
                          int32_t channels) {
  for (int32_t c = 0; c < channels; c++) y[c] += multiplier[c] * (float)padding[c];
}

static void write_output(const eb_bconv2d_plan *plan, const region *r, const memory *m, void *output) {
  const eb_bconv2d *op = &plan->op;
  const int32_t offset = r->block_begin * plan->kernel->channel_tile;
  const int32_t first = r->group * plan->group_channels + offset;
  const int32_t last = r->block_end * plan->kernel->channel_tile;
  const int32_t channels = (last < plan->group_channels ? last : plan->group_channels) - offset;
  const int pads = eb_pads_with_zeros(op);
  const int pads_after = eb_pads_after_transform(op);
  for (int32_t pixel = r->pixel_begin; pixel < r->pixel_end; pixel++) {
    int32_t *x = m->x + (size_t)(pixel - r->pixel_begin) * m->stride;
    int padded = 0;
    if (pads) {
      const eb_patch patch = eb_patch_at(&op->window, pixel);
      padded = eb_patch_is_padded(&patch, &op->window);
      if (padded) sum_padding(plan, &patch, m->tap_sums + first, channels, m->padding);
    }
    if (padded && !pads_after) add_to_sums(x, m->padding, channels);
    transform(plan, m->constants, x, first, channels, pixel, output);
    if (padded && pads_after) {
      float *y = (float *)output + (size_t)pixel * (size_t)op->channels_out + (size_t)first;
      add_to_output(y, m->padding, (const float *)m->constants + first, channels);
    }
  }
}

void eb_bconv2d_run(const eb_bconv2d_plan *plan, const void *persistent, const int32_t *input, void *output,
                    int32_t tile_begin, int32_t tile_end, void *scratch) {
  const eb_window *w = &plan->op.window;
  const memory m = memory_of(plan, persistent, scratch);
  const int32_t all_pixels = w->batches * w->output_height * w->output_width;
  const int32_t group_chunks = plan->chunks * plan->chunk_groups / plan->op.groups;
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    const int32_t chunk = tile % plan->chunks;
    region r;
    r.pixel_begin = tile / plan->chunks * plan->tile_pixels;
    r.pixel_end = all_pixels - r.pixel_begin < plan->tile_pixels ? all_pixels : r.pixel_begin + plan->tile_pixels;
    r.block_begin = chunk % group_chunks * plan->chunk_blocks;
    r.block_end = r.block_begin + plan->chunk_blocks;
    if (r.block_end > plan->group_blocks) r.block_end = plan->group_blocks;
    const int32_t group_begin = chunk / group_chunks * plan->chunk_groups;
    for (r.group = group_begin; r.group < group_begin + plan->chunk_groups; r.group++) {
      gather(plan, &r, (const uint32_t *)input, m.pixels);
      count(plan, &r, &m);
      write_output(plan, &r, &m, output);
    }
  }
}
