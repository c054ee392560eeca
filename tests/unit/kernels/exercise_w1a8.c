/* Every W1A8 kernel over a grid of layers, for sanitizers: each buffer is allocated by itself and to the byte, so that a
 * step outside is caught; scratch and outputs start as garbage. Outputs are those of the reference.
 */
#include <math.h>

#include "exercise.h"
#include "reference.h"

static void fail(const char *what, const eb_w1a8 *op, const char *kernel) {
  const eb_window *w = &op->window;
  printf("%s, %s: %dx%dx%d in %d groups to %d (depthwise %d), filter %dx%d, stride %d, dilation %d, padding %d\n", what,
         kernel, (int)w->input_height, (int)w->input_width, (int)op->channels_in, (int)op->groups,
         (int)op->channels_out, (int)op->depthwise, (int)w->filter_height, (int)w->filter_width, (int)w->stride_height,
         (int)w->dilation_height, (int)w->padding);
  exit(1);
}

/* Row by row, or by a schedule. */
static eb_status plan_some_way(const eb_w1a8 *op, const char *kernel, eb_w1a8_plan *plan) {
  if (draw() % 2 == 0) return eb_w1a8_plan_make(op, kernel, eb_cpu_features(), plan);
  const int32_t orders = op->depthwise ? EB_OUTPUT_STATIONARY : EB_OUTPUT_STATIONARY | EB_WEIGHT_STATIONARY;
  eb_schedule schedule = draw_schedule(kernel, orders, 0);
  if (op->depthwise) schedule = (eb_schedule){kernel, EB_OUTPUT_STATIONARY, 0, 1, 0};
  return eb_w1a8_plan_schedule(op, &schedule, eb_cpu_features(), plan);
}

static void check(const eb_w1a8 *op, const char *kernel) {
  eb_w1a8_plan plan;
  const eb_status status = plan_some_way(op, kernel, &plan);
  if (status == EB_EMPTY_OUTPUT || status == EB_CPU_LACKS_KERNEL) return;
  if (status != EB_OK) fail(eb_status_name(status), op, kernel);
  op = &plan.op;
  const eb_window *w = &op->window;
  const size_t taps = (size_t)w->filter_height * (size_t)w->filter_width;
  const size_t inputs = (size_t)w->batches * (size_t)w->input_height * (size_t)w->input_width * (size_t)op->channels_in;
  const size_t pixels = (size_t)w->batches * (size_t)w->output_height * (size_t)w->output_width;
  int8_t *input = allocate(inputs);
  for (size_t i = 0; i < inputs; i++) input[i] = (int8_t)(draw() >> 24);
  int32_t *filter = op->depthwise ? draw_signs(taps, op->channels_out)
                                  : draw_signs((size_t)op->channels_out * taps, op->channels_in / op->groups);
  double *factor = allocate((size_t)op->channels_out * sizeof(double));
  int32_t *magnitude = allocate((size_t)op->channels_out * sizeof(int32_t));
  int32_t *bias = allocate((size_t)op->channels_out * sizeof(int32_t));
  for (int32_t c = 0; c < op->channels_out; c++) {
    factor[c] = (double)(draw() % 1000) / (double)(1u << draw() % 20);
    magnitude[c] = (int32_t)(draw() % 128);
    bias[c] = (int32_t)draw() >> draw() % 32;
  }
  int8_t *output = allocate(pixels * (size_t)op->channels_out);
  unsigned char *raw_persistent, *raw_scratch;
  void *persistent = allocate_aligned(plan.persistent_bytes, &raw_persistent);
  void *scratch = allocate_aligned(plan.scratch_bytes, &raw_scratch);

  const eb_w1a8_constants constants = {filter, magnitude, bias, factor};
  if (eb_w1a8_prepare(&plan, &constants, persistent) != EB_OK) fail("not prepared", op, kernel);
  const int32_t middle = plan.tiles / 2;
  eb_w1a8_run(&plan, persistent, input, NULL, output, middle, plan.tiles, scratch);
  (draw() % 2 ? eb_w1a8_resume : eb_w1a8_run)(&plan, persistent, input, NULL, output, 0, middle, scratch);
  int8_t *expected = allocate(pixels * (size_t)op->channels_out);
  eb_w1a8_reference(op, &constants, input, expected);
  if (memcmp(output, expected, pixels * (size_t)op->channels_out) != 0) fail("wrong output", op, kernel);
  free(expected);
  free(input);
  free(filter);
  free(factor);
  free(magnitude);
  free(bias);
  free(output);
  free(raw_persistent);
  free(raw_scratch);
}

