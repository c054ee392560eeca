/* Convolution of few input channels: rows of input are staged as rows of output need them, and kept as long as they are
 * needed; windows of a chunk of output pixels are gathered from them, and computed by the kernel, block after block. Where
 * the operation pools, sums of as many rows as the pool's window has are kept, and become outputs once they are pooled. */
#include "../core/conv2d_few_parts.h"

enum { NO_ROW = -1 };

typedef struct {
  char *rows;            /* [slots + 1][row_bytes]; the last one is of padding */
  char *windows;
  char *sums;            /* [sum_rows][sum_row_bytes] */
  const char **segments; /* where the next window's are */
  const void **sum_rows; /* those of a pool's window */
  int32_t *keys;         /* which row of input (batch * input_height + y) each slot holds */
  int32_t *sum_keys;     /* which row of the convolution's output each row of sums holds */
} memory;

static memory memory_of(const eb_conv2d_few_plan *plan, void *scratch) {
  memory m;
  m.rows = scratch;
  m.windows = m.rows + plan->windows_offset;
  m.sums = m.rows + plan->sums_offset;
  char *at = m.rows + plan->keys_offset;
  m.segments = (const char **)(void *)at;
  m.sum_rows = (const void **)(void *)(m.segments + plan->segments);
  m.keys = (int32_t *)(void *)(at + eb_align((size_t)(plan->segments + plan->sum_rows) * sizeof(void *)));
  m.sum_keys = m.keys + plan->slots;
  return m;
}

static void pad(const eb_conv2d_few_plan *plan, char *row, size_t elements) {
  const int32_t value = plan->op.input_zero_point + eb_few_offset(plan);
  if (plan->element_bytes == 1) {
    memset(row, value, elements);
  } else if (plan->kernel->staged == EB_STAGED_FLOAT) {
    memset(row, 0, elements * sizeof(float));
  } else {
    for (size_t i = 0; i < elements; i++) ((int16_t *)(void *)row)[i] = (int16_t)value;
  }
}

/* Inputs of a staged row. */
static size_t row_elements(const eb_conv2d_few_plan *plan) {
  return (plan->row_bytes - EB_FEW_OVERRUN) / (size_t)plan->element_bytes;
}

/* Nothing is held, and what may be read without being there is finite. */
static void begin(const eb_conv2d_few_plan *plan, const memory *m) {
  for (int32_t slot = 0; slot < plan->slots; slot++) m->keys[slot] = NO_ROW;
  for (int32_t row = 0; row < plan->sum_rows; row++) m->sum_keys[row] = NO_ROW;
  memset(m->rows, 0, (size_t)plan->slots * plan->row_bytes);
  memset(m->windows, 0, plan->sums_offset - plan->windows_offset);
  char *padding = m->rows + (size_t)plan->slots * plan->row_bytes;
  memset(padding, 0, plan->row_bytes);
  pad(plan, padding, row_elements(plan));
}

static void stage_row(const eb_conv2d_few_plan *plan, const void *input, int32_t key, char *row) {
  const eb_conv2d_few *op = &plan->op;
  const eb_window *w = &op->window;
  const size_t elements = row_elements(plan), before = (size_t)w->pad_left * (size_t)op->channels_in;
  const size_t all = (size_t)w->input_width * (size_t)op->channels_in;
  const size_t count = before + all < elements ? all : elements - before;
  const size_t bytes = op->input_type == EB_FLOAT32 ? sizeof(float) : 1;
  const eb_conv2d_few_stage stage = {.input = (const char *)input + (size_t)key * all * bytes,
                                     .input_type = op->input_type,
                                     .count = (int32_t)count,
                                     .staged = plan->kernel->staged,
                                     .scale = op->input_scale,
                                     .zero_point = op->input_zero_point,
                                     .to = row + before * (size_t)plan->element_bytes};
  pad(plan, row, before);
  plan->kernel->stage(&stage);
  pad(plan, row + (before + count) * (size_t)plan->element_bytes, elements - before - count);
}

