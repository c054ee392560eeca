/* Int8 layers in a fake interpreter, for exercise.c: recognised and run with packed weights, with the
 * outputs of sums written out; and layers that must be left to the interpreter, without a word. */
#include <math.h>

#include "int8_model.h"
#include "w1a8_model.h"

int exercise_int8(void);

static int clamp(double y, int zero_point) {
  const double q = y + zero_point;
  return q < -128 ? -128 : q > 127 ? 127 : (int)q;
}

/* One output of the convolution. */
static int convolved(const fake_interpreter *fake, int row, int column, int channel) {
  const int8_t *x = fake->tensors[INPUT8].data, *w = fake->tensors[WEIGHTS8].data;
  int sum = ((const int32_t *)fake->tensors[BIAS8].data)[channel];
  for (int ky = 0; ky < 3; ky++) {
    for (int kx = 0; kx < 3; kx++) {
      const int y = row + ky - 1, z = column + kx - 1;
      if (y < 0 || y >= SIDE8 || z < 0 || z >= SIDE8) continue;
      for (int i = 0; i < INPUTS8; i++)
        sum += w[((channel * 3 + ky) * 3 + kx) * INPUTS8 + i] * (x[(y * SIDE8 + z) * INPUTS8 + i] + 17);
    }
  }
  const double factor = (double)0.02f * (double)0.001f / (double)0.01f;
  int shift;
  const int64_t multiplier = (int64_t)floor(frexp(factor, &shift) * 2147483648.0 + 0.5);
  const int32_t high = (int32_t)((sum * multiplier + (1 << 30)) >> 31);
  const int32_t mask = (1 << -shift) - 1;
  return clamp((high >> -shift) + ((high & mask) > (mask >> 1) + (high < 0)), 3);
}

static void check_outputs(const fake_interpreter *fake) {
  static int middle[FLAT8];
  for (int i = 0; i < FLAT8; i++) middle[i] = convolved(fake, i / OUTPUTS8 / SIDE8, i / OUTPUTS8 % SIDE8, i % OUTPUTS8);
  const int8_t *w = fake->tensors[WEIGHTS8B].data, *found = fake->tensors[OUTPUT8].data;
  const int batches = fake->tensors[INPUT8].dims->data[0];
  CHECK(fake->tensors[OUTPUT8].dims->data[0] == batches);
  for (int c = 0; c < CLASSES8; c++) {
    int sum = 0;
    for (int i = 0; i < FLAT8; i++) sum += w[(size_t)c * FLAT8 + (size_t)i] * (middle[i] - 3);
    const int expected = clamp(round(sum * ((double)0.01f * (double)0.0001f / (double)0.01f)), -5);
    for (int n = 0; n < batches; n++) CHECK(found[n * CLASSES8 + c] == expected);
  }
}

static void run_packed(int threads) {
  int8_model model;
  int8_create(&model, threads);
  LiteDelegate *delegate = make_packing_delegate(NULL);
  CHECK(fake_delegate(&model.fake, delegate) && model.fake.replaced && model.fake.params.nodes->size == 2);
  const int batches[] = {1, 3, 2};
  for (int round = 0; round < 3; round++) {
    fill_int8(&model.fake, batches[round]);
    if (round == 1) fake_remake(&model.fake);
    CHECK(fake_prepare(&model.fake) && fake_invoke(&model.fake));
    check_outputs(&model.fake);
  }
  fake_destroy(&model.fake);
  tflite_plugin_destroy_delegate(delegate);
}

/* ---- what must be left ---------------------------------------------------------------------------------------------- */

typedef void (*spoil)(int8_model *model);

static LiteTensor *tensor_of(int8_model *model, int index) { return &model->fake.tensors[index]; }
static LiteNode *conv_of(int8_model *model) { return &model->fake.nodes[0].node; }
static void another_magnitude(int8_model *model) { ((int8_t *)tensor_of(model, WEIGHTS8)->data)[5000] = 126; }
static void a_zero_at_the_end(int8_model *model) { ((int8_t *)tensor_of(model, WEIGHTS8)->data)[OUTPUTS8 * 9 * INPUTS8 - 1] = 0; }
static void the_least_weight(int8_model *model) { memset(tensor_of(model, WEIGHTS8)->data, -128, 9 * INPUTS8); }
static void variable_weights(int8_model *model) { tensor_of(model, WEIGHTS8)->allocation_type = LITE_ARENA_RW; }
static void variable_bias(int8_model *model) { tensor_of(model, BIAS8)->allocation_type = LITE_ARENA_RW; }
static void large_bias(int8_model *model) { ((int32_t *)tensor_of(model, BIAS8)->data)[7] = INT32_MAX; }
static void float_input(int8_model *model) { tensor_of(model, INPUT8)->type = LITE_FLOAT32; }
static void unquantized_weights(int8_model *model) { tensor_of(model, WEIGHTS8)->quantization.type = 0; }
static void a_zero_point(int8_model *model) { model->fake.quantizations[WEIGHTS8].zero_point->data[0] = 1; }
static void rescale(int8_model *model, float scale) {
  tensor_of(model, WEIGHTS8)->params.scale = scale;
  model->fake.quantizations[WEIGHTS8].scale->data[0] = scale;
}
static void no_scale(int8_model *model) { rescale(model, 0.0f); }
static void nan_scale(int8_model *model) { rescale(model, NAN); }
static void large_factor(int8_model *model) { rescale(model, 4000.0f); }
static void strange_padding(int8_model *model) { model->conv.padding = 0; }
static void strange_activation(int8_model *model) { model->conv.activation = 4; }
static void zero_stride(int8_model *model) { model->conv.stride_width = 0; }
static void huge_stride(int8_model *model) { model->conv.stride_height = INT32_MAX; }
static void negative_dilation(int8_model *model) { model->conv.dilation_width = -1; }
static void other_stride(int8_model *model) { model->conv.stride_width = 2; } /* its output is not so */
static void no_params(int8_model *model) { conv_of(model)->builtin_data = NULL; }
static void one_input(int8_model *model) { conv_of(model)->inputs->size = 1; }
static void absent_input(int8_model *model) { conv_of(model)->inputs->data[0] = -1; }
static void no_output(int8_model *model) { conv_of(model)->outputs->size = 0; }
static void other_channels(int8_model *model) {
  fake_tensor(&model->fake, INPUT8, LITE_INT8, 4, (int[]){1, SIDE8, SIDE8, INPUTS8 + 1}, NULL);
}
static void flat_weights(int8_model *model) {
  const int8_t one[1] = {1};
  fake_tensor(&model->fake, WEIGHTS8, LITE_INT8, 1, (int[]){1}, one);
}

