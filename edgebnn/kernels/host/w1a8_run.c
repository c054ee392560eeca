/* W1A8 convolution: rows of input are staged (tables made of them) as rows of output need them, kept as long as they
 * are needed, and looked up in by the kernel, block after block, for all rows of a tile. Where the kernel wants weights
 * expanded, they too are kept as long as there is room.
 */
#include "../core/w1a8_parts.h"

enum { NOTHING = -1 };

typedef struct {
  char *rows;             /* [slots + 1][row_bytes]; the last one is of padding */
  char *padding;          /* one staged pixel of zero points */
  char *expanded;         /* [expanded_slots][expanded_bytes] */
  const char **segments;  /* [tile_rows][segments]: where the window of a row's first pixel finds its tables */
  int32_t *keys;          /* which row of input (batch * input_height + y) each slot holds */
  int32_t *blocks;        /* which block each slot of expanded weights holds */
  int8_t *zero_points;    /* [group_inputs] */
} memory;

static memory memory_of(const eb_w1a8_plan *plan, void *scratch) {
  memory m;
  m.rows = scratch;
  m.padding = m.rows + plan->pixel_offset;
  m.expanded = m.rows + plan->expanded_offset;
  char *at = m.rows + plan->pointers_offset;
  m.segments = (const char **)(void *)at;
  at += eb_align((size_t)plan->tile_rows * (size_t)plan->segments * sizeof(char *));
  m.keys = (int32_t *)(void *)at;
  at += eb_align((size_t)plan->slots * sizeof(int32_t));
  m.blocks = (int32_t *)(void *)at;
  m.zero_points = (int8_t *)(at + eb_align((size_t)plan->expanded_slots * sizeof(int32_t)));
  return m;
}

/* Neighbouring pixels of all groups, next_pixel and next_group bytes apart. */
static void stage_pixels(const eb_w1a8_plan *plan, const int8_t *input, size_t next_pixel, size_t next_group,
                         int32_t count, char *staged) {
  eb_w1a8_pixels pixels = {input, staged, next_pixel, plan->pixel_bytes, plan->group_inputs, count};
  for (int32_t group = 0; group < plan->op.groups; group++) {
    plan->kernel->stage(&pixels);
    pixels.input += next_group;
    pixels.tables += (size_t)plan->tap_tables * (size_t)plan->kernel->table_bytes;
  }
}

static void begin_memory(const eb_w1a8_plan *plan, const memory *m) {
  for (int32_t slot = 0; slot < plan->slots; slot++) m->keys[slot] = NOTHING;
  for (int32_t slot = 0; slot < plan->expanded_slots; slot++) m->blocks[slot] = NOTHING;
  if (plan->op.window.padding != EB_PADDING_SAME) return;
  memset(m->zero_points, plan->op.input_zero_point, (size_t)plan->group_inputs);
  stage_pixels(plan, m->zero_points, 0, 0, 1, m->padding);
  char *row = m->rows + (size_t)plan->slots * plan->row_bytes;
  for (int32_t i = 0; i < plan->columns; i++) memcpy(row + (size_t)i * plan->pixel_bytes, m->padding, plan->pixel_bytes);
}

/* `count` staged columns: those of input x, x + step, ..., or of padding. pixels: a row of input. */
static void stage_columns(const eb_w1a8_plan *plan, const memory *m, const int8_t *pixels, int32_t x, int32_t step,
                          int32_t count, char *row) {
  const size_t channels = (size_t)plan->op.channels_in;
  int32_t i = 0;
  for (; i < count && x < 0; i++, x += step) memcpy(row + (size_t)i * plan->pixel_bytes, m->padding, plan->pixel_bytes);
  const int32_t width = plan->op.window.input_width;
  const int32_t inside = x >= width ? 0 : eb_at_most(eb_ceil_div(width - x, step), count - i);
  if (inside > 0) {
    stage_pixels(plan, pixels + (size_t)x * channels, (size_t)step * channels, (size_t)plan->group_inputs, inside,
                 row + (size_t)i * plan->pixel_bytes);
  }
  for (i += inside; i < count; i++) memcpy(row + (size_t)i * plan->pixel_bytes, m->padding, plan->pixel_bytes);
}

