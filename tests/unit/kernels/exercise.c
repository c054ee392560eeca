/* Every kernel over a grid of geometries, for sanitizers: each buffer is allocated by itself and to the byte, so that a
 * step outside is caught; scratch and outputs start as garbage, and outputs have guard words around them. Outputs are
 * those of the reference.
 */
#include "exercise.h"
#include "int8_scale.h"
#include "int8_sum.h"
#include "reference.h"
#include "rows_block.h"

enum { GUARD = 4 }; /* outputs are aligned to an element, and to no more */

static const float lowest = -40.0f, highest = 70.5f;
static const eb_int8_sum sum = {700, -500, 300, 10, -100, 110};

static void fail(const char *what, const eb_bconv2d *op) {
  const eb_window *w = &op->window;
  printf("%s: %dx%dx%d in %d groups to %d, filter %dx%d, stride %d, dilation %d, padding %d with %d, output %d\n", what,
         (int)w->input_height, (int)w->input_width, (int)op->channels_in, (int)op->groups, (int)op->channels_out,
         (int)w->filter_height, (int)w->filter_width, (int)w->stride_height, (int)w->dilation_height, (int)w->padding,
         (int)op->pad_value, (int)op->output_type);
  exit(1);
}

/* Whether two tensors of a convolution's output are equal, but for the sign of a float's zero. */
static int are_equal(const eb_bconv2d *op, const void *a, const void *b, size_t bytes) {
  if (op->output_type != EB_FLOAT32) return memcmp(a, b, bytes) == 0;
  const float *x = a, *y = b;
  for (size_t i = 0; i < bytes / sizeof(float); i++) {
    if (x[i] != y[i]) return 0;
  }
  return 1;
}

/* By the blocking of the kernel's choice, or by a schedule. */
static eb_status plan_some_way(const eb_bconv2d *op, const eb_bconv2d_kernel *kernel, eb_bconv2d_plan *plan) {
  if (draw() % 2 == 0) return eb_bconv2d_plan_make(op, kernel->name, eb_cpu_features(), plan);
  const eb_schedule schedule = draw_schedule(kernel->name, kernel->orders, 1);
  return eb_bconv2d_plan_schedule(op, &schedule, eb_cpu_features(), plan);
}

/* What steps make of the output, with so many channels: they add x, and then clamp the sum, or add x to it again where it is
 * int8; from three on such sums are behind and in front of scales. */
static void apply(int steps, int32_t type, const void *x, const eb_int8_scale *scale, const int32_t *constants, void *y,
                  size_t count) {
  for (size_t i = 0; i < count && steps > 0; i++) {
    if (type == EB_INT8) {
      int8_t *value = (int8_t *)y + i;
      for (int s = 0; s < steps; s++) {
        *value = steps > 2 && s != 1 ? eb_int8_scale_of(scale, constants + i % (size_t)scale->channels, *value)
                                     : eb_int8_sum_of(&sum, *value, ((const int8_t *)x)[i]);
      }
      continue;
    }
    float *value = (float *)y + i;
    *value += ((const float *)x)[i];
    if (steps > 1) *value = *value < lowest ? lowest : *value > highest ? highest : *value;
  }
}

/* Some of all channels. */
static int32_t *draw_scale(int32_t channels, eb_int8_scale *scale) {
  int32_t *constants = allocate(EB_SCALE_PLANES * (size_t)channels * sizeof *constants);
  for (int32_t i = 0; i < EB_SCALE_PLANES * channels; i++) constants[i] = (int32_t)(draw() % 200000) - 100000;
  for (int32_t c = 0; c < channels; c++) constants[c] = (int32_t)(draw() % 258) - 128;
  *scale = (eb_int8_scale){.shift = 16, .low = -120, .high = 125, .channels = channels};
  return constants;
}

