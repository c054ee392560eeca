/* Binary convolution of a range of tiles. A tile is some output pixels by some blocks of output channels: the windows
 * of the pixels are gathered, unless they lie ready in the input, and the kernel computes block after block. For a row
 * stationary kernel, a tile is some rows of output: the rows of input that they need are staged, and nothing is gathered.
 */
#include "bconv2d.h"

/* What a tile of work writes: pixels by blocks of one group. */
typedef struct region {
  int32_t pixel_begin, pixel_end;
  int32_t group;
  int32_t block_begin, block_end;
} region;

/* Scratch and persistent memory, by their parts. */
typedef struct memory {
  const unsigned char *weights;
  const void *constants;
  const int32_t *tap_sums;
  uint32_t *windows;        /* [tile_pixels][window_words]; row stationary: [lines][line_words] */
  int32_t *padding;         /* [tile_pixels][channel_tile]: a row for each of the patches */
  const int32_t **pointers; /* [tile_pixels]: a row of padding, or NULL */
  eb_patch *patches;        /* [tile_pixels]: those that differ in the taps that lie in the padding */
} memory;

static memory memory_of(const eb_bconv2d_plan *plan, const void *persistent, void *scratch) {
  const unsigned char *constant = persistent;
  unsigned char *own = scratch;
  const eb_bconv2d_scratch bytes = eb_bconv2d_scratch_of(plan);
  memory m;
  m.weights = constant;
  m.constants = constant + plan->constants_offset;
  m.tap_sums = (const int32_t *)(const void *)(constant + plan->tap_sums_offset);
  m.windows = scratch;
  m.padding = (int32_t *)(void *)(own + bytes.pixels_bytes);
  m.pointers = (const int32_t **)(void *)(own + bytes.pixels_bytes + bytes.padding_bytes);
  m.patches = (eb_patch *)(void *)(own + bytes.pixels_bytes + bytes.padding_bytes + bytes.pointers_bytes);
  return m;
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

static int same_taps(const eb_patch *a, const eb_patch *b) {
  return a->y_begin == b->y_begin && a->y_end == b->y_end && a->x_begin == b->x_begin && a->x_end == b->x_end;
}

/* The row of padding for a patch, which is noted if it is new. The last ones are the likeliest. */
static const int32_t *row_of(const eb_bconv2d_plan *plan, const memory *m, const eb_patch *patch, int32_t *count) {
  int32_t index = *count - 1;
  while (index >= 0 && !same_taps(&m->patches[index], patch)) index--;
  if (index < 0) {
    index = (*count)++;
    m->patches[index] = *patch;
  }
  return m->padding + (size_t)index * (size_t)plan->kernel->channel_tile;
}

/* For each pixel of the region, the row in which it will find what zero padding takes back, or NULL. Returns the number
 * of rows. Windows that lie within the image are passed over a row at a time. */
static int32_t find_padding(const eb_bconv2d_plan *plan, const region *r, const memory *m) {
  const eb_window *w = &plan->op.window;
  const eb_columns inner = eb_inner_columns(w);
  memset(m->pointers, 0, (size_t)(r->pixel_end - r->pixel_begin) * sizeof(*m->pointers));
  int32_t rows = 0;
  for (int32_t pixel = r->pixel_begin; pixel < r->pixel_end;) {
    int32_t column = pixel % w->output_width;
    const int32_t row_end = eb_at_most(pixel - column + w->output_width, r->pixel_end);
    const eb_patch first = eb_patch_at(w, pixel);
    const int row_is_padded = first.y_begin > 0 || first.y_end < w->filter_height;
    while (pixel < row_end) {
      if (!row_is_padded && column >= inner.begin && column < inner.end) {
        const int32_t passed = eb_at_most(inner.end - column, row_end - pixel);
        pixel += passed;
        column += passed;
        continue;
      }
      const eb_patch patch = eb_patch_at(w, pixel);
      if (eb_patch_is_padded(&patch, w)) m->pointers[pixel - r->pixel_begin] = row_of(plan, m, &patch, &rows);
      pixel++;
      column++;
    }
  }
  return rows;
}

/* What zero padding takes back of the channels from `first` on. */
static void fill_padding(const eb_bconv2d_plan *plan, const memory *m, int32_t rows, int32_t first, int32_t channels) {
  for (int32_t row = 0; row < rows; row++) {
    int32_t *padding = m->padding + (size_t)row * (size_t)plan->kernel->channel_tile;
    sum_padding(plan, &m->patches[row], m->tap_sums + first, channels, padding);
  }
}

/* Where a block's output goes, and what makes it. first: its first output channel, among all. */
static void aim(const eb_bconv2d_plan *plan, const region *r, const memory *m, int32_t first, void *output,
                eb_bconv2d_block *b) {
  const eb_bconv2d *op = &plan->op;
  const size_t pixel = (size_t)r->pixel_begin;
  b->first_bit = first % 32;
  if (op->output_type == EB_PACKED) {
    b->threshold = (const int32_t *)m->constants + first;
    b->output_stride = (size_t)eb_packed_words(op->channels_out);
    b->output = (int32_t *)output + pixel * b->output_stride + first / 32;
    return;
  }
  b->multiplier = (const float *)m->constants + first;
  b->bias = b->multiplier + op->channels_out;
  b->output_stride = b->steps != NULL && b->steps->output_stride != 0 ? b->steps->output_stride : (size_t)op->channels_out;
  b->first_pixel = r->pixel_begin;
  b->first_channel = first;
  const size_t at = pixel * b->output_stride + (size_t)first;
  b->output = op->output_type == EB_FLOAT32 ? (void *)((float *)output + at) : (void *)((int8_t *)output + at);
}

/* Where a row stationary kernel finds the windows. */
static void aim_at_lines(const eb_bconv2d_plan *plan, const uint32_t *lines, eb_bconv2d_block *b) {
  const eb_window *w = &plan->op.window;
  const size_t line_words = (size_t)eb_line_words(plan);
  b->lines = lines;
  b->line_step = (size_t)w->stride_height * line_words;
  b->row_step = (size_t)w->dilation_height * line_words;
  b->row_count = w->filter_height;
  b->row_words = w->filter_width * plan->group_words;
  b->columns = w->output_width;
  b->pixel_stride = (size_t)w->stride_width * (size_t)(plan->group_words * plan->kernel->row_lanes);
}

static void run_region(const eb_bconv2d_plan *plan, const region *r, const memory *m, const uint32_t *windows,
                       const eb_output_steps *steps, void *output) {
  const int32_t tile = plan->kernel->channel_tile;
  const int pads = eb_pads_with_zeros(&plan->op);
  eb_bconv2d_block b = {
      .pixels = windows,
      .pixel_stride = (size_t)plan->window_words,
      .words = (size_t)plan->window_words,
      .pixel_count = r->pixel_end - r->pixel_begin,
      .output_type = plan->op.output_type,
      .clamps = plan->op.activation != EB_ACT_NONE,
      .clamp_min = (float)plan->clamp_min,
      .clamp_max = (float)plan->clamp_max,
      .padding = pads ? m->pointers : NULL,
      .pads_after = eb_pads_after_transform(&plan->op),
      .steps = steps,
  };
  if (plan->order == EB_ROW_STATIONARY) aim_at_lines(plan, windows, &b);
  const int32_t rows = pads ? find_padding(plan, r, m) : 0;
  for (int32_t block = r->block_begin; block < r->block_end; block++) {
    const size_t index = (size_t)r->group * (size_t)plan->group_blocks + (size_t)block;
    const int32_t first = r->group * plan->group_channels + block * tile;
    b.weights = m->weights + index * eb_block_bytes(plan);
    b.channels = eb_at_most(plan->group_channels - block * tile, tile);
    aim(plan, r, m, first, output, &b);
    fill_padding(plan, m, rows, first, b.channels);
    plan->kernel->run(&b);
  }
}

/* The tile's pixels: of whole rows of one image where the kernel goes by rows. */
static void find_pixels(const eb_bconv2d_plan *plan, int32_t tile, region *r) {
  const eb_window *w = &plan->op.window;
  int32_t first = tile * plan->blocking.tile_pixels, end = w->batches * w->output_height * w->output_width;
  if (plan->order == EB_ROW_STATIONARY) {
    const int32_t image_tiles = plan->pixel_tiles / w->batches, image = tile / image_tiles;
    first = (image * w->output_height + tile % image_tiles * plan->tile_rows) * w->output_width;
    end = (image + 1) * w->output_height * w->output_width;
  }
  r->pixel_begin = first;
  r->pixel_end = first + eb_at_most(plan->blocking.tile_pixels, end - first);
}

static region region_of(const eb_bconv2d_plan *plan, int32_t tile) {
  const int32_t group_chunks = plan->chunks * plan->chunk_groups / plan->op.groups;
  const int weights_stay = plan->order == EB_WEIGHT_STATIONARY;
  const int32_t chunk = weights_stay ? tile / plan->pixel_tiles : tile % plan->chunks;
  region r;
  find_pixels(plan, weights_stay ? tile % plan->pixel_tiles : tile / plan->chunks, &r);
  r.block_begin = chunk % group_chunks * plan->blocking.tile_blocks;
  r.block_end = r.block_begin + eb_at_most(plan->blocking.tile_blocks, plan->group_blocks - r.block_begin);
  r.group = chunk / group_chunks * plan->chunk_groups;
  return r;
}

void eb_bconv2d_run(const eb_bconv2d_plan *plan, const void *persistent, const int32_t *input,
                    const eb_output_steps *steps, void *output, int32_t tile_begin, int32_t tile_end, void *scratch) {
  EB_REQUIRE(0 <= tile_begin && tile_begin <= tile_end && tile_end <= plan->tiles);
  EB_REQUIRE(eb_is_aligned(persistent) && eb_is_aligned(scratch) && input != NULL && output != NULL);
  EB_REQUIRE(steps == NULL || plan->op.output_type != EB_PACKED);
  const memory m = memory_of(plan, persistent, scratch);
  const int by_rows = plan->order == EB_ROW_STATIONARY;
  const int in_place = !by_rows && eb_bconv2d_reads_in_place(plan);
  int32_t gathered_pixel = -1, gathered_group = -1;
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    region r = region_of(plan, tile);
    const uint32_t *windows = m.windows;
    if (in_place) windows = (const uint32_t *)input + (size_t)r.pixel_begin * (size_t)plan->words;
    for (const int32_t group_end = r.group + plan->chunk_groups; r.group < group_end; r.group++) {
      if (!in_place && (gathered_pixel != r.pixel_begin || gathered_group != r.group)) {
        if (by_rows) {
          const int32_t columns = plan->op.window.output_width;
          eb_bconv2d_stage_lines(plan, (const uint32_t *)input, r.group, r.pixel_begin / columns, r.pixel_end / columns,
                                 m.windows);
        } else {
          eb_bconv2d_gather(plan, (const uint32_t *)input, r.group, r.pixel_begin, r.pixel_end, m.windows);
        }
        gathered_pixel = r.pixel_begin;
        gathered_group = r.group;
      }
      run_region(plan, &r, &m, windows, steps, output);
    }
  }
}