/* The staged row y of the image, made if it is not there. */
static const char *row_at(const eb_conv2d_few_plan *plan, const memory *m, const void *input, int32_t batch, int64_t y) {
  const eb_window *w = &plan->op.window;
  if (y < 0 || y >= w->input_height) return m->rows + (size_t)plan->slots * plan->row_bytes;
  const int32_t slot = (int32_t)y % plan->slots, key = batch * w->input_height + (int32_t)y;
  char *row = m->rows + (size_t)slot * plan->row_bytes;
  if (m->keys[slot] != key) {
    stage_row(plan, input, key, row);
    m->keys[slot] = key;
  }
  return row;
}

/* Sets the segments for the first window of a row of the convolution's output. */
static void find_segments(const eb_conv2d_few_plan *plan, const memory *m, const void *input, int32_t batch, int32_t row) {
  const eb_window *w = &plan->op.window;
  const int64_t top = (int64_t)row * w->stride_height - w->pad_top;
  const int32_t of_row = plan->segments / w->filter_height;
  const size_t step = (size_t)(w->dilation_width * plan->op.channels_in * plan->element_bytes);
  for (int32_t s = 0; s < plan->segments; s++) {
    const char *staged = row_at(plan, m, input, batch, top + (int64_t)(s / of_row) * w->dilation_height);
    m->segments[s] = staged + (size_t)(s % of_row) * step;
  }
}

static eb_conv2d_few_transform transform_of(const eb_conv2d_few_plan *plan, const void *persistent, int32_t channel) {
  const eb_conv2d_few *op = &plan->op;
  const int32_t *arrays[EB_FEW_ARRAYS];
  for (int32_t a = 0; a < EB_FEW_ARRAYS; a++) arrays[a] = eb_few_array(plan, persistent, a);
  return (eb_conv2d_few_transform){.type = op->type,
                                   .output_type = op->output_type,
                                   .multiplier = arrays[1] + channel,
                                   .left = arrays[2] + channel,
                                   .right = arrays[3] + channel,
                                   .addend = arrays[4] + channel,
                                   .narrow = arrays[5][plan->padded_channels],
                                   .threshold = arrays[5] + channel,
                                   .zero_point = op->output_zero_point,
                                   .min = op->output_min,
                                   .max = op->output_max,
                                   .float_min = op->float_min,
                                   .float_max = op->float_max};
}

/* From pixel to pixel of the output, in elements; packed: in bytes. */
static size_t output_stride(const eb_conv2d_few *op) {
  if (op->output_type != EB_PACKED) return (size_t)op->channels_out;
  return (size_t)eb_packed_words(op->channels_out) * sizeof(uint32_t);
}

static size_t output_bytes(const eb_conv2d_few *op) { return op->output_type == EB_FLOAT32 ? sizeof(float) : 1; }

/* One row of the convolution's output, or of its sums. */
static void run_row(const eb_conv2d_few_plan *plan, const memory *m, const void *persistent, const void *input,
                    int32_t batch, int32_t row, char *sums, char *output) {
  const eb_conv2d_few *op = &plan->op;
  const eb_conv2d_few_kernel *kernel = plan->kernel;
  const size_t stride = output_stride(op), bytes = output_bytes(op);
  const int32_t columns = op->window.output_width;
  find_segments(plan, m, input, batch, row);
  for (int32_t first = 0; first < columns; first += plan->chunk) {
    const int32_t count = eb_at_most(plan->chunk, columns - first);
    const eb_conv2d_few_gather gather = {m->segments, plan->segments,     plan->segment_bytes, plan->pixel_bytes,
                                         plan->window_bytes, count, m->windows};
    kernel->gather(&gather);
    for (int32_t s = 0; s < plan->segments; s++) m->segments[s] += (size_t)count * plan->pixel_bytes;
    for (int32_t block = 0; block < plan->blocks; block++) {
      const int32_t channel = block * kernel->channel_tile;
      const size_t at = op->output_type == EB_PACKED ? (size_t)channel / 8 : (size_t)channel * bytes;
      const eb_conv2d_few_block b = {
          .weights = (const char *)persistent + (size_t)block * plan->block_bytes,
          .windows = m->windows,
          .window_bytes = plan->window_bytes,
          .groups = (int32_t)(plan->window_bytes / (size_t)(kernel->input_group * plan->element_bytes)),
          .pixel_count = count,
          .channels = eb_at_most(kernel->channel_tile, op->channels_out - channel),
          .bias = (const int32_t *)eb_few_array(plan, persistent, 0) + channel,
          .sums = sums == NULL ? NULL : (int32_t *)(void *)sums + (size_t)first * (size_t)plan->padded_channels + channel,
          .sum_stride = (size_t)plan->padded_channels,
          .transform = transform_of(plan, persistent, channel),
          .output = output == NULL ? NULL : output + (size_t)first * stride * bytes + at,
          .output_stride = stride};
      kernel->run(&b);
    }
  }
}

