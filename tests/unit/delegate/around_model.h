/* What surrounds binary layers in the fake interpreter: first layers, int8 or float32, with what is joined with them; a pool, a sum
 * and a scale of int8 that stand alone between others of ours; and batch norms of int8 whose concatenation becomes signs. */
#ifndef EDGEBNN_TESTS_AROUND_MODEL_H
#define EDGEBNN_TESTS_AROUND_MODEL_H

#include "models.h"

enum { A_IMAGE, A_SIZES, A_PADDED, A_FILTER, A_BIAS, A_CONVOLVED, A_POOLED, A_SUM, A_SIGNS, A_ROW, A_SCALED, A_SLOPES, A_BENT };
enum { A_WEIGHTS = A_ROW, A_NORMED, A_NORMED_SUM, A_ALL }; /* in place of those */
enum { A_HEIGHT = 13, A_WIDTH = 11, A_IN = 3, A_OUT = 40, A_TAPS = 9 };

typedef struct {
  LiteConvParams conv;
  LitePoolParams pool, whole;
  LiteAddParams add;
  LiteDepthwiseConvParams norm;
  LiteConcatenationParams concat;
  fake_interpreter fake;
} around_model;

/* The first layer: CONV_2D of 3x3, behind PAD for int8. */
static inline void around_begin(around_model *model, int type, int threads) {
  static int8_t filter[A_OUT * A_TAPS * A_IN];
  static float floats[A_OUT * A_TAPS * A_IN];
  int32_t bias[A_OUT] = {0};
  float offsets[A_OUT] = {0};
  fake_interpreter *fake = &model->fake;
  fake_create(fake, threads);
  noise(filter, sizeof filter, 11);
  for (size_t i = 0; i < sizeof filter; i++) filter[i] = filter[i] == -128 ? 0 : filter[i];
  for (size_t i = 0; i < sizeof filter; i++) floats[i] = (float)filter[i] / 64.0f;
  const bool is_float = type == LITE_FLOAT32;
  model->conv = (LiteConvParams){LITE_PADDING_VALID, 1, 1, EB_ACT_NONE, 1, 1};
  model->pool = (LitePoolParams){LITE_PADDING_SAME, 2, 2, 3, 3, EB_ACT_NONE};
  model->add = (LiteAddParams){EB_ACT_NONE};
  const int height = is_float ? A_HEIGHT - 2 : A_HEIGHT, width = is_float ? A_WIDTH - 2 : A_WIDTH;
  const int sizes[8] = {0, 0, 1, 1, 1, 1, 0, 0};
  fake_tensor(fake, A_IMAGE, type, 4, (int[]){1, A_HEIGHT, A_WIDTH, A_IN}, NULL);
  fake_tensor(fake, A_SIZES, LITE_INT32, 2, (int[]){4, 2}, sizes);
  fake_tensor(fake, A_PADDED, type, 4, (int[]){1, A_HEIGHT + 2, A_WIDTH + 2, A_IN}, NULL);
  fake_tensor(fake, A_FILTER, type, 4, (int[]){A_OUT, 3, 3, A_IN}, is_float ? (void *)floats : (void *)filter);
  fake_tensor(fake, A_BIAS, is_float ? LITE_FLOAT32 : LITE_INT32, 1, (int[]){A_OUT}, is_float ? (void *)offsets : (void *)bias);
  fake_tensor(fake, A_CONVOLVED, type, 4, (int[]){1, height, width, A_OUT}, NULL);
  fake_tensor(fake, A_POOLED, type, 4, (int[]){1, (height + 1) / 2, (width + 1) / 2, A_OUT}, NULL);
  fake_tensor(fake, A_SUM, type, 4, (int[]){1, (height + 1) / 2, (width + 1) / 2, A_OUT}, NULL);
  fake_tensor(fake, A_SIGNS, LITE_INT32, 4, (int[]){1, (height + 1) / 2, (width + 1) / 2, 2}, NULL);
  if (!is_float) {
    const int quantized[] = {A_IMAGE, A_PADDED, A_CONVOLVED, A_POOLED};
    for (int i = 0; i < 4; i++) fake_quantize(fake, quantized[i], i < 2 ? 0.02f : 0.05f, i < 2 ? -7 : 5);
    fake_quantize(fake, A_FILTER, 0.001f, 0);
    fake_quantize(fake, A_SUM, 0.1f, 3);
    fake_builtin(fake, LITE_BUILTIN_PAD, 2, (int[]){A_IMAGE, A_SIZES}, A_PADDED, NULL);
  }
  fake_builtin(fake, LITE_BUILTIN_CONV_2D, 3, (int[]){is_float ? A_IMAGE : A_PADDED, A_FILTER, A_BIAS}, A_CONVOLVED,
               &model->conv);
}