/* step_count: of steps that add a tensor, which lies where the output will (a second one reads it elsewhere), and more. */
static void check_bconv2d(const eb_bconv2d *op, const eb_bconv2d_kernel *kernel, int step_count) {
  eb_bconv2d_plan plan;
  const eb_status status = plan_some_way(op, kernel, &plan);
  if (status == EB_EMPTY_OUTPUT || status == EB_UNSUPPORTED || status == EB_CPU_LACKS_KERNEL) return;
  if (status == EB_BAD_SCHEDULE && kernel->orders == EB_ROW_STATIONARY) return; /* its rows are too long, say */
  if (status != EB_OK) fail(eb_status_name(status), op);
  op = &plan.op;
  const eb_window *w = &op->window;
  const int32_t depth = op->channels_in / op->groups;
  const size_t taps = (size_t)op->channels_out * (size_t)w->filter_height * (size_t)w->filter_width;
  const size_t pixels = (size_t)w->batches * (size_t)w->output_height * (size_t)w->output_width;
  int32_t *input = draw_signs((size_t)w->batches * (size_t)w->input_height * (size_t)w->input_width, op->channels_in);
  int32_t *filter = draw_signs(taps, depth);
  float *multiplier = allocate((size_t)op->channels_out * sizeof(float));
  float *bias = allocate((size_t)op->channels_out * sizeof(float));
  int32_t *threshold = allocate((size_t)op->channels_out * sizeof(int32_t));
  for (int32_t c = 0; c < op->channels_out; c++) {
    multiplier[c] = (float)(int32_t)draw() / (float)(1 << 30);
    bias[c] = (float)(int32_t)draw() / (float)(1 << 26);
    threshold[c] = w->filter_height * w->filter_width * depth / 2 + (int32_t)(draw() % 5) - 2;
  }
  const size_t row = op->output_type == EB_FLOAT32 ? (size_t)op->channels_out * sizeof(float)
                     : op->output_type == EB_INT8  ? (size_t)op->channels_out
                                                   : (size_t)eb_packed_words(op->channels_out) * sizeof(int32_t);
  unsigned char *output = allocate(pixels * row + 2 * GUARD), *expected = allocate(pixels * row);
  memset(output, 0xA5, pixels * row + 2 * GUARD);
  unsigned char *raw_persistent, *raw_scratch;
  void *persistent = allocate_aligned(plan.persistent_bytes, &raw_persistent);
  void *scratch = allocate_aligned(plan.scratch_bytes, &raw_scratch);

  const int is_int8 = op->output_type == EB_INT8;
  unsigned char *tensor = allocate(pixels * row);
  for (size_t i = 0; step_count > 0 && i < pixels * (size_t)op->channels_out; i++) {
    if (is_int8) {
      ((int8_t *)tensor)[i] = (int8_t)(draw() % 256 - 128);
    } else {
      ((float *)(void *)tensor)[i] = (float)(draw() % 99);
    }
  }
  if (step_count > 0) memcpy(output + GUARD, tensor, pixels * row);
  eb_step added = {.kind = is_int8 ? EB_STEP_SUM : EB_STEP_ADD, .stride = (size_t)op->channels_out, .rows = 1, .sum = &sum};
  eb_int8_scale scale;
  int32_t *scales = draw_scale(op->channels_out, &scale);
  const eb_step scaled = {.kind = EB_STEP_SCALE, .operand = scales, .rows = 1, .scale = &scale};
  eb_output_steps all = {.count = step_count};
  added.operand = output + GUARD;
  all.step[0] = added;
  added.operand = tensor;
  all.step[1] = is_int8 ? added : (eb_step){.kind = EB_STEP_CLAMP, .low = lowest, .high = highest, .rows = 1};
  if (step_count > 2) {
    all.step[1] = all.step[0];
    all.step[0] = all.step[2] = scaled;
  }
  const eb_bconv2d_constants constants = {filter, multiplier, bias, threshold};
  eb_bconv2d_reference(op, &constants, input, NULL, expected);
  apply(step_count, op->output_type, tensor, &scale, scales, expected, pixels * (size_t)op->channels_out);

  eb_bconv2d_prepare(&plan, filter, multiplier, bias, threshold, persistent);
  const int32_t middle = plan.tiles / 2;
  const eb_output_steps *steps = step_count > 0 ? &all : NULL;
  eb_bconv2d_run(&plan, persistent, input, steps, output + GUARD, middle, plan.tiles, scratch);
  eb_bconv2d_run(&plan, persistent, input, steps, output + GUARD, 0, middle, scratch);
  if (!are_equal(op, output + GUARD, expected, pixels * row)) fail("wrong output", op);
  for (size_t i = 0; i < GUARD; i++) {
    if (output[i] != 0xA5 || output[GUARD + pixels * row + i] != 0xA5) fail("wrote outside its output", op);
  }
  free(input);
  free(filter);
  free(multiplier);
  free(bias);
  free(threshold);
  free(tensor);
  free(scales);
  free(output);
  free(expected);
  free(raw_persistent);
  free(raw_scratch);
}

