/* Models of the binary ops in the fake interpreter, and the options that their ops carry. */
#ifndef EDGEBNN_TESTS_MODELS_H
#define EDGEBNN_TESTS_MODELS_H

#include <assert.h>

#include "fake_interpreter.h"

static int failures;

#define CHECK(condition)                                                  \
  do {                                                                    \
    if (!(condition)) {                                                   \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      failures++;                                                         \
    }                                                                     \
  } while (0)

/* ---- options ---------------------------------------------------------------------------------------------------- */

typedef struct {
  unsigned char bytes[512];
  int size;
} options;

typedef struct {
  const char *key;
  int value;
} entry;

static inline void put32(options *out, uint32_t value) {
  for (int i = 0; i < 4; i++) out->bytes[out->size++] = (unsigned char)(value >> (8 * i));
}

/* A FlexBuffer map of 32-bit integers. */
static inline options make_options(const entry *entries, int count) {
  options out = {.size = 0};
  int keys[16];
  for (int i = 0; i < count; i++) {
    keys[i] = out.size;
    memcpy(out.bytes + out.size, entries[i].key, strlen(entries[i].key) + 1);
    out.size += (int)strlen(entries[i].key) + 1;
  }
  while (out.size % 4) out.bytes[out.size++] = 0;
  put32(&out, (uint32_t)count);
  const int key_vector = out.size;
  for (int i = 0; i < count; i++) put32(&out, (uint32_t)(out.size - keys[i]));
  put32(&out, (uint32_t)(out.size - key_vector));
  put32(&out, 4);
  put32(&out, (uint32_t)count);
  const int values = out.size;
  for (int i = 0; i < count; i++) put32(&out, (uint32_t)entries[i].value);
  for (int i = 0; i < count; i++) out.bytes[out.size++] = 1 << 2 | 2;
  put32(&out, (uint32_t)(out.size - values));
  out.bytes[out.size++] = 9 << 2 | 2;
  out.bytes[out.size++] = 4;
  return out;
}

static inline options conv_options(int channels_in, int padding, int pad_values) {
  const entry entries[] = {{"channels_in", channels_in}, {"dilation_height_factor", 1},
                           {"dilation_width_factor", 1}, {"fused_activation_function", 0},
                           {"pad_values", pad_values},   {"padding", padding},
                           {"stride_height", 1},         {"stride_width", 1}};
  return make_options(entries, 8);
}

