/* Int8 layers with two-valued weights in the fake interpreter. */
#ifndef EDGEBNN_TESTS_INT8_MODEL_H
#define EDGEBNN_TESTS_INT8_MODEL_H

#include "models.h"

enum { INPUT8, WEIGHTS8, BIAS8, MIDDLE8, WEIGHTS8B, BIAS8B, OUTPUT8 };
enum { SIDE8 = 6, INPUTS8 = 37, OUTPUTS8 = 21, CLASSES8 = 10, FLAT8 = SIDE8 * SIDE8 * OUTPUTS8 };

typedef struct {
  LiteConvParams conv;
  LiteFullyConnectedParams dense;
  fake_interpreter fake;
} int8_model;

static inline void two_valued(int8_t *weights, size_t count, int magnitude, uint32_t seed) {
  noise(weights, count, seed);
  for (size_t i = 0; i < count; i++) weights[i] = (int8_t)(weights[i] < 0 ? -magnitude : magnitude);
}

/* CONV_2D of 3x3 with padding, and FULLY_CONNECTED without bias over all of its output. */
static inline void int8_create(int8_model *model, int threads) {
  static int8_t filter[OUTPUTS8 * 9 * INPUTS8], matrix[CLASSES8 * FLAT8];
  fake_interpreter *fake = &model->fake;
  int32_t bias[OUTPUTS8];
  fake_create(fake, threads);
  for (int c = 0; c < OUTPUTS8; c++) {
    two_valued(filter + (size_t)c * 9 * INPUTS8, 9 * INPUTS8, 1 + 6 * c, (uint32_t)c);
    bias[c] = 1000 * (c - 9);
  }
  two_valued(matrix, sizeof matrix, 90, 5);
  model->conv = (LiteConvParams){LITE_PADDING_SAME, 1, 1, EB_ACT_NONE, 1, 1};
  model->dense = (LiteFullyConnectedParams){EB_ACT_NONE, 0, false};
  fake_tensor(fake, INPUT8, LITE_INT8, 4, (int[]){1, SIDE8, SIDE8, INPUTS8}, NULL);
  fake_tensor(fake, WEIGHTS8, LITE_INT8, 4, (int[]){OUTPUTS8, 3, 3, INPUTS8}, filter);
  fake_tensor(fake, BIAS8, LITE_INT32, 1, (int[]){OUTPUTS8}, bias);
  fake_tensor(fake, MIDDLE8, LITE_INT8, 4, (int[]){1, SIDE8, SIDE8, OUTPUTS8}, NULL);
  fake_tensor(fake, WEIGHTS8B, LITE_INT8, 2, (int[]){CLASSES8, FLAT8}, matrix);
  fake_tensor(fake, OUTPUT8, LITE_INT8, 2, (int[]){1, CLASSES8}, NULL);
  fake_quantize(fake, INPUT8, 0.02f, -17);
  fake_quantize(fake, WEIGHTS8, 0.001f, 0);
  fake_quantize(fake, MIDDLE8, 0.01f, 3);
  fake_quantize(fake, WEIGHTS8B, 0.0001f, 0);
  fake_quantize(fake, OUTPUT8, 0.01f, -5);
  fake_builtin(fake, LITE_BUILTIN_CONV_2D, 3, (int[]){INPUT8, WEIGHTS8, BIAS8}, MIDDLE8, &model->conv);
  fake_builtin(fake, LITE_BUILTIN_FULLY_CONNECTED, 3, (int[]){MIDDLE8, WEIGHTS8B, -1}, OUTPUT8, &model->dense);
}

static inline LiteDelegate *make_packing_delegate(const char *kernel) {
  char *keys[] = {"log", "pack_int8", "kernels"}, *values[] = {"0", "all", (char *)kernel};
  LiteDelegate *delegate = tflite_plugin_create_delegate(keys, values, kernel == NULL ? 2 : 3, NULL);
  assert(delegate != NULL);
  return delegate;
}

static inline void fill_int8(fake_interpreter *fake, int batch) {
  fake_resize_tensor(&fake->context, &fake->tensors[INPUT8], int_array(4, (int[]){batch, SIDE8, SIDE8, INPUTS8}));
  const size_t each = SIDE8 * SIDE8 * INPUTS8;
  for (int n = 0; n < batch; n++) noise((char *)fake->tensors[INPUT8].data + (size_t)n * each, each, 3);
}

#endif