static void check_bconv2ds(const eb_bconv2d_kernel *kernel) {
  static const struct { int32_t groups, in, out; } channels[] = {
      {1, 1, 1}, {1, 32, 8}, {1, 33, 40}, {1, 300, 2}, {2, 64, 6}, {3, 96, 36}, {2, 128, 48}};
  static const int32_t sizes[][2] = {{1, 1}, {4, 7}, {6, 5}};
  static const int32_t filters[][2] = {{1, 1}, {3, 3}, {2, 4}};
  static const int32_t types[] = {EB_FLOAT32, EB_INT8, EB_PACKED};
  static const int32_t paddings[][2] = {{EB_PADDING_VALID, 1}, {EB_PADDING_SAME, 1}, {EB_PADDING_SAME, 0}};
  for (int i = 0; i < 7 * 3 * 3 * 3 * 3 * 4; i++) {
    int n = i;
    const int c = n % 7, s = (n /= 7) % 3, f = (n /= 3) % 3, t = (n /= 3) % 3, p = (n /= 3) % 3, d = n / 3;
    const eb_bconv2d op = {{2, sizes[s][0], sizes[s][1], filters[f][0], filters[f][1], 1 + d % 2, 1 + d % 2, 1 + d / 2,
                            1 + d / 2, paddings[p][0], 0, 0, 0, 0},
                           channels[c].in, channels[c].out, channels[c].groups, paddings[p][1], (int32_t)(draw() % 4),
                           types[t], 1.5f, (int32_t)(draw() >> 24) - 128};
    for (int steps = 0; steps < (types[t] == EB_PACKED ? 1 : types[t] == EB_INT8 ? 4 : 3); steps++) check_bconv2d(&op, kernel, steps);
  }
}

static void check_rows(int32_t type, int32_t channels) {
  enum { ROWS = 3 };
  const eb_rows op = {type, ROWS, channels, 1.0f, 0};
  if (eb_quantize_check(&op) != EB_OK || eb_dequantize_check(&op) != EB_OK) exit(1);
  const size_t element = type == EB_FLOAT32 ? sizeof(float) : 1;
  const size_t bytes = (size_t)ROWS * (size_t)channels * element;
  const size_t packed_bytes = (size_t)ROWS * (size_t)eb_packed_words(channels) * sizeof(int32_t);
  int32_t *signs = draw_signs(ROWS, channels);
  void *values = allocate(bytes);
  int32_t *again = allocate(packed_bytes);
  eb_dequantize_run(&op, signs, values, 0, 1);
  eb_dequantize_run(&op, signs, values, 1, ROWS);
  eb_quantize_run(&op, values, again, 2, ROWS);
  eb_quantize_run(&op, values, again, 0, 2);
  if (memcmp(signs, again, packed_bytes) != 0) {
    printf("quantize does not undo dequantize: type %d, %d channels\n", (int)type, (int)channels);
    exit(1);
  }
  free(signs);
  free(values);
  free(again);
}

/* Channels of which those from a value on, or those below it, become negative; or all, or none. */
static void draw_table(uint8_t *negative) {
  const int32_t at = (int32_t)(draw() % 300), turned = (int32_t)(draw() % 2);
  for (int32_t i = 0; i < 256; i++) negative[i] = (uint8_t)((i < at) ^ turned);
}

/* Signs of int8 by thresholds, of parts that end anywhere and lie in wider rows, a bit after the other. */
static void check_int8_thresholds(const eb_rows_kernel *kernel, int32_t count) {
  enum { ROWS = 3, MOST = 4, CHANNELS = 150 };
  static uint8_t negative[MOST][CHANNELS][256];
  eb_sign_part parts[MOST];
  int8_t *inputs[MOST];
  eb_rows op = {EB_INT8, ROWS, 0, 1.0f, 0};
  size_t words = 0;
  for (int32_t p = 0; p < count; p++) {
    const int32_t channels = draw() % 2 == 0 ? 32 * (1 + (int32_t)(draw() % 4)) : 1 + (int32_t)(draw() % CHANNELS);
    const size_t stride = (size_t)channels + draw() % 3, bytes = 2 * stride + (size_t)channels;
    inputs[p] = allocate(bytes);
    for (size_t i = 0; i < bytes; i++) inputs[p][i] = (int8_t)draw();
    parts[p] = (eb_sign_part){inputs[p], stride, channels};
    op.channels += channels;
    words += (size_t)eb_packed_words(channels);
  }
  eb_int8_thresholds thresholds = {allocate(32 * words), allocate(sizeof(uint32_t) * words)};
  memset(thresholds.limit, -128, 32 * words);
  memset(thresholds.turned, 0, sizeof(uint32_t) * words);
  const size_t row_words = (size_t)eb_packed_words(op.channels);
  uint32_t *expected = allocate(ROWS * row_words * sizeof(uint32_t));
  uint32_t *output = allocate(ROWS * row_words * sizeof(uint32_t));
  memset(expected, 0, ROWS * row_words * sizeof(uint32_t));
  size_t word = 0, at = 0;
  for (int32_t p = 0; p < count; p++) {
    for (int32_t c = 0; c < parts[p].channels; c++, at++) {
      int32_t turned;
      draw_table(negative[p][c]);
      if (eb_int8_threshold_find(negative[p][c], &thresholds.limit[32 * word + (size_t)c], &turned) != EB_OK) exit(1);
      thresholds.turned[word + (size_t)c / 32] |= (uint32_t)turned << c % 32;
      for (size_t row = 0; row < ROWS; row++) {
        const uint32_t bit = negative[p][c][inputs[p][row * parts[p].stride + (size_t)c] + 128];
        expected[row * row_words + at / 32] |= bit << at % 32;
      }
    }
    word += (size_t)eb_packed_words(parts[p].channels);
  }
  kernel->int8_thresholds(&op, &thresholds, parts, count, (int32_t *)output, 1, ROWS);
  kernel->int8_thresholds(&op, &thresholds, parts, count, (int32_t *)output, 0, 1);
  if (memcmp(output, expected, ROWS * row_words * sizeof(uint32_t)) != 0) {
    printf("signs of int8 by thresholds: %s, %d parts of %d channels\n", kernel->name, (int)count, (int)op.channels);
    exit(1);
  }
  for (int32_t p = 0; p < count; p++) free(inputs[p]);
  free(thresholds.limit);
  free(thresholds.turned);
  free(expected);
  free(output);
}

