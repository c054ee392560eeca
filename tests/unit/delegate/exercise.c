/* Drives the delegate through a fake interpreter, to be run under the address and undefined-behaviour sanitizers:
 * models of all four ops, prepared, resized, freed and made again; nodes that do not fit; and hostile options. */
#include "flexbuffer.h"
#include "models.h"

/* exercise_int8.c, exercise_around.c and failing.c: how many checks failed. */
int exercise_int8(void);
int exercise_around(void);
int exercise_failing(void);

/* Every sample of every batch is the same image: so must be the outputs, whatever batch, threads and remaking. */
static void run_chain(int output_type, int threads) {
  chain model;
  chain_create(&model, output_type, threads);
  fake_interpreter *fake = &model.fake;
  LiteDelegate *delegate = make_delegate(NULL);
  CHECK(fake_delegate(fake, delegate));
  unsigned char first[5 * 4 * CHANNELS3 * 4];
  const int batches[] = {1, 4, 2, 1, 3};
  for (int round = 0; round < 5; round++) {
    fill_image(fake, batches[round]);
    if (round == 2) fake_remake(fake);
    CHECK(fake_prepare(fake));
    if (round == 3) CHECK(fake_prepare(fake));
    CHECK(fake->nodes[fake->node_count].node.temporaries->size == 2); /* the first is over when the third begins */
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

/* The sum of both blocks, for the caller to free. `keep` every tensor: nothing becomes one step. */
static float *run_residual(char *keep, int threads, size_t *bytes) {
  residual model;
  residual_create(&model, threads);
  fake_interpreter *fake = &model.fake;
  char *keys[] = {"log", "keep_tensors"}, *values[] = {"0", keep};
  LiteDelegate *delegate = tflite_plugin_create_delegate(keys, values, 2, NULL);
  CHECK(fake_delegate(fake, delegate));
  fill_image(fake, 2);
  CHECK(fake_prepare(fake));
  CHECK(fake_invoke(fake) && fake_invoke(fake));
  /* words and the first sum, in whose place the second would be, were it not an output */
  CHECK(fake->nodes[fake->node_count].node.temporaries->size == (*keep == '1' ? 5 : 2));
  *bytes = fake->tensors[SECOND_SUM].bytes;
  float *sum = malloc(*bytes);
  memcpy(sum, fake->tensors[SECOND_SUM].data, *bytes);
  fake_destroy(fake);
  tflite_plugin_destroy_delegate(delegate);
  return sum;
}

static void run_residuals(void) {
  for (int threads = 1; threads <= 4; threads += 3) {
    size_t bytes, expected_bytes;
    float *sum = run_residual("0", threads, &bytes), *expected = run_residual("1", threads, &expected_bytes);
    CHECK(bytes == 2 * 9 * 7 * CHANNELS1 * sizeof(float) && bytes == expected_bytes);
    CHECK(memcmp(sum, expected, bytes) == 0);
    free(sum);
    free(expected);
  }
}

static void run_dequantize(void) {
  const int types[] = {LITE_FLOAT32, LITE_INT8, LITE_BOOL};
  for (int i = 0; i < 3; i++) {
    fake_interpreter fake;
    dequantize_create(&fake, types[i], 2);
    LiteDelegate *delegate = make_delegate(NULL);
    CHECK(fake_delegate(&fake, delegate) && fake_prepare(&fake) && fake_invoke(&fake));
    CHECK(fake.tensors[BACK].dims->data[0] == 2);
    fake_destroy(&fake);
    tflite_plugin_destroy_delegate(delegate);
  }
}

/* An addition that runs by itself is cut for the present size, whatever it was before. */
static void cut_after_resize(void) {
  residual model;
  residual_create(&model, 2);
  fake_interpreter *fake = &model.fake;
  char *keys[] = {"log", "keep_tensors"}, *values[] = {"0", "1"};
  LiteDelegate *delegate = tflite_plugin_create_delegate(keys, values, 2, NULL);
  int64_t grains[3][6];
  const int batches[] = {1, 64, 1};
  CHECK(fake_delegate(fake, delegate));
  for (int round = 0; round < 3; round++) {
    fill_image(fake, batches[round]);
    CHECK(fake_prepare(fake));
    const eb_partition *partition = fake->nodes[fake->node_count].node.user_data;
    CHECK(partition->count == 6 && strcmp(partition->ops[2].kind->custom_code, "ADD") == 0);
    for (int i = 0; i < 6; i++) grains[round][i] = partition->ops[i].units.grain;
  }
  CHECK(memcmp(grains[0], grains[2], sizeof grains[0]) == 0);
  CHECK(grains[1][2] > grains[0][2]); /* the first addition */
  fake_destroy(fake);
  tflite_plugin_destroy_delegate(delegate);
}

/* What was refused once is not said of what fails later, and not at all once it is mended. */
static void refusals_end(void) {
  chain model;
  chain_create(&model, LITE_FLOAT32, 1);
  fake_interpreter *fake = &model.fake;
  LiteDelegate *delegate = make_delegate(NULL);
  fake->tensors[BIAS].allocation_type = LITE_ARENA_RW;
  CHECK(!fake_delegate(fake, delegate) && strstr(edgebnn_delegate_message(delegate), "bias") != NULL);
  edgebnn_delegate_forget(delegate);
  CHECK(edgebnn_delegate_message(delegate)[0] == 0);
  CHECK(!fake_delegate(fake, delegate) && edgebnn_delegate_message(delegate)[0] != 0);
  fake->tensors[BIAS].allocation_type = LITE_MMAP_RO;
  CHECK(fake_delegate(fake, delegate) && edgebnn_delegate_message(delegate)[0] == 0);
  fake_resize_tensor(&fake->context, &fake->tensors[IMAGE], int_array(1, (int[]){9}));
  CHECK(!fake_prepare(fake) && strstr(edgebnn_delegate_message(delegate), "LceQuantize") != NULL && !fake_invoke(fake));
  fill_image(fake, 2);
  CHECK(fake_prepare(fake) && edgebnn_delegate_message(delegate)[0] == 0 && fake_invoke(fake));
  fake_destroy(fake);
  tflite_plugin_destroy_delegate(delegate);
}

/* A partition that cannot be made says why, each time. */
static void unusable_partitions_say_why(void) {
  chain model;
  chain_create(&model, LITE_FLOAT32, 1);
  fake_interpreter *fake = &model.fake;
  LiteDelegate *delegate = make_delegate(NULL);
  CHECK(fake_delegate(fake, delegate));
  fake->tensors[BIAS].allocation_type = LITE_ARENA_RW;
  fake_remake(fake);
  fill_image(fake, 1);
  for (int i = 0; i < 2; i++) {
    CHECK(!fake_prepare(fake) && strstr(fake->error, "bias") != NULL && !fake_invoke(fake));
    CHECK(edgebnn_profile_read(delegate, NULL, 0) == 3); /* what could be read before it */
    fake->error[0] = 0;
    edgebnn_delegate_forget(delegate);
  }
  fake_destroy(fake);
  tflite_plugin_destroy_delegate(delegate);
}

/* The interpreter may outlive its owner's delegate. */
static void destroy_early(void) {
  fake_interpreter fake;
  dequantize_create(&fake, LITE_FLOAT32, 2);
  LiteDelegate *delegate = make_delegate(NULL);
  CHECK(fake_delegate(&fake, delegate) && fake_prepare(&fake));
  tflite_plugin_destroy_delegate(delegate);
  CHECK(fake_invoke(&fake));
  fake_destroy(&fake);
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
  LiteDelegate *delegate = make_delegate(NULL);
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
  LiteDelegate *delegate = make_delegate(NULL);
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
  run_residuals();
  run_dequantize();
  destroy_early();
  cut_after_resize();
  refusals_end();
  unusable_partitions_say_why();
  refuse_all();
  bad_delegate_options();
  hostile_options();
  failures += exercise_int8() + exercise_around() + exercise_failing();
  if (failures == 0) puts("delegate: all as expected");
  return failures != 0;
}
