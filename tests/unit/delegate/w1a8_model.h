/* Layers of our custom ops with 1-bit weights and int8 activations in the fake interpreter. */
#ifndef EDGEBNN_TESTS_W1A8_MODEL_H
#define EDGEBNN_TESTS_W1A8_MODEL_H

#include "models.h"

enum { W_INPUT, W_FILTER, W_SCALE, W_MAGNITUDE, W_BIAS, W_MIDDLE, W_FILTER2, W_SCALE2, W_MAGNITUDE2, W_DEPTH, W_FILTER3, W_OUTPUT };
enum { W_SIDE = 5, W_INPUTS = 37, W_CHANNELS = 42, W_CLASSES = 9, W_FLAT = W_SIDE * W_SIDE * W_CHANNELS };

typedef struct {
  options conv, depthwise, dense;
  fake_interpreter fake;
} w1a8_model;

static inline options w1a8_options(int channels_in, int depthwise) {
  const entry entries[] = {{"version", 1},
                           {"fused_activation_function", 0},
                           {"stride_height", 1},
                           {"stride_width", 1},
                           {"dilation_height_factor", 1},
                           {"dilation_width_factor", 1},
                           {"padding", 0},
                           {"channels_in", channels_in},
                           {"groups", 1},
                           {"depthwise", depthwise}};
  return make_options(entries, 10);
}

/* A convolution, a depthwise layer over its output, and a dense layer without bias over all of that. */
static inline void w1a8_create(w1a8_model *model, int threads) {
  fake_interpreter *fake = &model->fake;
  fake_create(fake, threads);
  static uint32_t words[W_CLASSES * (W_FLAT + 31) / 32 + W_CHANNELS * 9 * 2];
  float scales[W_CHANNELS];
  int8_t magnitudes[W_CHANNELS];
  int32_t bias[W_CHANNELS];
  noise(words, sizeof words, 11);
  for (int c = 0; c < W_CHANNELS; c++) {
    scales[c] = 0.002f + 0.0001f * (float)c;
    magnitudes[c] = (int8_t)(1 + c);
    bias[c] = 100 * (c - 20);
  }
  const entry dense[] = {
      {"version", 1}, {"fused_activation_function", 0}, {"channels_in", W_FLAT}, {"keep_num_dims", 0}};
  model->conv = w1a8_options(W_INPUTS, 0);
  model->depthwise = w1a8_options(W_CHANNELS, 1);
  model->dense = make_options(dense, 4);
  fake_tensor(fake, W_INPUT, LITE_INT8, 4, (int[]){1, W_SIDE, W_SIDE, W_INPUTS}, NULL);
  fake_tensor(fake, W_FILTER, LITE_INT32, 4, (int[]){W_CHANNELS, 3, 3, 2}, words);
  fake_tensor(fake, W_SCALE, LITE_FLOAT32, 1, (int[]){W_CHANNELS}, scales);
  fake_tensor(fake, W_MAGNITUDE, LITE_INT8, 1, (int[]){W_CHANNELS}, magnitudes);
  fake_tensor(fake, W_BIAS, LITE_INT32, 1, (int[]){W_CHANNELS}, bias);
  fake_tensor(fake, W_MIDDLE, LITE_INT8, 4, (int[]){1, W_SIDE, W_SIDE, W_CHANNELS}, NULL);
  fake_tensor(fake, W_FILTER2, LITE_INT32, 4, (int[]){1, 3, 3, 2}, words);
  fake_tensor(fake, W_DEPTH, LITE_INT8, 4, (int[]){1, W_SIDE, W_SIDE, W_CHANNELS}, NULL);
  fake_tensor(fake, W_FILTER3, LITE_INT32, 2, (int[]){W_CLASSES, (W_FLAT + 31) / 32}, words);
  fake_tensor(fake, W_SCALE2, LITE_FLOAT32, 1, (int[]){W_CLASSES}, scales);
  fake_tensor(fake, W_MAGNITUDE2, LITE_INT8, 1, (int[]){W_CLASSES}, magnitudes);
  fake_tensor(fake, W_OUTPUT, LITE_INT8, 2, (int[]){1, W_CLASSES}, NULL);
  fake_quantize(fake, W_INPUT, 0.02f, -17);
  fake_quantize(fake, W_MIDDLE, 0.05f, 3);
  fake_quantize(fake, W_DEPTH, 0.05f, 30);
  fake_quantize(fake, W_OUTPUT, 0.03f, -5);
  fake_op(fake, "EdgebnnConv2dW1A8", 5, (int[]){W_INPUT, W_FILTER, W_SCALE, W_MAGNITUDE, W_BIAS}, W_MIDDLE,
          model->conv.bytes, model->conv.size);
  fake_op(fake, "EdgebnnConv2dW1A8", 5, (int[]){W_MIDDLE, W_FILTER2, W_SCALE, W_MAGNITUDE, -1}, W_DEPTH,
          model->depthwise.bytes, model->depthwise.size);
  fake_op(fake, "EdgebnnDenseW1A8", 5, (int[]){W_DEPTH, W_FILTER3, W_SCALE2, W_MAGNITUDE2, -1}, W_OUTPUT,
          model->dense.bytes, model->dense.size);
}

#endif
