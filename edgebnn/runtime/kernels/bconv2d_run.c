/* Binary convolution of a range of tiles. A tile is some output pixels by some blocks of output channels: the windows
 * of the pixels are gathered, unless they lie ready in the input, and the kernel computes block after block.
 */
#include "bconv2d_gather.h"
#include "window.h"

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
  uint32_t *windows;        /* [tile_pixels][window_words] */
  int32_t *padding;         /* [tile_pixels][channel_tile] */
  const int32_t **pointers; /* [tile_pixels] */
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

/* For each pixel of the region, what zero padding takes back of the channels from `first` on, or NULL. */
static void find_padding(const eb_bconv2d_plan *plan, const region *r, const memory *m, int32_t first,
                         int32_t channels) {
  const eb_window *w = &plan->op.window;
  const eb_columns inner = eb_inner_columns(w);
  int32_t *row = m->padding;
  int32_t column = r->pixel_begin % w->output_width;
  int row_is_padded = -1; /* of the image; not known yet */
  for (int32_t pixel = r->pixel_begin; pixel < r->pixel_end; pixel++, column++) {
    if (column == w->output_width) {
      column = 0;
      row_is_padded = -1;
    }
    const int is_inner = column >= inner.begin && column < inner.end;
    m->pointers[pixel - r->pixel_begin] = NULL;
    if (is_inner && row_is_padded == 0) continue;
    const eb_patch patch = eb_patch_at(w, pixel);
    row_is_padded = patch.y_begin > 0 || patch.y_end < w->filter_height;
    if (!eb_patch_is_padded(&patch, w)) continue;
    sum_padding(plan, &patch, m->tap_sums + first, channels, row);
    m->pointers[pixel - r->pixel_begin] = row;
    row += plan->kernel->channel_tile;
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
  b->output_stride = (size_t)op->channels_out;
  const size_t at = pixel * b->output_stride + (size_t)first;
  b->output = op->output_type == EB_FLOAT32 ? (void *)((float *)output + at) : (void *)((int8_t *)output + at);
}

static void run_region(const eb_bconv2d_plan *plan, const region *r, const memory *m, const uint32_t *windows,
                       void *output) {
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
  };
  for (int32_t block = r->block_begin; block < r->block_end; block++) {
    const size_t index = (size_t)r->group * (size_t)plan->group_blocks + (size_t)block;
    const int32_t first = r->group * plan->group_channels + block * tile;
    b.weights = m->weights + index * eb_block_bytes(plan);
    b.channels = eb_at_most(plan->group_channels - block * tile, tile);
    aim(plan, r, m, first, output, &b);
    if (pads) find_padding(plan, r, m, first, b.channels);
    plan->kernel->run(&b);
  }
}

static region region_of(const eb_bconv2d_plan *plan, int32_t tile) {
  const eb_window *w = &plan->op.window;
  const int32_t pixels = w->batches * w->output_height * w->output_width;
  const int32_t group_chunks = plan->chunks * plan->chunk_groups / plan->op.groups;
  const int32_t chunk = tile % plan->chunks;
  region r;
  r.pixel_begin = tile / plan->chunks * plan->blocking.tile_pixels;
  r.pixel_end = r.pixel_begin + eb_at_most(plan->blocking.tile_pixels, pixels - r.pixel_begin);
  r.block_begin = chunk % group_chunks * plan->blocking.tile_blocks;
  r.block_end = r.block_begin + eb_at_most(plan->blocking.tile_blocks, plan->group_blocks - r.block_begin);
  r.group = chunk / group_chunks * plan->chunk_groups;
  return r;
}

void eb_bconv2d_run(const eb_bconv2d_plan *plan, const void *persistent, const int32_t *input, void *output,
                    int32_t tile_begin, int32_t tile_end, void *scratch) {
  const memory m = memory_of(plan, persistent, scratch);
  const int in_place = eb_bconv2d_reads_in_place(plan);
  int32_t gathered_pixel = -1, gathered_group = -1;
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    region r = region_of(plan, tile);
    const uint32_t *windows = m.windows;
    if (in_place) windows = (const uint32_t *)input + (size_t)r.pixel_begin * (size_t)plan->words;
    for (const int32_t group_end = r.group + plan->chunk_groups; r.group < group_end; r.group++) {
      if (!in_place && (gathered_pixel != r.pixel_begin || gathered_group != r.group)) {
        eb_bconv2d_gather(plan, (const uint32_t *)input, r.group, r.pixel_begin, r.pixel_end, m.windows);
        gathered_pixel = r.pixel_begin;
        gathered_group = r.group;
      }
      run_region(plan, &r, &m, windows, output);
    }
  }
}
