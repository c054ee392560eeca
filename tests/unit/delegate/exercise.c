/* Drives the delegate through a fake interpreter, to be run under the address and undefined-behaviour sanitizers:
 * models of all four ops, prepared, resized, freed and made again; nodes that do not fit; and hostile options. */
#include <assert.h>

#include "fake_interpreter.h"
#include "flexbuffer.h"

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

static void put32(options *out, uint32_t value) {
  for (int i = 0; i < 4; i++) out->bytes[out->size++] = (unsigned char)(value >> (8 * i));
}

/* A FlexBuffer map of 32-bit integers. */
static options make_options(const entry *entries, int count) {
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

static options conv_options(int channels_in, int padding, int pad_values) {
  const entry entries[] = {{"channels_in", channels_in}, {"dilation_height_factor", 1},
                           {"dilation_width_factor", 1}, {"fused_activation_function", 0},
                           {"pad_values", pad_values},   {"padding", padding},
                           {"stride_height", 1},         {"stride_width", 1}};
  return make_options(entries, 8);
}

static options pool_options(int stride) {
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

static void noise(void *data, size_t bytes, uint32_t seed) {
  unsigned char *to = data;
  for (size_t i = 0; i < bytes; i++) {
    seed = seed * 1664525u + 1013904223u;
    to[i] = (unsigned char)(seed >> 24);
  }
}

/* Quantize, a convolution with packed output, max pooling, and a convolution with float or int8 output. */
static void chain_create(chain *model, int output_type, int threads) {
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

static LiteDelegate *make_delegate(void) {
  char *keys[] = {"log"}, *values[] = {"0"};
  LiteDelegate *delegate = tflite_plugin_create_delegate(keys, values, 1, NULL);
  assert(delegate != NULL);
  return delegate;
}

static void fill_image(fake_interpreter *fake, int batch) {
  fake_resize_tensor(&fake->context, &fake->tensors[IMAGE], int_array(4, (int[]){batch, 9, 7, CHANNELS1}));
  float *image = fake->tensors[IMAGE].data;
  signed char bytes[9 * 7 * CHANNELS1];
  noise(bytes, sizeof bytes, 3);
  for (int n = 0; n < batch; n++) {
    for (size_t i = 0; i < sizeof bytes; i++) image[(size_t)n * sizeof bytes + i] = bytes[i];
  }
}

/* Every sample of every batch is the same image: so must be the outputs, whatever batch, threads and remaking. */
static void run_chain(int output_type, int threads) {
  chain model;
  chain_create(&model, output_type, threads);
  fake_interpreter *fake = &model.fake;
  LiteDelegate *delegate = make_delegate();
  CHECK(fake_delegate(fake, delegate));
  unsigned char first[5 * 4 * CHANNELS3 * 4];
  const int batches[] = {1, 4, 2, 1, 3};
  for (int round = 0; round < 5; round++) {
    fill_image(fake, batches[round]);
    if (round == 2) fake_remake(fake);
    CHECK(fake_prepare(fake));
    if (round == 3) CHECK(fake_prepare(fake));
    CHECK(fake->nodes[fake->node_count].node.temporaries->size == 3);
    CHECK(fake->tensors[CONVOLVED].dims->data[0] == batches[round]);
    CHECK(fake_invoke(fake));
    const size_t each = fake->tensors[CONVOLVED].bytes / (size_t)batches[round];
    if (round == 0) memcpy(first, fake->tensors[CONVOLVED].data, each);
    for (int n = 0; n < batches[round]; n++)
      CHECK(memcmp((char *)fake->tensors[CONVOLVED].data + (size_t)n * each, first, each) == 0);
  }
  fake_destroy(fake);
  tflite_plugin_destroy_delegate(delegate);
}

static void run_dequantize(void) {
  const int types[] = {LITE_FLOAT32, LITE_INT8, LITE_BOOL};
  for (int i = 0; i < 3; i++) {
    fake_interpreter fake;
    fake_create(&fake, 2);
    fake_tensor(&fake, PACKED, LITE_INT32, 3, (int[]){2, 3, 2}, NULL);
    fake_tensor(&fake, BACK, types[i], 3, (int[]){1, 3, 33}, NULL);
    if (types[i] == LITE_INT8) fake_quantize(&fake, BACK, 0.01f, 5);
    fake_op(&fake, "LceDequantize", 1, (int[]){PACKED}, BACK, NULL, 0);
    LiteDelegate *delegate = make_delegate();
    noise(fake.tensors[PACKED].data, fake.tensors[PACKED].bytes, 1);
    CHECK(fake_delegate(&fake, delegate) && fake_prepare(&fake) && fake_invoke(&fake));
    CHECK(fake.tensors[BACK].dims->data[0] == 2);
    fake_destroy(&fake);
    tflite_plugin_destroy_delegate(delegate);
  }
}

/* ---- what must be refused ----------------------------------------------------------------------------------------- */

typedef void (*spoil)(chain *model);

static LiteNode *node_of(chain *model, int index) { return &model->fake.nodes[index].node; }
static void fewer_inputs(chain *model) { node_of(model, 1)->inputs->size = 4; }
static void no_outputs(chain *model) { node_of(model, 1)->outputs->size = 0; }
static void absent_filter(chain *model) { node_of(model, 1)->inputs->data[1] = -1; }
static void absent_threshold(chain *model) { node_of(model, 1)->inputs->data[4] = -1; }
static void absent_bias(chain *model) { node_of(model, 3)->inputs->data[3] = -1; }
static void absent_input(chain *model) { node_of(model, 0)->inputs->data[0] = -1; }
static void variable_filter(chain *model) { model->fake.tensors[FILTER1].allocation_type = LITE_ARENA_RW; }
static void variable_bias(chain *model) { model->fake.tensors[BIAS].allocation_type = LITE_ARENA_RW; }
static void float_filter(chain *model) { model->fake.tensors[FILTER1].type = LITE_FLOAT32; }
static void integer_image(chain *model) { model->fake.tensors[IMAGE].type = LITE_INT32; }
static void bool_output(chain *model) {
  fake_tensor(&model->fake, CONVOLVED, LITE_BOOL, 4, (int[]){1, 5, 4, CHANNELS3}, NULL);
}
static void unscaled_output(chain *model) {
  fake_tensor(&model->fake, CONVOLVED, LITE_INT8, 4, (int[]){1, 5, 4, CHANNELS3}, NULL);
}
static void flat_output(chain *model) { fake_tensor(&model->fake, CONVOLVED, LITE_FLOAT32, 1, (int[]){480}, NULL); }
static void flat_image(chain *model) { fake_tensor(&model->fake, IMAGE, LITE_FLOAT32, 1, (int[]){9}, NULL); }
static void long_bias(chain *model) {
  const float values[CHANNELS3 + 1] = {0};
  fake_tensor(&model->fake, BIAS, LITE_FLOAT32, 1, (int[]){CHANNELS3 + 1}, values);
}
static void other_channels(chain *model) { model->conv1 = conv_options(CHANNELS1 + 32, 0, 1); }
static void no_channels(chain *model) { model->conv1 = conv_options(0, 0, 1); }
static void strange_padding(chain *model) { model->conv1 = conv_options(CHANNELS1, 7, 1); }
static void strange_pad_value(chain *model) { model->conv1 = conv_options(CHANNELS1, 0, 2); }
static void zero_stride(chain *model) { model->pool = pool_options(0); }
static void no_options(chain *model) { node_of(model, 1)->custom_initial_data_size = 0; }
static void missing_option(chain *model) { memcpy(strstr((char *)model->conv1.bytes, "channels_in"), "k", 2); }

static void refuses(spoil change, const char *op) {
  chain model;
  chain_create(&model, LITE_FLOAT32, 1);
  change(&model);
  LiteDelegate *delegate = make_delegate();
  const bool accepted = fake_delegate(&model.fake, delegate) && fake_prepare(&model.fake);
  if (accepted || strstr(edgebnn_delegate_message(delegate), op) == NULL || edgebnn_delegate_mismatch(delegate)) {
    fprintf(stderr, "not refused by %s: %s\n", op, edgebnn_delegate_message(delegate));
    failures++;
  }
  CHECK(accepted || strcmp(model.fake.error, edgebnn_delegate_message(delegate)) == 0);
  fake_destroy(&model.fake);
  tflite_plugin_destroy_delegate(delegate);
}

static void refuse_all(void) {
  const spoil convolutions[] = {fewer_inputs,   no_outputs,      absent_filter,   absent_threshold,  absent_bias,
                                variable_filter, variable_bias,  float_filter,    bool_output,       unscaled_output,
                                flat_output,    long_bias,       other_channels,  no_channels,       strange_padding,
                                strange_pad_value, no_options,   missing_option};
  for (size_t i = 0; i < sizeof convolutions / sizeof *convolutions; i++) refuses(convolutions[i], "LceBconv2d '");
  refuses(absent_input, "LceQuantize 'tensor'");
  refuses(integer_image, "LceQuantize 'tensor'");
  refuses(flat_image, "LceQuantize 'tensor'");
  refuses(zero_stride, "LceBMaxPool2d 'tensor'");
}

/* ---- hostile options ----------------------------------------------------------------------------------------------- */

/* The options end exactly where an allocation does, so that reading behind them is seen. */
static void try_options(const unsigned char *bytes, int size) {
  unsigned char *copy = malloc((size_t)size + (size == 0));
  memcpy(copy, bytes, (size_t)size);
  chain model;
  chain_create(&model, LITE_FLOAT32, 1);
  node_of(&model, 1)->custom_initial_data = copy;
  node_of(&model, 1)->custom_initial_data_size = size;
  LiteDelegate *delegate = make_delegate();
  if (fake_delegate(&model.fake, delegate)) {
    fill_image(&model.fake, 1);
    if (fake_prepare(&model.fake)) CHECK(fake_invoke(&model.fake));
  }
  fake_destroy(&model.fake);
  tflite_plugin_destroy_delegate(delegate);
  FlexMap map;
  int64_t value;
  if (flex_map_open(&map, copy, (size_t)size)) flex_map_int(&map, "padding", &value);
  free(copy);
}

static void hostile_options(void) {
  const options good = conv_options(CHANNELS1, 0, 1);
  for (int size = 0; size < good.size; size++) try_options(good.bytes, size);
  const unsigned char values[] = {0, 1, 2, 4, 8, 127, 128, 255};
  for (int at = 0; at < good.size; at++) {
    for (size_t v = 0; v < sizeof values; v++) {
      options bad = good;
      bad.bytes[at] = values[v];
      try_options(bad.bytes, bad.size);
    }
  }
  for (uint32_t seed = 0; seed < 2000; seed++) {
    unsigned char bytes[64];
    noise(bytes, sizeof bytes, seed);
    FlexMap map;
    int64_t value;
    if (flex_map_open(&map, bytes, 1 + seed % sizeof bytes)) flex_map_int(&map, "", &value);
  }
}

static void bad_delegate_options(void) {
  char *keys[] = {"num_threads", "num_threads", "kernels", "profile", "colour"};
  char *values[] = {"many", "-1", "no such kernel", "2", "red"};
  for (int i = 0; i < 5; i++) CHECK(tflite_plugin_create_delegate(&keys[i], &values[i], 1, NULL) == NULL);
}

int main(void) {
  const int types[] = {LITE_FLOAT32, LITE_INT8};
  for (int i = 0; i < 2; i++) {
    for (int threads = 1; threads <= 4; threads += 3) run_chain(types[i], threads);
  }
  run_dequantize();
  refuse_all();
  bad_delegate_options();
  hostile_options();
  if (failures == 0) puts("delegate: all as expected");
  return failures != 0;
}