/* It, max-pooling and signs: one op. */
static inline void around_signs(around_model *model, int type, int threads) {
  around_begin(model, type, threads);
  fake_builtin(&model->fake, LITE_BUILTIN_MAX_POOL_2D, 1, (int[]){A_CONVOLVED}, A_POOLED, &model->pool);
  fake_op(&model->fake, "LceQuantize", 1, (int[]){A_POOLED}, A_SIGNS, NULL, 0);
}

/* It, average pooling, the sum of that with itself, and signs: four ops. */
static inline void around_sum(around_model *model, int type, int threads) {
  around_begin(model, type, threads);
  fake_builtin(&model->fake, LITE_BUILTIN_AVERAGE_POOL_2D, 1, (int[]){A_CONVOLVED}, A_POOLED, &model->pool);
  fake_builtin(&model->fake, LITE_BUILTIN_ADD, 2, (int[]){A_POOLED, A_POOLED}, A_SUM, &model->add);
  fake_op(&model->fake, "LceQuantize", 1, (int[]){A_SUM}, A_SIGNS, NULL, 0);
}

/* It, its mean, the product of both, bent by PRELU, and signs: four ops. Of int8. */
static inline void around_scale(around_model *model, int type, int threads) {
  int8_t slopes[A_OUT];
  const int shape[] = {1, A_HEIGHT, A_WIDTH, A_OUT};
  around_begin(model, type, threads);
  fake_interpreter *fake = &model->fake;
  noise(slopes, sizeof slopes, 5);
  model->whole = (LitePoolParams){LITE_PADDING_VALID, 1, 1, A_WIDTH, A_HEIGHT, EB_ACT_NONE};
  fake_tensor(fake, A_ROW, type, 4, (int[]){1, 1, 1, A_OUT}, NULL);
  fake_tensor(fake, A_SCALED, type, 4, shape, NULL);
  fake_tensor(fake, A_SLOPES, type, 3, (int[]){1, 1, A_OUT}, slopes);
  fake_tensor(fake, A_BENT, type, 4, shape, NULL);
  fake_quantize(fake, A_ROW, 0.05f, 5);
  fake_quantize(fake, A_SCALED, 0.1f, -3);
  fake_quantize(fake, A_SLOPES, 0.01f, 0);
  fake_quantize(fake, A_BENT, 0.1f, -100);
  fake_builtin(fake, LITE_BUILTIN_AVERAGE_POOL_2D, 1, (int[]){A_CONVOLVED}, A_ROW, &model->whole);
  fake_builtin(fake, LITE_BUILTIN_MUL, 2, (int[]){A_CONVOLVED, A_ROW}, A_SCALED, &model->add);
  fake_builtin(fake, LITE_BUILTIN_PRELU, 2, (int[]){A_SCALED, A_SLOPES}, A_BENT, NULL);
  fake_op(fake, "LceQuantize", 1, (int[]){A_BENT}, A_SIGNS, NULL, 0);
}