static void check_all(const char *kernel) {
  static const struct { int32_t groups, in, out, depthwise; } channels[] = {
      {1, 1, 1, 0}, {1, 5, 33, 0}, {1, 16, 65, 0}, {1, 71, 7, 0}, {1, 330, 2, 0}, {3, 21, 36, 0}, {2, 10, 140, 0},
      {1, 6, 12, 1}, {1, 40, 40, 1}};
  static const int32_t sizes[][2] = {{1, 1}, {4, 16}, {6, 5}};
  static const int32_t filters[][2] = {{1, 1}, {3, 3}, {2, 4}};
  for (int i = 0; i < 9 * 3 * 3 * 2 * 2 * 4; i++) {
    int n = i;
    const int c = n % 9, s = (n /= 9) % 3, f = (n /= 3) % 3, p = (n /= 3) % 2, r = (n /= 2) % 2, d = n / 2;
    const eb_w1a8 op = {{2, sizes[s][0], sizes[s][1], filters[f][0], filters[f][1], 1 + d % 2, 1 + d % 2, 1 + d / 2,
                         1 + d / 2, p, 0, 0, 0, 0},
                        channels[c].in, channels[c].out, channels[c].groups, channels[c].depthwise,
                        (int32_t)(draw() >> 24) - 128, (int32_t)(draw() >> 24) - 128, -120, 100, r};
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
    eb_w1a8 op;
    int32_t fields[sizeof(op) / sizeof(int32_t)];
    for (size_t f = 0; f < sizeof(op) / sizeof(int32_t); f++) fields[f] = draw_hostile();
    memcpy(&op, fields, sizeof(op));
    eb_w1a8_plan plan;
    planned += eb_w1a8_plan_make(&op, NULL, eb_cpu_features(), &plan) == EB_OK;
  }
  if (planned < 1000) {
    printf("only %d layers accepted: the draw is too hostile to test anything\n", planned);
    exit(1);
  }
}

/* One channel of one input, 1 or -1, scaled by `factor`. */
static eb_status scale_one(double factor, const char *kernel, int8_t *output) {
  const int8_t input = 1;
  const int32_t filter = 0;
  const eb_w1a8_constants constants = {&filter, NULL, NULL, &factor};
  const eb_w1a8 op = {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0}, 1, 1, 1, 0, 0, 0, -128, 127, EB_ROUND_TWICE};
  eb_w1a8_plan plan;
  eb_status status = eb_w1a8_plan_make(&op, kernel, eb_cpu_features(), &plan);
  if (status != EB_OK) return status;
  unsigned char *raw_persistent, *raw_scratch;
  void *persistent = allocate_aligned(plan.persistent_bytes, &raw_persistent);
  void *scratch = allocate_aligned(plan.scratch_bytes, &raw_scratch);
  status = eb_w1a8_prepare(&plan, &constants, persistent);
  if (status == EB_OK) eb_w1a8_run(&plan, persistent, &input, NULL, output, 0, plan.tiles, scratch);
  free(raw_persistent);
  free(raw_scratch);
  return status;
}

/* Every shift that a factor can ask for, from left by 31 to right by 31, and no other. */
static void check_factors(const char *kernel) {
  const double limit = 2147483647.5;
  for (double factor = limit; factor > 0x1p-40; factor /= 2.0) {
    int8_t output = 0;
    const double below = factor * (1.0 - 0x1p-52);
    const eb_status at = scale_one(factor, kernel, &output), just_below = scale_one(below, kernel, &output);
    if (just_below == EB_CPU_LACKS_KERNEL) return;
    const int saturated = below >= 127.0 && below < 0x1p30; /* beyond, the sum is shifted out of its 32 bits */
    if (at != (factor < limit ? EB_OK : EB_BAD_QUANTIZATION) || just_below != EB_OK || (saturated && output != 127)) {
      printf("%s: factor %.17g: %s, below it %s and %d\n", kernel, factor, eb_status_name(at),
             eb_status_name(just_below), output);
      exit(1);
    }
  }
  const double none[] = {-1.0, limit + 1.0, (double)INFINITY, (double)NAN};
  for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
    int8_t output;
    if (scale_one(none[i], kernel, &output) != EB_BAD_QUANTIZATION) exit(3);
  }
}

int main(void) {
  check_hostile();
  const eb_w1a8_kernel *kernel;
  for (size_t i = 0; (kernel = eb_w1a8_kernel_at(i)) != NULL; i++) {
    check_factors(kernel->name);
    check_all(kernel->name);
  }
  puts("ok");
  return 0;
}