static void leaves(spoil change, size_t number) {
  int8_model model;
  int8_create(&model, 1);
  change(&model);
  LiteDelegate *delegate = make_packing_delegate(NULL);
  const bool right = fake_delegate(&model.fake, delegate) && model.fake.replaced && model.fake.params.nodes->size == 1 &&
                     model.fake.params.nodes->data[0] == 1 && edgebnn_delegate_message(delegate)[0] == 0;
  if (!right) {
    fprintf(stderr, "spoilt layer %zu was not left: %s\n", number, edgebnn_delegate_message(delegate));
    failures++;
  }
  fake_destroy(&model.fake);
  tflite_plugin_destroy_delegate(delegate);
}

static void leave_all(void) {
  const spoil changes[] = {another_magnitude, a_zero_at_the_end, the_least_weight,    variable_weights,
                           variable_bias,     large_bias,        float_input,         unquantized_weights, a_zero_point,
                           no_scale,          nan_scale,         large_factor,        strange_padding,  strange_activation,
                           zero_stride,       huge_stride,       negative_dilation,   other_stride,     no_params,
                           one_input,         absent_input,      no_output,           other_channels,   flat_weights};
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) leaves(changes[i], i);
}

static void packs_only_if_asked(void) {
  int8_model model;
  int8_create(&model, 1);
  char *keys[] = {"pack_int8"}, *none[] = {"none"}, *wrong[] = {"some"};
  LiteDelegate *delegate = tflite_plugin_create_delegate(keys, none, 1, NULL);
  CHECK(fake_delegate(&model.fake, delegate) && !model.fake.replaced);
  CHECK(tflite_plugin_create_delegate(keys, wrong, 1, NULL) == NULL);
  fake_destroy(&model.fake);
  tflite_plugin_destroy_delegate(delegate);
}

/* The scale of a channel's sums, 2^31 - 1/2, would shift them by 32. */
static void refuses_a_shift_of_32(void) {
  w1a8_model model;
  w1a8_create(&model, 1);
  LiteDelegate *delegate = make_delegate(NULL);
  CHECK(fake_delegate(&model.fake, delegate) && fake_prepare(&model.fake) && fake_invoke(&model.fake));
  model.fake.tensors[W_INPUT].params.scale = 1.0f - 0x1p-16f;
  model.fake.tensors[W_MIDDLE].params.scale = 1.0f;
  ((float *)model.fake.tensors[W_SCALE].data)[7] = 2147483648.0f + 32768.0f;
  fake_remake(&model.fake);
  for (int i = 0; i < 2; i++) {
    CHECK(!fake_prepare(&model.fake) && strstr(edgebnn_delegate_message(delegate), "output channel 7") != NULL);
    CHECK(!fake_invoke(&model.fake));
  }
  fake_destroy(&model.fake);
  tflite_plugin_destroy_delegate(delegate);
}

/* A zero point that no int8 has is refused before anything is reckoned with it. */
static void refuses_a_far_zero_point(void) {
  w1a8_model model;
  w1a8_create(&model, 1);
  LiteDelegate *delegate = make_delegate(NULL);
  model.fake.tensors[W_MIDDLE].params.zero_point = INT32_MAX;
  CHECK(!fake_delegate(&model.fake, delegate));
  CHECK(strstr(edgebnn_delegate_message(delegate), "scale and zero point") != NULL);
  fake_destroy(&model.fake);
  tflite_plugin_destroy_delegate(delegate);
}

int exercise_int8(void) {
  for (int threads = 1; threads <= 4; threads += 3) run_packed(threads);
  leave_all();
  packs_only_if_asked();
  refuses_a_shift_of_32();
  refuses_a_far_zero_point();
  return failures;
}
