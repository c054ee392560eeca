/* Every kernel of convolution of few input channels over a grid of layers, for sanitizers: each buffer is allocated by itself
 * and to the byte, so that a step outside is caught; scratch and outputs start as garbage. Outputs are those of the reference.
 */
#include <math.h>

#include "exercise.h"
#include "reference.h"

static void fail(const char *what, const eb_conv2d_few *op, const char *kernel) {
  const eb_window *w = &op->window;
  printf("%s, %s: %dx%dx%d to %d, filter %dx%d, stride %d, dilation %d, padding %d, types %d %d %d, pools %d\n", what, kernel,
         (int)w->input_height, (int)w->input_width, (int)op->channels_in, (int)op->channels_out, (int)w->filter_height,
         (int)w->filter_width, (int)w->stride_height, (int)w->dilation_height, (int)w->padding, (int)op->type,
         (int)op->input_type, (int)op->output_type, (int)op->pools);
  exit(1);
}

static void *draw_values(int32_t type, size_t count) {
  if (type == EB_FLOAT32) {
    float *values = allocate(count * sizeof(float));
    for (size_t i = 0; i < count; i++) values[i] = (float)((int32_t)(draw() % 2001) - 1000) / 128.0f;
    return values;
  }
  int8_t *values = allocate(count);
  for (size_t i = 0; i < count; i++) values[i] = (int8_t)((int32_t)(draw() % 255) - 127);
  return values;
}

static void compare(const eb_conv2d_few *op, const char *kernel, const void *output, const void *expected, size_t bytes) {
  if (op->output_type != EB_FLOAT32) {
    if (memcmp(output, expected, bytes) != 0) fail("wrong output", op, kernel);
    return;
  }
  const float *y = output, *z = expected;
  for (size_t i = 0; i < bytes / sizeof(float); i++) {
    if (!(fabsf(y[i] - z[i]) < 0.01f)) fail("wrong output", op, kernel); /* sums reach thousands */
  }
}

static void check(const eb_conv2d_few *op, const char *kernel) {
  eb_conv2d_few_plan plan;
  const eb_status status = eb_conv2d_few_plan_make(op, kernel, eb_cpu_features(), &plan);
  if (status == EB_EMPTY_OUTPUT || status == EB_CPU_LACKS_KERNEL) return;
  if (status != EB_OK) fail(eb_status_name(status), op, kernel);
  op = &plan.op;
  const eb_window *w = &op->window;
  const size_t channels = (size_t)op->channels_out;
  const size_t inputs = (size_t)w->batches * (size_t)w->input_height * (size_t)w->input_width * (size_t)op->channels_in;
  const size_t terms = (size_t)w->filter_height * (size_t)w->filter_width * (size_t)op->channels_in;
  const size_t pixels = (size_t)plan.pool.batches * (size_t)plan.pool.output_height * (size_t)plan.pool.output_width;
  const size_t bytes = op->output_type == EB_PACKED ? pixels * (size_t)eb_packed_words(op->channels_out) * 4
                                                    : pixels * channels * (op->output_type == EB_INT8 ? 1 : 4);
  void *input = draw_values(op->input_type, inputs), *filter = draw_values(op->type, channels * terms);
  void *bias = draw_values(EB_FLOAT32, channels); /* of int32, the same size */
  double *factor = allocate(channels * sizeof(double));
  for (size_t c = 0; c < channels; c++) {
    factor[c] = (double)(draw() % 1000) / (double)(1u << (10 + draw() % 14));
    if (op->type == EB_INT8) ((int32_t *)bias)[c] = (int32_t)draw() >> (10 + draw() % 20);
  }
  void *output = allocate(bytes), *expected = allocate(bytes);
  unsigned char *raw_persistent, *raw_scratch;
  void *persistent = allocate_aligned(plan.persistent_bytes, &raw_persistent);
  void *scratch = allocate_aligned(plan.scratch_bytes, &raw_scratch);

  const eb_conv2d_few_constants constants = {filter, bias, factor};
  if (eb_conv2d_few_prepare(&plan, &constants, persistent) != EB_OK) fail("not prepared", op, kernel);
  const int32_t middle = plan.tiles / 2;
  eb_conv2d_few_run(&plan, persistent, input, output, middle, plan.tiles, scratch);
  (draw() % 2 ? eb_conv2d_few_resume : eb_conv2d_few_run)(&plan, persistent, input, output, 0, middle, scratch);
  eb_conv2d_few_reference(op, &plan.pool, &constants, input, expected);
  compare(op, kernel, output, expected, bytes);
  void *all[] = {input, filter, bias, factor, output, expected, raw_persistent, raw_scratch};
  for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) free(all[i]);
}