static inline options pool_options(int stride) {
  const entry entries[] = {
      {"filter_height", 2}, {"filter_width", 2}, {"padding", 0}, {"stride_height", stride}, {"stride_width", stride}};
  return make_options(entries, 5);
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

enum { IMAGE, PACKED, FILTER1, THRESHOLD, BITS, POOLED, FILTER2, MULTIPLIER, BIAS, CONVOLVED, BACK };
enum { CHANNELS1 = 40, CHANNELS2 = 50, CHANNELS3 = 24 };

typedef struct {
  options conv1, pool, conv2;
  fake_interpreter fake;
} chain;

static inline void noise(void *data, size_t bytes, uint32_t seed) {
  unsigned char *to = data;
  for (size_t i = 0; i < bytes; i++) {
    seed = seed * 1664525u + 1013904223u;
    to[i] = (unsigned char)(seed >> 24);
  }
}

/* Quantize, a convolution with packed output, max pooling, and a convolution with float or int8 output. */
static inline void chain_create(chain *model, int output_type, int threads) {
  fake_interpreter *fake = &model->fake;
  fake_create(fake, threads);
  model->conv1 = conv_options(CHANNELS1, 0, 1);
  model->pool = pool_options(2);
  model->conv2 = conv_options(CHANNELS2, 0, output_type == LITE_FLOAT32 ? 0 : 1);
  uint32_t words[CHANNELS2 * 9 * 2], threshold[CHANNELS2];
  float ones[CHANNELS3];
  for (int i = 0; i < CHANNELS3; i++) ones[i] = 1.0f - 0.25f * (float)i;
  for (int i = 0; i < CHANNELS2; i++) threshold[i] = 170;
  noise(words, sizeof words, 7);
  fake_tensor(fake, IMAGE, LITE_FLOAT32, 4, (int[]){1, 9, 7, CHANNELS1}, NULL);
  fake_tensor(fake, PACKED, LITE_INT32, 4, (int[]){1, 9, 7, 2}, NULL);
  fake_tensor(fake, FILTER1, LITE_INT32, 4, (int[]){CHANNELS2, 3, 3, 2}, words);
  fake_tensor(fake, THRESHOLD, LITE_INT32, 1, (int[]){CHANNELS2}, threshold);
  fake_tensor(fake, BITS, LITE_INT32, 4, (int[]){1, 9, 7, 2}, NULL);
  fake_tensor(fake, POOLED, LITE_INT32, 4, (int[]){1, 5, 4, 2}, NULL);
  fake_tensor(fake, FILTER2, LITE_INT32, 4, (int[]){CHANNELS3, 3, 3, 2}, words);
  fake_tensor(fake, MULTIPLIER, LITE_FLOAT32, 1, (int[]){CHANNELS3}, ones);
  fake_tensor(fake, BIAS, LITE_FLOAT32, 1, (int[]){CHANNELS3}, ones);
  fake_tensor(fake, CONVOLVED, output_type, 4, (int[]){1, 5, 4, CHANNELS3}, NULL);
  if (output_type == LITE_INT8) fake_quantize(fake, CONVOLVED, 0.5f, -3);
  fake_op(fake, "LceQuantize", 1, (int[]){IMAGE}, PACKED, NULL, 0);
  fake_op(fake, "LceBconv2d", 5, (int[]){PACKED, FILTER1, -1, -1, THRESHOLD}, BITS, model->conv1.bytes,
          model->conv1.size);
  fake_op(fake, "LceBMaxPool2d", 1, (int[]){BITS}, POOLED, model->pool.bytes, model->pool.size);
  fake_op(fake, "LceBconv2d", 5, (int[]){POOLED, FILTER2, MULTIPLIER, BIAS, -1}, CONVOLVED, model->conv2.bytes,
          model->conv2.size);
}

typedef struct {
  options conv;
  fake_interpreter fake;
} residual;

enum { FIRST = BACK + 1, FIRST_SUM, PACKED_SUM, SECOND, SECOND_SUM };

/* Two blocks: quantize, a convolution with float output, and the sum of that and of what was quantized. */
static inline void residual_create(residual *model, int threads) {
  fake_interpreter *fake = &model->fake;
  fake_create(fake, threads);
  model->conv = conv_options(CHANNELS1, 0, 1);
  uint32_t words[CHANNELS1 * 9 * 2];
  float factors[CHANNELS1];
  for (int i = 0; i < CHANNELS1; i++) factors[i] = 1.0f - 0.25f * (float)i;
  noise(words, sizeof words, 7);
  const int image[] = {1, 9, 7, CHANNELS1}, bits[] = {1, 9, 7, 2};
  static const int none = 0; /* no activation */
  fake_tensor(fake, IMAGE, LITE_FLOAT32, 4, image, NULL);
  fake_tensor(fake, FILTER1, LITE_INT32, 4, (int[]){CHANNELS1, 3, 3, 2}, words);
  fake_tensor(fake, MULTIPLIER, LITE_FLOAT32, 1, (int[]){CHANNELS1}, factors);
  const int from[] = {IMAGE, FIRST_SUM}, packed[] = {PACKED, PACKED_SUM};
  for (int block = 0; block < 2; block++) {
    const int convolved = block == 0 ? FIRST : SECOND, sum = block == 0 ? FIRST_SUM : SECOND_SUM;
    fake_tensor(fake, packed[block], LITE_INT32, 4, bits, NULL);
    fake_tensor(fake, convolved, LITE_FLOAT32, 4, image, NULL);
    fake_tensor(fake, sum, LITE_FLOAT32, 4, image, NULL);
    fake_op(fake, "LceQuantize", 1, &from[block], packed[block], NULL, 0);
    fake_op(fake, "LceBconv2d", 5, (int[]){packed[block], FILTER1, MULTIPLIER, MULTIPLIER, -1}, convolved,
            model->conv.bytes, model->conv.size);
    fake_builtin(fake, LITE_BUILTIN_ADD, 2, (int[]){from[block], convolved}, sum, &none);
  }
}

/* `kernel` NULL: the best one. */
static inline LiteDelegate *make_delegate(const char *kernel) {
  char *keys[] = {"log", "kernels"}, *values[] = {"0", (char *)kernel};
  LiteDelegate *delegate = tflite_plugin_create_delegate(keys, values, kernel == NULL ? 1 : 2, NULL);
  assert(delegate != NULL);
  return delegate;
}

static inline void fill_image(fake_interpreter *fake, int batch) {
  fake_resize_tensor(&fake->context, &fake->tensors[IMAGE], int_array(4, (int[]){batch, 9, 7, CHANNELS1}));
  float *image = fake->tensors[IMAGE].data;
  signed char bytes[9 * 7 * CHANNELS1];
  noise(bytes, sizeof bytes, 3);
  for (int n = 0; n < batch; n++) {
    for (size_t i = 0; i < sizeof bytes; i++) image[(size_t)n * sizeof bytes + i] = bytes[i];
  }
}

/* Signs of two images of 3 pixels and 33 channels, unpacked. */
static inline void dequantize_create(fake_interpreter *fake, int output_type, int threads) {
  fake_create(fake, threads);
  fake_tensor(fake, PACKED, LITE_INT32, 3, (int[]){2, 3, 2}, NULL);
  fake_tensor(fake, BACK, output_type, 3, (int[]){1, 3, 33}, NULL);
  if (output_type == LITE_INT8) fake_quantize(fake, BACK, 0.01f, 5);
  fake_op(fake, "LceDequantize", 1, (int[]){PACKED}, BACK, NULL, 0);
  noise(fake->tensors[PACKED].data, fake->tensors[PACKED].bytes, 1);
}

#endif
