/* Fails the n-th allocation, for every n, for exercise.c: a model is prepared, run, resized, made again and freed, and what
 * fails is tried once more. Each failure is said, and no output is wrong afterwards. To be linked with --wrap for each
 * function wrapped here. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument);
int __real_pipe(int ends[2]);

#include <stdlib.h>
#define malloc(bytes) __real_malloc(bytes) /* what the test takes for itself never fails */
#define calloc(count, bytes) __real_calloc(count, bytes)
#include "int8_model.h"
#include "w1a8_model.h"
#undef malloc
#undef calloc

int exercise_failing(void);

static long left = -1; /* allocations until one fails; negative: none does */

static bool fails(void) { return left >= 0 && left-- == 0; }

void *__wrap_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes) { return fails() ? NULL : __real_malloc(bytes); }
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes) { return fails() ? NULL : __real_calloc(count, bytes); }
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
  return fails() ? NULL : __real_aligned_alloc(alignment, bytes);
}
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
                          void *argument) {
  return fails() ? 11 : __real_pthread_create(thread, attributes, function, argument);
}
int __wrap_pipe(int ends[2]);
int __wrap_pipe(int ends[2]) { return fails() ? -1 : __real_pipe(ends); }

/* ---- models -------------------------------------------------------------------------------------------------------- */

typedef union {
  chain chain;
  residual residual;
  int8_model int8;
  w1a8_model w1a8;
  fake_interpreter dequantize;
} any_model;

/* `create` gives the interpreter in the model, of which tensor `input` is filled for a batch, and `output` is looked at. */
typedef struct {
  const char *name;
  fake_interpreter *(*create)(any_model *model);
  int input, output;
} subject;

static fake_interpreter *float_chain(any_model *m) {
  chain_create(&m->chain, LITE_FLOAT32, 2);
  return &m->chain.fake;
}
static fake_interpreter *int8_chain(any_model *m) {
  chain_create(&m->chain, LITE_INT8, 1);
  return &m->chain.fake;
}
static fake_interpreter *residuals(any_model *m) {
  residual_create(&m->residual, 2);
  return &m->residual.fake;
}
static fake_interpreter *int8_layers(any_model *m) {
  int8_create(&m->int8, 2);
  return &m->int8.fake;
}
static fake_interpreter *w1a8_layers(any_model *m) {
  w1a8_create(&m->w1a8, 2);
  return &m->w1a8.fake;
}
static fake_interpreter *dequantized(any_model *m) {
  dequantize_create(&m->dequantize, LITE_INT8, 1);
  return &m->dequantize;
}

static const subject subjects[] = {
    {"chain with float output", float_chain, IMAGE, CONVOLVED}, {"chain with int8 output", int8_chain, IMAGE, CONVOLVED},
    {"residual additions", residuals, IMAGE, SECOND_SUM},       {"int8 layers", int8_layers, INPUT8, OUTPUT8},
    {"W1A8 layers", w1a8_layers, W_INPUT, W_OUTPUT},            {"dequantize", dequantized, PACKED, BACK}};

/* Every sample of the batch is the same. */
static void fill(fake_interpreter *fake, int tensor, int batch) {
  LiteTensor *input = &fake->tensors[tensor];
  LiteIntArray *dims = int_array(input->dims->size, input->dims->data);
  dims->data[0] = batch;
  bool (*may_fail)(void) = fake->resize_fails;
  fake->resize_fails = NULL;
  fake_resize_tensor(&fake->context, input, dims);
  fake->resize_fails = may_fail;
  const size_t each = input->bytes / (size_t)batch;
  for (int n = 0; n < batch; n++) {
    char *sample = (char *)input->data + (size_t)n * each;
    if (input->type == LITE_FLOAT32) {
      signed char bytes[9 * 7 * CHANNELS1];
      noise(bytes, sizeof bytes, 3);
      for (size_t i = 0; i < each / sizeof(float); i++) ((float *)(void *)sample)[i] = bytes[i];
    } else {
      noise(sample, each, 3);
    }
  }
}

/* ---- one run ------------------------------------------------------------------------------------------------------- */

typedef struct {
  unsigned char bytes[1 << 16];
  size_t size; /* of a sample; 0: not known yet */
} sample;

