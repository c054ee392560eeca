/* Runs binary operations that are written in a file: for tests and counts under emulation.
 *
 * run_cases KERNEL CASES RESULTS REPEATS [time]   prints the nanoseconds of the fastest of the repeats, if asked to
 *                                             (KERNEL: a line of a table of kernels, "best", or a schedule as eb_schedule_parse
 *                                             reads it)
 *
 * CASES is a row of cases: an int32 kind, the operation's struct of the public headers, an int32 number of parts, and arrays,
 * each after its int64 number of bytes. Tiles are run in that many parts, the last first. RESULTS has for each case an
 * int32 eb_status, the int64 number of bytes of the output, and the output.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conv2d_few.h"
#include "int8_sum.h"
#include "w1a8.h"

enum { BCONV2D, QUANTIZE, DEQUANTIZE, BMAXPOOL2D, W1A8, CONV2D_FEW };

typedef struct output {
  eb_status status;
  void *data;
  size_t bytes;
} output;

static FILE *cases, *results;
static int repeats;
static int64_t fastest = INT64_MAX; /* nanoseconds of a repeat */

static int64_t now(void) {
  struct timespec t;
  timespec_get(&t, TIME_UTC);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void note_time_since(int64_t begin) {
  const int64_t took = now() - begin;
  if (took < fastest) fastest = took;
}

static void read_bytes(void *to, size_t bytes) {
  if (bytes > 0 && fread(to, bytes, 1, cases) != 1) exit(3);
}

static void *allocate(size_t bytes) {
  void *memory = aligned_alloc(EB_ALIGNMENT, (bytes / EB_ALIGNMENT + 1) * EB_ALIGNMENT);
  if (memory == NULL) exit(4);
  memset(memory, 0xA5, bytes);
  return memory;
}

static void *read_sized_array(int64_t *bytes) {
  read_bytes(bytes, sizeof(*bytes));
  void *array = allocate((size_t)*bytes);
  read_bytes(array, (size_t)*bytes);
  return array;
}

static void *read_array(void) {
  int64_t bytes;
  return read_sized_array(&bytes);
}

static int32_t read_parts(void) {
  int32_t parts;
  read_bytes(&parts, sizeof(parts));
  return parts;
}

static const char *kernel;         /* the line to force, or NULL */
static const eb_schedule *schedule; /* or NULL */

static eb_status plan_bconv2d(const eb_bconv2d *op, eb_bconv2d_plan *plan) {
  return schedule != NULL ? eb_bconv2d_plan_schedule(op, schedule, eb_cpu_features(), plan)
                          : eb_bconv2d_plan_make(op, kernel, eb_cpu_features(), plan);
}

static eb_status plan_w1a8(const eb_w1a8 *op, eb_w1a8_plan *plan) {
  return schedule != NULL ? eb_w1a8_plan_schedule(op, schedule, eb_cpu_features(), plan)
                          : eb_w1a8_plan_make(op, kernel, eb_cpu_features(), plan);
}

static output run_bconv2d(void) {
  eb_bconv2d op;
  read_bytes(&op, sizeof(op));
  const int32_t parts = read_parts();
  void *input = read_array(), *filter = read_array(), *multiplier = read_array(), *bias = read_array();
  void *threshold = read_array();
  int64_t added;
  void *residual = read_sized_array(&added);
  eb_bconv2d_plan plan;
  output y = {plan_bconv2d(&op, &plan), NULL, 0};
  if (y.status == EB_OK) {
    const eb_window *w = &plan.op.window;
    const size_t row = op.output_type == EB_FLOAT32 ? (size_t)op.channels_out * sizeof(float)
                       : op.output_type == EB_INT8  ? (size_t)op.channels_out
                                                    : (size_t)eb_packed_words(op.channels_out) * sizeof(int32_t);
    y.bytes = (size_t)w->batches * (size_t)w->output_height * (size_t)w->output_width * row;
    y.data = allocate(y.bytes);
    void *persistent = allocate(plan.persistent_bytes), *scratch = allocate(plan.scratch_bytes);
    eb_bconv2d_prepare(&plan, filter, multiplier, bias, threshold, persistent);
    static const eb_int8_sum sum = {1 << 10, 1 << 10, 1 << 9, 10, -128, 127};
    const eb_output_steps steps = {.count = added != 0,
                                   .step = {{.kind = op.output_type == EB_INT8 ? EB_STEP_SUM : EB_STEP_ADD,
                                             .operand = residual,
                                             .stride = (size_t)op.channels_out,
                                             .rows = 1,
                                             .sum = &sum}}};
    for (int i = 0; i < repeats; i++) {
      const int64_t begin_ns = now();
      for (int32_t part = parts; part > 0; part--) {
        const int32_t begin = (int32_t)((int64_t)plan.tiles * (part - 1) / parts);
        const int32_t end = (int32_t)((int64_t)plan.tiles * part / parts);
        eb_bconv2d_run(&plan, persistent, input, added == 0 ? NULL : &steps, y.data, begin, end, scratch);
      }
      note_time_since(begin_ns);
    }
    free(persistent);
    free(scratch);
  }
  free(input);
  free(filter);
  free(multiplier);
  free(bias);
  free(threshold);
  free(residual);
  return y;
}

static output run_rows(int32_t kind) {
  eb_rows op;
  read_bytes(&op, sizeof(op));
  const int32_t parts = read_parts();
  void *input = read_array();
  output y = {kind == QUANTIZE ? eb_quantize_check(&op) : eb_dequantize_check(&op), NULL, 0};
  if (y.status == EB_OK) {
    const size_t element = op.type == EB_FLOAT32 ? sizeof(float) : 1;
    const size_t row = kind == QUANTIZE ? (size_t)eb_packed_words(op.channels) * sizeof(int32_t)
                                        : (size_t)op.channels * element;
    y.bytes = (size_t)op.rows * row;
    y.data = allocate(y.bytes);
    for (int i = 0; i < repeats; i++) {
      for (int32_t part = parts; part > 0; part--) {
        const int64_t begin = op.rows * (part - 1) / parts, end = op.rows * part / parts;
        if (kind == QUANTIZE) {
          eb_quantize_run(&op, input, y.data, begin, end);
        } else {
          eb_dequantize_run(&op, input, y.data, begin, end);
        }
      }
    }
  }
  free(input);
  return y;
}

static output run_bmaxpool2d(void) {
  eb_bmaxpool2d op;
  read_bytes(&op, sizeof(op));
  const int32_t parts = read_parts();
  void *input = read_array();
  int32_t tiles;
  output y = {eb_bmaxpool2d_check(&op, &tiles), NULL, 0};
  if (y.status == EB_OK) {
    y.bytes = (size_t)tiles * (size_t)op.window.output_width * (size_t)eb_packed_words(op.channels) * sizeof(int32_t);
    y.data = allocate(y.bytes);
    for (int i = 0; i < repeats; i++) {
      for (int32_t part = parts; part > 0; part--) {
        const int32_t begin = (int32_t)((int64_t)tiles * (part - 1) / parts);
        eb_bmaxpool2d_run(&op, input, y.data, begin, (int32_t)((int64_t)tiles * part / parts));
      }
    }
  }
  free(input);
  return y;
}

static output run_w1a8(void) {
  eb_w1a8 op;
  read_bytes(&op, sizeof(op));
  const int32_t parts = read_parts();
  void *input = read_array(), *filter = read_array(), *magnitude = read_array(), *bias = read_array();
  void *factor = read_array();
  const eb_w1a8_constants constants = {filter, magnitude, bias, factor};
  eb_w1a8_plan plan;
  output y = {plan_w1a8(&op, &plan), NULL, 0};
  if (y.status == EB_OK) {
    const eb_window *w = &plan.op.window;
    y.bytes = (size_t)w->batches * (size_t)w->output_height * (size_t)w->output_width * (size_t)op.channels_out;
    y.data = allocate(y.bytes);
    void *persistent = allocate(plan.persistent_bytes), *scratch = allocate(plan.scratch_bytes);
    y.status = eb_w1a8_prepare(&plan, &constants, persistent);
    for (int i = 0; i < repeats && y.status == EB_OK; i++) {
      const int64_t begin_ns = now();
      for (int32_t part = parts; part > 0; part--) {
        const int32_t begin = (int32_t)((int64_t)plan.tiles * (part - 1) / parts);
        const int32_t end = (int32_t)((int64_t)plan.tiles * part / parts);
        eb_w1a8_run(&plan, persistent, input, NULL, y.data, begin, end, scratch);
      }
      note_time_since(begin_ns);
    }
    free(persistent);
    free(scratch);
  }
  free(input);
  free(filter);
  free(magnitude);
  free(bias);
  free(factor);
  return y;
}

/* Arrays: input, filter, bias, factor; of float32, the last is empty. */
static output run_conv2d_few(void) {
  eb_conv2d_few op;
  read_bytes(&op, sizeof(op));
  const int32_t parts = read_parts();
  void *input = read_array(), *filter = read_array(), *bias = read_array(), *factor = read_array();
  const eb_conv2d_few_constants constants = {filter, bias, factor};
  eb_conv2d_few_plan plan;
  output y = {eb_conv2d_few_plan_make(&op, kernel, eb_cpu_features(), &plan), NULL, 0};
  if (y.status == EB_OK) {
    const eb_window *w = &plan.pool;
    const size_t row = op.output_type == EB_PACKED    ? (size_t)eb_packed_words(op.channels_out) * sizeof(int32_t)
                       : op.output_type == EB_FLOAT32 ? (size_t)op.channels_out * sizeof(float)
                                                      : (size_t)op.channels_out;
    y.bytes = (size_t)w->batches * (size_t)w->output_height * (size_t)w->output_width * row;
    y.data = allocate(y.bytes);
    void *persistent = allocate(plan.persistent_bytes), *scratch = allocate(plan.scratch_bytes);
    y.status = eb_conv2d_few_prepare(&plan, &constants, persistent);
    for (int i = 0; i < repeats && y.status == EB_OK; i++) {
      const int64_t begin_ns = now();
      for (int32_t part = parts; part > 0; part--) {
        const int32_t begin = (int32_t)((int64_t)plan.tiles * (part - 1) / parts);
        eb_conv2d_few_run(&plan, persistent, input, y.data, begin, (int32_t)((int64_t)plan.tiles * part / parts), scratch);
      }
      note_time_since(begin_ns);
    }
    free(persistent);
    free(scratch);
  }
  free(input);
  free(filter);
  free(bias);
  free(factor);
  return y;
}

static output run_case(int32_t kind) {
  switch (kind) {
    case BCONV2D: return run_bconv2d();
    case BMAXPOOL2D: return run_bmaxpool2d();
    case W1A8: return run_w1a8();
    case CONV2D_FEW: return run_conv2d_few();
    default: return run_rows(kind);
  }
}

int main(int count, char **arguments) {
  if (count != 5 && (count != 6 || strcmp(arguments[5], "time") != 0)) return 2;
  eb_schedule given;
  if (strchr(arguments[1], ':') != NULL) {
    if (eb_schedule_parse(arguments[1], &given) != EB_OK) return 2;
    schedule = &given;
  } else if (strcmp(arguments[1], "best") != 0) {
    kernel = arguments[1];
  }
  cases = fopen(arguments[2], "rb");
  results = fopen(arguments[3], "wb");
  repeats = atoi(arguments[4]);
  if (cases == NULL || results == NULL) return 2;
  int32_t kind;
  while (fread(&kind, sizeof(kind), 1, cases) == 1) {
    const output y = run_case(kind);
    const int32_t status = (int32_t)y.status;
    const int64_t bytes = (int64_t)y.bytes;
    fwrite(&status, sizeof(status), 1, results);
    fwrite(&bytes, sizeof(bytes), 1, results);
    if (y.bytes > 0) fwrite(y.data, y.bytes, 1, results);
    free(y.data);
  }
  if (count == 6) printf("%lld\n", (long long)fastest);
  return fclose(results) == 0 ? 0 : 3;
}