/* One row of the pool's output. */
static void pool_row(const eb_conv2d_few_plan *plan, const memory *m, const void *persistent, const void *input,
                     int32_t batch, int32_t row, char *output) {
  const eb_window *w = &plan->pool;
  const int64_t top = (int64_t)row * w->stride_height - w->pad_top;
  const int32_t begin = (int32_t)(top < 0 ? 0 : top);
  const int32_t end = (int32_t)(top + w->filter_height < w->input_height ? top + w->filter_height : w->input_height);
  for (int32_t y = begin; y < end; y++) {
    const int32_t slot = y % plan->sum_rows, key = batch * w->input_height + y;
    char *sums = m->sums + (size_t)slot * plan->sum_row_bytes;
    m->sum_rows[y - begin] = sums;
    if (m->sum_keys[slot] == key) continue;
    run_row(plan, m, persistent, input, batch, y, sums, NULL);
    m->sum_keys[slot] = key;
  }
  const eb_conv2d_few_pool pool = {.rows = m->sum_rows,
                                   .row_count = end - begin,
                                   .columns = w->input_width,
                                   .width = w->filter_width,
                                   .stride = w->stride_width,
                                   .pad_left = w->pad_left,
                                   .pixel_count = w->output_width,
                                   .channels = plan->op.channels_out,
                                   .sum_stride = (size_t)plan->padded_channels,
                                   .transform = transform_of(plan, persistent, 0),
                                   .output = output,
                                   .output_stride = output_stride(&plan->op)};
  plan->kernel->pool(&pool);
}

void eb_conv2d_few_run(const eb_conv2d_few_plan *plan, const void *persistent, const void *input, void *output,
                       int32_t tile_begin, int32_t tile_end, void *scratch) {
  EB_REQUIRE(eb_is_aligned(scratch));
  const memory m = memory_of(plan, scratch);
  begin(plan, &m);
  eb_conv2d_few_resume(plan, persistent, input, output, tile_begin, tile_end, scratch);
}

void eb_conv2d_few_resume(const eb_conv2d_few_plan *plan, const void *persistent, const void *input, void *output,
                          int32_t tile_begin, int32_t tile_end, void *scratch) {
  EB_REQUIRE(0 <= tile_begin && tile_begin <= tile_end && tile_end <= plan->tiles);
  EB_REQUIRE(eb_is_aligned(persistent) && eb_is_aligned(scratch) && input != NULL && output != NULL);
  const eb_conv2d_few *op = &plan->op;
  const memory m = memory_of(plan, scratch);
  const size_t row_bytes = (size_t)plan->pool.output_width * output_stride(op) * output_bytes(op);
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    const int32_t batch = tile / plan->pool.output_height, row = tile % plan->pool.output_height;
    char *to = (char *)output + (size_t)tile * row_bytes;
    if (op->output_type == EB_PACKED && op->channels_out % 32 != 0) memset(to, 0, row_bytes);
    if (op->pools) {
      pool_row(plan, &m, persistent, input, batch, row, to);
    } else {
      run_row(plan, &m, persistent, input, batch, row, NULL, to);
    }
  }
}