static void check_rows_kernel(const eb_rows_kernel *kernel) {
  if ((kernel->cpu_features & ~eb_cpu_features()) != 0) return;
  for (int32_t i = 0; i < 100; i++) check_int8_thresholds(kernel, 1 + i % 4);
}

static void check_bmaxpool2d(int32_t channels, int32_t size, int32_t filter, int32_t stride, int32_t padding) {
  eb_bmaxpool2d op = {{2, size, size + 1, filter, filter, stride, stride, 1, 1, padding, 0, 0, 0, 0}, channels};
  int32_t tiles;
  const eb_status status = eb_bmaxpool2d_check(&op, &tiles);
  if (status == EB_EMPTY_OUTPUT) return;
  if (status != EB_OK) exit(1);
  const size_t pixels = (size_t)tiles * (size_t)op.window.output_width;
  int32_t *input = draw_signs(2 * (size_t)size * (size_t)(size + 1), channels);
  int32_t *output = allocate(pixels * (size_t)eb_packed_words(channels) * sizeof(int32_t));
  eb_bmaxpool2d_run(&op, input, output, 0, tiles / 2);
  eb_bmaxpool2d_run(&op, input, output, tiles / 2, tiles);
  free(input);
  free(output);
}

static int32_t draw_hostile(void) {
  static const int32_t values[] = {INT32_MIN, -1, 0, 1, 2, 3, 32, 64, 1 << 15, 1 << 16, 1 << 24, 1 << 30, INT32_MAX};
  return draw() % 4 == 0 ? values[draw() % (sizeof(values) / sizeof(values[0]))] : (int32_t)(draw() % 4);
}

/* Whatever a file holds is planned or refused, without overflow on the way. */
static void check_hostile(void) {
  int planned = 0;
  for (int i = 0; i < 300000; i++) {
    eb_bconv2d op;
    int32_t fields[sizeof(op) / sizeof(int32_t)];
    for (size_t f = 0; f < sizeof(op) / sizeof(int32_t); f++) fields[f] = draw_hostile();
    memcpy(&op, fields, sizeof(op));
    eb_bconv2d_plan plan;
    planned += eb_bconv2d_plan_make(&op, NULL, eb_cpu_features(), &plan) == EB_OK;
    eb_bmaxpool2d pool = {op.window, op.channels_in};
    int32_t tiles;
    planned += eb_bmaxpool2d_check(&pool, &tiles) == EB_OK;
    const eb_rows rows = {op.output_type, (int64_t)op.channels_in * op.channels_out, op.groups, op.output_scale, 0};
    planned += eb_dequantize_check(&rows) == EB_OK;
  }
  if (planned < 1000) {
    printf("only %d operations accepted: the draw is too hostile to test anything\n", planned);
    exit(1);
  }
}

int main(void) {
  check_hostile();
  const eb_bconv2d_kernel *kernel;
  for (size_t i = 0; (kernel = eb_bconv2d_kernel_at(i)) != NULL; i++) check_bconv2ds(kernel);
  static const int32_t types[] = {EB_FLOAT32, EB_INT8, EB_BOOL};
  for (int t = 0; t < 3; t++) {
    for (int32_t channels = 1; channels < 100; channels++) check_rows(types[t], channels);
  }
  const eb_rows_kernel *rows;
  for (size_t i = 0; (rows = eb_rows_kernel_at(i)) != NULL; i++) check_rows_kernel(rows);
  for (int32_t i = 0; i < 2 * 4 * 4 * 3 * 2; i++) {
    check_bmaxpool2d(i % 2 * 40 + 20, i / 2 % 4 * 3 + 1, i / 8 % 4 + 1, i / 32 % 3 + 1, i / 96);
  }
  puts("ok");
  return 0;
}
