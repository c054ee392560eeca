/* W1A8 convolution: rows of input are staged (tables made of them) as rows of output need them, kept as long as they
 * are needed, and looked up in by the kernel, block after block.
 */
#include "../core/w1a8_parts.h"

enum { NO_ROW = -1 };

typedef struct {
  char *rows;             /* [slots + 1][row_bytes]; the last one is of padding */
  char *padding;          /* one staged pixel of zero points */
  const char **segments;  /* where the window of a row's first pixel finds its tables */
  int32_t *keys;          /* which row of input (batch * input_height + y) each slot holds */
  int8_t *zero_points;    /* [group_inputs] */
} memory;

static memory memory_of(const eb_w1a8_plan *plan, void *scratch) {
  memory m;
  m.rows = scratch;
  m.padding = m.rows + plan->pixel_offset;
  char *at = m.rows + plan->pointers_offset;
  m.segments = (const char **)(void *)at;
  at += eb_align((size_t)plan->segments * sizeof(char *));
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

/* Sets m->segments for the first window of a row of output, first group. */
static void find_segments(const eb_w1a8_plan *plan, const memory *m, const int8_t *input, int32_t output_row) {
  const eb_window *w = &plan->op.window;
  const int32_t batch = output_row / w->output_height;
  const int64_t top = output_row % w->output_height * w->stride_height - w->pad_top;
  const int32_t row_segments = plan->segments / w->filter_height;
  for (int32_t s = 0; s < plan->segments; s++) {
    const char *row = row_at(plan, m, input, batch, top + (int64_t)(s / row_segments) * w->dilation_height);
    m->segments[s] = row + (size_t)(s % row_segments * w->dilation_width) * plan->pixel_bytes;
  }
}

static void run_blocks(const eb_w1a8_plan *plan, const memory *m, const void *persistent, int32_t output_row,
                       int32_t block_begin, int32_t block_end, int8_t *output) {
  const eb_w1a8_kernel *kernel = plan->kernel;
  const eb_w1a8_transform t = eb_w1a8_transform_of(plan, persistent);
  const int32_t pixels = plan->op.window.output_width;
  const size_t group_bytes = (size_t)plan->tap_tables * (size_t)kernel->table_bytes;
  int32_t at_group = 0;
  for (int32_t block = block_begin; block < block_end; block++) {
    const int32_t group = block / plan->group_blocks, in_group = block % plan->group_blocks * kernel->channel_tile;
    for (int32_t s = 0; group != at_group && s < plan->segments; s++) {
      m->segments[s] += (size_t)(group - at_group) * group_bytes;
    }
    at_group = group;
    const size_t at = (size_t)block * (size_t)kernel->channel_tile;
    const size_t pixel = (size_t)output_row * (size_t)pixels;
    eb_w1a8_block b = {
        .weights = (const char *)persistent + (size_t)block * plan->block_bytes,
        .segments = m->segments,
        .segment_count = (size_t)plan->segments,
        .segment_tables = (size_t)plan->segment_tables,
        .pixel_stride = (size_t)plan->column_step * plan->pixel_bytes,
        .pixel_count = pixels,
        .channels = eb_at_most(plan->group_outputs - in_group, kernel->channel_tile),
        .transform = t,
        .output = output + pixel * (size_t)plan->op.channels_out + (size_t)(group * plan->group_outputs + in_group),
        .output_stride = (size_t)plan->op.channels_out,
    };
    b.transform.magnitude += at;
    b.transform.bias += at;
    if (t.rounding == EB_ROUND_ONCE) {
      b.transform.factor += at;
    } else {
      b.transform.multiplier += at;
      b.transform.left += at;
      b.transform.right += at;
    }
    kernel->run(&b);
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
  const int32_t blocks = plan->op.groups * plan->group_blocks;
  begin(plan, &m);
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    const int32_t row = tile / plan->row_parts, first = tile % plan->row_parts * plan->part_blocks;
    find_segments(plan, &m, input, row);
    run_blocks(plan, &m, persistent, row, first, eb_at_most(first + plan->part_blocks, blocks), output);
  }
}