static void check_all(const char *kernel, int32_t type) {
  static const int32_t channels[][2] = {{1, 1}, {3, 8}, {3, 33}, {4, 64}, {2, 70}};
  static const int32_t sizes[][2] = {{1, 1}, {4, 26}, {9, 5}};
  static const int32_t filters[][2] = {{1, 1}, {3, 3}, {2, 11}};
  for (int i = 0; i < 5 * 3 * 3 * 2 * 2 * 2 * 2 * 2; i++) {
    int n = i;
    const int c = n % 5, s = (n /= 5) % 3, f = (n /= 3) % 3, p = (n /= 3) % 2, pools = (n /= 2) % 2;
    const int packs = (n /= 2) % 2, quantizes = (n /= 2) % 2, d = n / 2;
    if (packs && type == EB_FLOAT32) continue; /* signs of sums near 0 depend on their order */
    const eb_conv2d_few op = {
        .window = {2, sizes[s][0], sizes[s][1], filters[f][0], filters[f][1], 1 + d, 1 + d, 1 + d, 1 + d, p, 0, 0, 0, 0},
        .border = p == EB_PADDING_SAME ? (eb_border){0}
                                       : (eb_border){filters[f][0] - 1, filters[f][0] / 2, 0, filters[f][1] - 1},
        .channels_in = channels[c][0],
        .channels_out = channels[c][1],
        .type = type,
        .input_type = quantizes ? EB_FLOAT32 : type,
        .output_type = packs ? EB_PACKED : type,
        .pools = pools,
        .pool_height = 1 + (int32_t)(draw() % 3),
        .pool_width = 1 + (int32_t)(draw() % 3),
        .pool_stride_height = 1 + (int32_t)(draw() % 2),
        .pool_stride_width = 1 + (int32_t)(draw() % 2),
        .pool_padding = EB_PADDING_SAME,
        .input_zero_point = (int32_t)(draw() >> 24) - 128,
        .output_zero_point = (int32_t)(draw() >> 24) - 128,
        .output_min = -120,
        .output_max = 100,
        .input_scale = 0.05f,
        .float_min = -1e30f,
        .float_max = 1e30f};
    check(&op, kernel);
  }
}

static int32_t draw_hostile(void) {
  static const int32_t values[] = {INT32_MIN, -1, 0, 1, 2, 3, 32, 64, 1 << 15, 1 << 16, 1 << 24, 1 << 30, INT32_MAX};
  if (draw() % 8 == 0) return values[draw() % (sizeof(values) / sizeof(values[0]))];
  return draw() % 8 == 0 ? (int32_t)(draw() % 4) : 1;
}

/* Whatever a file holds is planned or refused, without overflow on the way. */
static void check_hostile(void) {
  int planned = 0;
  for (int i = 0; i < 300000; i++) {
    eb_conv2d_few op;
    int32_t fields[sizeof(op) / sizeof(int32_t)];
    for (size_t f = 0; f < sizeof(op) / sizeof(int32_t); f++) fields[f] = draw_hostile();
    memcpy(&op, fields, sizeof(op));
    if (draw() % 4 != 0) op.border = (eb_border){0};
    op.float_min = -1.0f;
    op.float_max = 1.0f;
    op.input_scale = 1.0f;
    eb_conv2d_few_plan plan;
    planned += eb_conv2d_few_plan_make(&op, NULL, eb_cpu_features(), &plan) == EB_OK;
  }
  if (planned < 1000) {
    printf("only %d layers accepted: the draw is too hostile to test anything\n", planned);
    exit(1);
  }
}

int main(void) {
  const eb_conv2d_few_kernel *kernel;
  check_hostile();
  for (size_t i = 0; (kernel = eb_conv2d_few_kernel_at(i)) != NULL; i++) check_all(kernel->name, EB_INT8);
  for (size_t i = 0; (kernel = eb_conv2d_few_float_kernel_at(i)) != NULL; i++) check_all(kernel->name, EB_FLOAT32);
  puts("ok");
  return 0;
}