static int reports;
static void count_report(const char *message) { reports += strcmp(message, "no memory") == 0; }

static LiteDelegate *create_delegate(char *keep_tensors) {
  char *keys[] = {"log", "pack_int8", "keep_tensors"}, *values[] = {"0", "all", keep_tensors};
  reports = 0;
  LiteDelegate *delegate = tflite_plugin_create_delegate(keys, values, 3, count_report);
  if (delegate != NULL) return delegate;
  CHECK(reports == 1);
  delegate = tflite_plugin_create_delegate(keys, values, 3, count_report);
  CHECK(delegate != NULL);
  return delegate;
}

static void read_profile(const LiteDelegate *delegate) {
  edgebnn_op_time times[MAX_NODES];
  const int count = edgebnn_profile_read(delegate, times, MAX_NODES);
  for (int i = 0; i < count; i++) CHECK(times[i].op[0] != 0 && times[i].name[0] != 0 && times[i].kernel != NULL);
}

static void delegate_graph(fake_interpreter *fake, LiteDelegate *delegate) {
  if (fake_delegate(fake, delegate)) return;
  CHECK(edgebnn_delegate_message(delegate)[0] != 0 && !edgebnn_delegate_mismatch(delegate) && !fake->replaced);
  CHECK(fake_delegate(fake, delegate));
}

/* Prepares, again if it failed, and with a new partition if that could not be made; runs, and compares. */
static void run(fake_interpreter *fake, LiteDelegate *delegate, const subject *s, int batch, sample *expected) {
  fill(fake, s->input, batch);
  fake->error[0] = 0;
  if (!fake_prepare(fake)) {
    if (strstr(fake->error, "no memory") == NULL && strstr(fake->error, "cannot be resized") == NULL) {
      fprintf(stderr, "a failed allocation is said to be: %s\n", fake->error);
      failures++;
    }
    read_profile(delegate);
    CHECK(!fake_invoke(fake)); /* nothing runs that is not prepared */
    if (!fake_prepare(fake)) {
      fill(fake, s->input, 1); /* as in the file: no tensor is of another batch than the others */
      fake_remake(fake);
      fill(fake, s->input, batch);
      CHECK(fake_prepare(fake));
    }
  }
  CHECK(edgebnn_delegate_message(delegate)[0] == 0); /* what was refused before is over */
  CHECK(fake_invoke(fake));
  read_profile(delegate);
  const LiteTensor *output = &fake->tensors[s->output];
  const size_t each = output->bytes / (size_t)batch;
  CHECK(output->dims->data[0] == batch && each <= sizeof expected->bytes);
  if (expected->size == 0) {
    expected->size = each;
    memcpy(expected->bytes, output->data, each);
  }
  for (int n = 0; n < batch; n++)
    CHECK(each == expected->size && memcmp((char *)output->data + (size_t)n * each, expected->bytes, each) == 0);
}

/* With the allocation `failing` failing; false if there were fewer. */
static bool live(const subject *s, char *keep_tensors, long failing, sample *expected) {
  static any_model model;
  left = -1;
  fake_interpreter *fake = s->create(&model);
  fake->resize_fails = fails;
  left = failing;
  LiteDelegate *delegate = create_delegate(keep_tensors);
  delegate_graph(fake, delegate);
  CHECK(fake->replaced);
  read_profile(delegate); /* before anything is prepared */
  run(fake, delegate, s, 1, expected);
  run(fake, delegate, s, 3, expected);
  run(fake, delegate, s, 1, expected);
  fake_remake(fake);
  run(fake, delegate, s, 2, expected);
  run(fake, delegate, s, 1, expected);
  fake_destroy(fake);
  tflite_plugin_destroy_delegate(delegate);
  return left < 0;
}

int exercise_failing(void) {
  char *const keep[] = {"0", "1"};
  for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
    for (int k = 0; k < 2; k++) {
      static sample expected;
      expected.size = 0;
      live(&subjects[i], keep[k], -1, &expected);
      long n = 0;
      while (failures == 0 && live(&subjects[i], keep[k], n, &expected)) n++;
      if (failures != 0) fprintf(stderr, "%s, keep_tensors=%s, allocation %ld\n", subjects[i].name, keep[k], n);
      CHECK(n > 20);
    }
  }
  left = -1;
  return failures;
}