/* `pixels`: a row of input. Where the stride is wider than the window, columns between windows are left out. */
static void stage_row(const eb_w1a8_plan *plan, const memory *m, const int8_t *pixels, char *row) {
  const eb_window *w = &plan->op.window;
  const int32_t step = plan->column_step, stride = w->stride_width;
  if (step == stride || step == 1) {
    stage_columns(plan, m, pixels, -w->pad_left, step == stride ? 1 : stride, plan->columns, row);
    return;
  }
  for (int32_t i = 0, x = -w->pad_left; i < plan->columns; i += step, x += stride) {
    stage_columns(plan, m, pixels, x, 1, eb_at_most(step, plan->columns - i), row + (size_t)i * plan->pixel_bytes);
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

/* Sets the segments for the first window of each of the region's rows, first group. */
static void find_segments(const eb_w1a8_plan *plan, const memory *m, const int8_t *input, const region *r) {
  const eb_window *w = &plan->op.window;
  const int32_t batch = r->row_begin / w->output_height, row_segments = plan->segments / w->filter_height;
  int64_t top = (int64_t)(r->row_begin - batch * w->output_height) * w->stride_height - w->pad_top;
  const char **segments = m->segments;
  for (int32_t row = r->row_begin; row < r->row_end; row++, top += w->stride_height) {
    for (int32_t fy = 0; fy < w->filter_height; fy++) {
      const char *at = row_at(plan, m, input, batch, top + (int64_t)fy * w->dilation_height);
      for (int32_t fx = 0; fx < row_segments; fx++) {
        *segments++ = at + (size_t)(fx * w->dilation_width) * plan->pixel_bytes;
      }
    }
  }
}

/* The weights of a block as the kernel reads them. */
static const char *weights_of(const eb_w1a8_plan *plan, const memory *m, const void *persistent, int32_t block) {
  const char *packed = (const char *)persistent + (size_t)block * plan->block_bytes;
  if (plan->expanded_slots == 0) return packed;
  const int32_t slot = block % plan->expanded_slots;
  char *expanded = m->expanded + (size_t)slot * plan->expanded_bytes;
  if (m->blocks[slot] != block) {
    const size_t lane_bytes = (size_t)(plan->kernel->channel_tile * plan->kernel->expanded_bytes);
    plan->kernel->expand(packed, plan->expanded_bytes / lane_bytes, expanded);
    m->blocks[slot] = block;
  }
  return expanded;
}

/* Whether the rows, neighbours in memory too, are the same as one long row: as with 1x1 filters, where rows have no ends. */
static int is_one_row(const eb_w1a8_plan *plan, const char *const *segments, int32_t rows, size_t row_bytes) {
  int32_t together = 1;
  if (plan->segments > 1) return 0;
  while (together < rows && segments[together] == segments[together - 1] + row_bytes) together++;
  return together == rows;
}

typedef struct {
  const eb_w1a8_plan *plan;
  const void *persistent;
  int8_t *output;
  memory memory;
  eb_w1a8_transform all; /* channels' */
  eb_w1a8_block block;   /* what the kernel is told: much of it stays the same through a run */
} convolution;

static void begin_convolution(convolution *conv, const eb_output_steps *steps) {
  const eb_w1a8_plan *plan = conv->plan;
  eb_w1a8_block *b = &conv->block;
  conv->all = eb_w1a8_transform_of(plan, conv->persistent);
  b->segments = conv->memory.segments;
  b->segment_count = (size_t)plan->segments;
  b->segment_tables = (size_t)plan->segment_tables;
  b->pixel_stride = (size_t)plan->column_step * plan->pixel_bytes;
  b->block_bytes = plan->block_bytes;
  b->output_stride = (size_t)plan->op.channels_out;
  b->steps = NULL;
  if (steps != NULL) {
    b->steps = steps->count > 0 ? steps : NULL;
    if (steps->output_stride != 0) b->output_stride = steps->output_stride;
  }
  b->transform.rounding = conv->all.rounding;
  b->transform.guard = conv->all.guard;
  b->transform.scale = b->transform.offset = NULL;
  b->transform.zero_point = conv->all.zero_point;
  b->transform.min = conv->all.min;
  b->transform.max = conv->all.max;
  b->transform.multiplier = b->transform.left = b->transform.right = NULL;
  b->transform.factor = NULL;
}

/* Aims the transform at the channels of a block, the first of which is the at-th in the arrays. */
static void aim(convolution *conv, size_t at) {
  eb_w1a8_transform *t = &conv->block.transform;
  t->magnitude = conv->all.magnitude + at;
  t->bias = conv->all.bias + at;
  if (t->guard > 0.0f) t->scale = conv->all.scale + at, t->offset = conv->all.offset + at;
  if (t->rounding == EB_ROUND_ONCE) {
    t->factor = conv->all.factor + at;
  } else {
    t->multiplier = conv->all.multiplier + at;
    t->left = conv->all.left + at;
    t->right = conv->all.right + at;
  }
}

static void run_region(convolution *conv, const region *r) {
  const eb_w1a8_plan *plan = conv->plan;
  eb_w1a8_block *b = &conv->block;
  const int32_t rows = r->row_end - r->row_begin, tile = plan->kernel->channel_tile;
  const size_t group_bytes = (size_t)plan->tap_tables * (size_t)plan->kernel->table_bytes;
  const size_t width = (size_t)plan->op.window.output_width;
  const int one = is_one_row(plan, b->segments, rows, width * b->pixel_stride);
  int8_t *output = conv->output + (size_t)r->row_begin * width * b->output_stride;
  b->first_pixel = (int64_t)r->row_begin * plan->op.window.output_width;
  b->row_count = one ? 1 : rows;
  b->pixel_count = one ? rows * plan->op.window.output_width : plan->op.window.output_width;
  int32_t at_group = 0, group = r->block_begin / plan->group_blocks, in_group = r->block_begin % plan->group_blocks;
  const int32_t most = plan->kernel->single_blocks && rows * plan->op.window.output_width == 1 ? plan->group_blocks : 1;
  for (int32_t block = r->block_begin, blocks; block < r->block_end; block += blocks, in_group += blocks) {
    if (in_group == plan->group_blocks) group++, in_group = 0;
    blocks = eb_at_most(eb_at_most(most, plan->group_blocks - in_group), r->block_end - block);
    for (int32_t s = 0; group != at_group && s < rows * plan->segments; s++) {
      conv->memory.segments[s] += (size_t)(group - at_group) * group_bytes;
    }
    at_group = group;
    aim(conv, (size_t)block * (size_t)tile);
    b->weights = weights_of(plan, &conv->memory, conv->persistent, block);
    b->channels = eb_at_most(plan->group_outputs - in_group * tile, blocks * tile);
    b->first_channel = group * plan->group_outputs + in_group * tile;
    b->output = output + b->first_channel;
    plan->kernel->run(b);
  }
}

void eb_w1a8_run(const eb_w1a8_plan *plan, const void *persistent, const int8_t *input, const eb_output_steps *steps,
                 int8_t *output, int32_t tile_begin, int32_t tile_end, void *scratch) {
  EB_REQUIRE(eb_is_aligned(scratch));
  if (!plan->op.depthwise) {
    const memory m = memory_of(plan, scratch);
    begin_memory(plan, &m);
  }
  eb_w1a8_resume(plan, persistent, input, steps, output, tile_begin, tile_end, scratch);
}

void eb_w1a8_resume(const eb_w1a8_plan *plan, const void *persistent, const int8_t *input, const eb_output_steps *steps,
                    int8_t *output, int32_t tile_begin, int32_t tile_end, void *scratch) {
  EB_REQUIRE(0 <= tile_begin && tile_begin <= tile_end && tile_end <= plan->tiles);
  EB_REQUIRE(eb_is_aligned(persistent) && eb_is_aligned(scratch) && input != NULL && output != NULL);
  if (plan->op.depthwise) {
    EB_REQUIRE(steps == NULL);
    const eb_w1a8_depthwise rows = {plan, persistent, input, output, tile_begin, tile_end, scratch};
    plan->kernel->depthwise(&rows);
    return;
  }
  convolution conv;
  conv.plan = plan;
  conv.persistent = persistent;
  conv.output = output;
  conv.memory = memory_of(plan, scratch);
  begin_convolution(&conv, steps);
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    region r = region_of(plan, tile);
    while (tile + 1 < tile_end) { /* the next one too, if it is of the same rows */
      const region next = region_of(plan, tile + 1);
      if (next.row_begin != r.row_begin || next.block_begin != r.block_end) break;
      r.block_end = next.block_end;
      tile++;
    }
    find_segments(plan, &conv.memory, input, &r);
    run_region(&conv, &r);
  }
}
