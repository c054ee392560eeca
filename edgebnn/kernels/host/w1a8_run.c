/* W1A8 convolution: rows of input are staged (tables made of them) as rows of output need them, kept as long as they
 * are needed, and looked up in by the kernel, block after block, for all rows of a tile.
 */
#include "../core/w1a8_parts.h"

enum { NO_ROW = -1 };

typedef struct {
  char *rows;             /* [slots + 1][row_bytes]; the last one is of padding */
  char *padding;          /* one staged pixel of zero points */
  const char **segments;  /* [tile_rows][segments]: where the window of a row's first pixel finds its tables */
  int32_t *keys;          /* which row of input (batch * input_height + y) each slot holds */
  int8_t *zero_points;    /* [group_inputs] */
} memory;

static memory memory_of(const eb_w1a8_plan *plan, void *scratch) {
  memory m;
  m.rows = scratch;
  m.padding = m.rows + plan->pixel_offset;
  char *at = m.rows + plan->pointers_offset;
  m.segments = (const char **)(void *)at;
  at += eb_align((size_t)plan->tile_rows * (size_t)plan->segments * sizeof(char *));
  m.keys = (int32_t *)(void *)at;
  m.zero_points = (int8_t *)(at + eb_align((size_t)plan->slots * sizeof(int32_t)));
  return m;
}

static void stage_pixel(const eb_w1a8_plan *plan, const int8_t *pixel, size_t next_group, char *staged) {
  const size_t bytes = (size_t)plan->tap_tables * (size_t)plan->kernel->table_bytes;
  for (int32_t group = 0; group < plan->op.groups; group++, pixel += next_group, staged += bytes) {
    plan->kernel->stage(pixel, plan->group_inputs, staged);
  }
}

static void begin(const eb_w1a8_plan *plan, const memory *m) {
  for (int32_t slot = 0; slot < plan->slots; slot++) m->keys[slot] = NO_ROW;
  if (plan->op.window.padding != EB_PADDING_SAME) return;
  memset(m->zero_points, plan->op.input_zero_point, (size_t)plan->group_inputs);
  stage_pixel(plan, m->zero_points, 0, m->padding);
  char *row = m->rows + (size_t)plan->slots * plan->row_bytes;
  for (int32_t i = 0; i < plan->columns; i++) memcpy(row + (size_t)i * plan->pixel_bytes, m->padding, plan->pixel_bytes);
}

/* `pixels`: a row of input. Where the stride is wider than the window, columns between windows are left out. */
static void stage_row(const eb_w1a8_plan *plan, const memory *m, const int8_t *pixels, char *row) {
  const eb_window *w = &plan->op.window;
  for (int32_t i = 0; i < plan->columns; i++, row += plan->pixel_bytes) {
    const int32_t skipped = i / plan->column_step * (w->stride_width - plan->column_step);
    const int32_t x = i + (plan->column_step < w->stride_width ? skipped : 0) - w->pad_left;
    if (x < 0 || x >= w->input_width) {
      memcpy(row, m->padding, plan->pixel_bytes);
    } else {
      stage_pixel(plan, pixels + (size_t)x * (size_t)plan->op.channels_in, (size_t)plan->group_inputs, row);
    }
  }
}

/* The staged row y of the image, made if it is not there. */
static const char *row_at(const eb_w1a8_plan *plan, const memory *m, const int8_t *input, int32_t batch, int64_t y) {
  const eb_window *w = &plan->op.window;
  if (y < 0 || y >= w->input_height) return m->rows + (size_t)plan->slots * plan->row_bytes;
  const int32_t slot = (int32_t)y % plan->slots, key = batch * w->input_height + (int32_t)y;
  char *row = m->rows + (size_t)slot * plan->row_bytes;
  if (m->keys[slot] != key) {
    stage_row(plan, m, input + (size_t)key * (size_t)w->input_width * (size_t)plan->op.channels_in, row);
    m->keys[slot] = key;
  }
  return row;
}

/* Sets the segments for the first window of a row of output, first group. */
static void find_segments(const eb_w1a8_plan *plan, const memory *m, const int8_t *input, int32_t output_row,
                          const char **segments) {
  const eb_window *w = &plan->op.window;
  const int32_t batch = output_row / w->output_height;
  const int64_t top = output_row % w->output_height * w->stride_height - w->pad_top;
  const int32_t row_segments = plan->segments / w->filter_height;
  for (int32_t s = 0; s < plan->segments; s++) {
    const char *row = row_at(plan, m, input, batch, top + (int64_t)(s / row_segments) * w->dilation_height);
    segments[s] = row + (size_t)(s % row_segments * w->dilation_width) * plan->pixel_bytes;
  }
}