/* Average pooling and a sum as there, both normalized, side by side, and signs of all: four ops. */
static inline void around_parts(around_model *model, int type, int threads) {
  around_begin(model, type, threads);
  fake_interpreter *fake = &model->fake;
  int8_t weights[A_OUT];
  for (int c = 0; c < A_OUT; c++) weights[c] = (int8_t)(5 * c - 100);
  const int *shape = fake->tensors[A_POOLED].dims->data, height = shape[1], width = shape[2];
  model->norm = (LiteDepthwiseConvParams){LITE_PADDING_VALID, 1, 1, 1, EB_ACT_RELU_N1_TO_1, 1, 1};
  model->concat = (LiteConcatenationParams){3, EB_ACT_NONE};
  fake_tensor(fake, A_WEIGHTS, LITE_INT8, 4, (int[]){1, 1, 1, A_OUT}, weights);
  fake_tensor(fake, A_NORMED, LITE_INT8, 4, (int[]){1, height, width, A_OUT}, NULL);
  fake_tensor(fake, A_NORMED_SUM, LITE_INT8, 4, (int[]){1, height, width, A_OUT}, NULL);
  fake_tensor(fake, A_ALL, LITE_INT8, 4, (int[]){1, height, width, 2 * A_OUT}, NULL);
  fake_tensor(fake, A_SIGNS, LITE_INT32, 4, (int[]){1, height, width, 3}, NULL);
  fake_quantize(fake, A_WEIGHTS, 0.01f, 0);
  for (int tensor = A_NORMED; tensor <= A_ALL; tensor++) fake_quantize(fake, tensor, 0.02f, -3);
  fake_builtin(fake, LITE_BUILTIN_AVERAGE_POOL_2D, 1, (int[]){A_CONVOLVED}, A_POOLED, &model->pool);
  fake_builtin(fake, LITE_BUILTIN_ADD, 2, (int[]){A_POOLED, A_POOLED}, A_SUM, &model->add);
  fake_builtin(fake, LITE_BUILTIN_DEPTHWISE_CONV_2D, 2, (int[]){A_POOLED, A_WEIGHTS}, A_NORMED, &model->norm);
  fake_builtin(fake, LITE_BUILTIN_DEPTHWISE_CONV_2D, 2, (int[]){A_SUM, A_WEIGHTS}, A_NORMED_SUM, &model->norm);
  fake_builtin(fake, LITE_BUILTIN_CONCATENATION, 2, (int[]){A_NORMED, A_NORMED_SUM}, A_ALL, &model->concat);
  fake_op(fake, "LceQuantize", 1, (int[]){A_ALL}, A_SIGNS, NULL, 0);
}

static inline LiteDelegate *make_surrounding_delegate(const char *kernel) {
  char *keys[] = {"log", "surroundings", "few_channels", "kernels"}, *values[] = {"0", "1", "all", (char *)kernel};
  LiteDelegate *delegate = tflite_plugin_create_delegate(keys, values, kernel == NULL ? 3 : 4, NULL);
  assert(delegate != NULL);
  return delegate;
}

/* Every sample is the same image. */
static inline void fill_around(fake_interpreter *fake, int batch) {
  fake_resize_tensor(&fake->context, &fake->tensors[A_IMAGE], int_array(4, (int[]){batch, A_HEIGHT, A_WIDTH, A_IN}));
  signed char bytes[A_HEIGHT * A_WIDTH * A_IN];
  noise(bytes, sizeof bytes, 3);
  LiteTensor *image = &fake->tensors[A_IMAGE];
  for (int n = 0; n < batch; n++) {
    for (size_t i = 0; i < sizeof bytes; i++) {
      if (image->type == LITE_FLOAT32) {
        ((float *)image->data)[(size_t)n * sizeof bytes + i] = (float)bytes[i] / 32.0f;
      } else {
        ((int8_t *)image->data)[(size_t)n * sizeof bytes + i] = bytes[i];
      }
    }
  }
}

#endif