/* What a tile writes: rows of output, all of one image, by blocks of channels. */
typedef struct {
  int32_t row_begin, row_end;
  int32_t block_begin, block_end;
} region;

static region region_of(const eb_w1a8_plan *plan, int32_t tile) {
  const int32_t height = plan->op.window.output_height, image_tiles = plan->row_tiles / plan->op.window.batches;
  const int weights_stay = plan->order == EB_WEIGHT_STATIONARY;
  const int32_t part = weights_stay ? tile / plan->row_tiles : tile % plan->row_parts;
  const int32_t rows = weights_stay ? tile % plan->row_tiles : tile / plan->row_parts;
  region r;
  r.row_begin = rows / image_tiles * height + rows % image_tiles * plan->tile_rows;
  r.row_end = eb_at_most(r.row_begin + plan->tile_rows, (rows / image_tiles + 1) * height);
  r.block_begin = part * plan->part_blocks;
  r.block_end = eb_at_most(r.block_begin + plan->part_blocks, plan->op.groups * plan->group_blocks);
  return r;
}

/* The block without its pixels and their output. */
static eb_w1a8_block block_of(const eb_w1a8_plan *plan, const void *persistent, int32_t block) {
  const int32_t tile = plan->kernel->channel_tile;
  const size_t at = (size_t)block * (size_t)tile;
  eb_w1a8_block b = {
      .weights = (const char *)persistent + (size_t)block * plan->block_bytes,
      .segment_count = (size_t)plan->segments,
      .segment_tables = (size_t)plan->segment_tables,
      .pixel_stride = (size_t)plan->column_step * plan->pixel_bytes,
      .pixel_count = plan->op.window.output_width,
      .channels = eb_at_most(plan->group_outputs - block % plan->group_blocks * tile, tile),
      .transform = eb_w1a8_transform_of(plan, persistent),
      .output_stride = (size_t)plan->op.channels_out,
  };
  b.transform.magnitude += at;
  b.transform.bias += at;
  if (b.transform.rounding == EB_ROUND_ONCE) {
    b.transform.factor += at;
  } else {
    b.transform.multiplier += at;
    b.transform.left += at;
    b.transform.right += at;
  }
  return b;
}

static void run_region(const eb_w1a8_plan *plan, const memory *m, const void *persistent, const region *r,
                       int8_t *output) {
  const int32_t rows = r->row_end - r->row_begin;
  const size_t row_outputs = (size_t)plan->op.window.output_width * (size_t)plan->op.channels_out;
  const size_t group_bytes = (size_t)plan->tap_tables * (size_t)plan->kernel->table_bytes;
  output += (size_t)r->row_begin * row_outputs;
  int32_t at_group = 0;
  for (int32_t block = r->block_begin; block < r->block_end; block++) {
    const int32_t group = block / plan->group_blocks, in_group = block % plan->group_blocks;
    for (int32_t s = 0; group != at_group && s < rows * plan->segments; s++) {
      m->segments[s] += (size_t)(group - at_group) * group_bytes;
    }
    at_group = group;
    eb_w1a8_block b = block_of(plan, persistent, block);
    const int32_t first = group * plan->group_outputs + in_group * plan->kernel->channel_tile;
    for (int32_t row = 0; row < rows; row++) {
      b.segments = m->segments + (size_t)row * (size_t)plan->segments;
      b.output = output + (size_t)row * row_outputs + (size_t)first;
      plan->kernel->run(&b);
    }
  }
}

void eb_w1a8_run(const eb_w1a8_plan *plan, const void *persistent, const int8_t *input, int8_t *output,
                 int32_t tile_begin, int32_t tile_end, void *scratch) {
  EB_REQUIRE(0 <= tile_begin && tile_begin <= tile_end && tile_end <= plan->tiles);
  EB_REQUIRE(eb_is_aligned(persistent) && eb_is_aligned(scratch) && input != NULL && output != NULL);
  if (plan->op.depthwise) {
    const eb_w1a8_depthwise rows = {plan, persistent, input, output, tile_begin, tile_end, scratch};
    plan->kernel->depthwise(&rows);
    return;
  }
  const memory m = memory_of(plan, scratch);
  begin(plan, &m);
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    const region r = region_of(plan, tile);
    for (int32_t row = r.row_begin; row < r.row_end; row++) {
      find_segments(plan, &m, input, row, m.segments + (size_t)(row - r.row_begin) * (size_t)plan->segments);
    }
    run_region(plan, &m, persistent, &r, output);
  }
}
