/* Counts the steps (basic blocks) that the delegate takes over graphs of many ops: they must grow with the number of ops, not
 * with its square. The delegate is compiled with -fsanitize-coverage=trace-pc, this file without. */
#define FAKE_TENSORS 20100
#define FAKE_NODES 20000
#include "models.h"

static unsigned long long steps;
void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) { steps++; }

static fake_interpreter fake;
static options conv, pool;
static LiteAddParams no_activation;

enum { FILTER, FACTORS, FIRST_TENSOR };
enum { WORDS, FLOATS };

static int tensor(int index, int kind) {
  fake_tensor(&fake, index, kind == WORDS ? LITE_INT32 : LITE_FLOAT32, 4, (int[]){1, 1, 1, kind == WORDS ? 1 : 32}, NULL);
  return index;
}

static void quantize(int from, int to) { fake_op(&fake, "LceQuantize", 1, &from, tensor(to, WORDS), NULL, 0); }
static void pool_one(int from, int to) {
  fake_op(&fake, "LceBMaxPool2d", 1, &from, tensor(to, WORDS), pool.bytes, pool.size);
}
static void convolve(int from, int to) {
  const int inputs[] = {from, FILTER, FACTORS, FACTORS, -1};
  fake_op(&fake, "LceBconv2d", 5, inputs, tensor(to, FLOATS), conv.bytes, conv.size);
}
static void add(int a, int b, int to) {
  fake_builtin(&fake, LITE_BUILTIN_ADD, 2, (int[]){a, b}, tensor(to, FLOATS), &no_activation);
}

/* ---- graphs of `count` ops, from tensor FIRST_TENSOR on ---------------------------------------------------------------- */

static void one_after_another(int count) {
  quantize(FIRST_TENSOR, FIRST_TENSOR + 1);
  for (int i = 1; i < count; i++) pool_one(FIRST_TENSOR + i, FIRST_TENSOR + i + 1);
}

/* Half of the ops give what the other half reads, first come, last served. */
static void all_alive(int count) {
  const int half = count / 2;
  for (int i = 0; i < half; i++) quantize(FIRST_TENSOR, FIRST_TENSOR + 1 + i);
  for (int i = 0; i < half; i++) pool_one(FIRST_TENSOR + half - i, FIRST_TENSOR + 1 + half + i);
}

static void residual_blocks(int count) {
  int at = FIRST_TENSOR;
  for (int i = 0; i + 3 <= count; i += 3, at += 3) {
    quantize(at, at + 1);
    convolve(at + 1, at + 2);
    add(at, at + 2, at + 3);
  }
}

/* Convolutions of one input, each added to two others: none can be joined. */
static void sums_of_sums(int count) {
  const int third = count / 3, words = FIRST_TENSOR + 1, first = FIRST_TENSOR + 2;
  quantize(FIRST_TENSOR, words);
  for (int i = 0; i < third; i++) convolve(words, first + i);
  for (int i = 0; i + 1 < 2 * third; i++) add(first + i % third, first + (i + 1) % third, first + third + i);
}

/* ---- counting ---------------------------------------------------------------------------------------------------------- */

/* Makes a partition of each op, as where others stand between ours; they are freed in their order. */
static LiteDelegateParams parts[MAX_NODES];
static LiteNode part_nodes[MAX_NODES];
static int part_count;

static int replace_each(LiteContext *context, LiteRegistration registration, const LiteIntArray *nodes,
                        LiteDelegate *delegate) {
  fake.partition = registration;
  for (part_count = 0; part_count < nodes->size; part_count++) {
    const int index = nodes->data[part_count];
    const LiteNode *node = &fake.nodes[index].node;
    LiteDelegateParams *params = &parts[part_count];
    *params = (LiteDelegateParams){delegate, int_array(1, &index), node->inputs, node->outputs};
    part_nodes[part_count] = (LiteNode){.inputs = node->inputs, .outputs = node->outputs};
    part_nodes[part_count].user_data = registration.init(context, (const char *)params, 0);
  }
  return LITE_OK;
}

static void run_parts(void) {
  for (int i = 0; i < part_count; i++) {
    CHECK(fake.partition.prepare(&fake.context, &part_nodes[i]) == LITE_OK);
    CHECK(fake.partition.invoke(&fake.context, &part_nodes[i]) == LITE_OK);
  }
}

static void free_parts(void) {
  for (int i = 0; i < part_count; i++) {
    fake.partition.free(&fake.context, part_nodes[i].user_data);
    free(part_nodes[i].temporaries);
    free(parts[i].nodes);
  }
  part_count = 0;
}

static double steps_of(void (*graph)(int count), int count, bool apart) {
  const uint32_t word = 0x5a5a5a5au;
  float factors[32] = {0};
  uint32_t filter[32];
  for (int i = 0; i < 32; i++) filter[i] = word << i % 7;
  fake_create(&fake, 1);
  fake_tensor(&fake, FILTER, LITE_INT32, 4, (int[]){32, 1, 1, 1}, filter);
  fake_tensor(&fake, FACTORS, LITE_FLOAT32, 1, (int[]){32}, factors);
  tensor(FIRST_TENSOR, FLOATS);
  graph(count);
  if (apart) fake.context.replace_node_subsets = replace_each;
  LiteDelegate *delegate = make_delegate(NULL);
  steps = 0;
  CHECK(fake_delegate(&fake, delegate));
  if (apart) {
    run_parts();
    free_parts();
  } else {
    CHECK(fake_prepare(&fake) && fake_invoke(&fake));
  }
  fake_destroy(&fake);
  tflite_plugin_destroy_delegate(delegate);
  return (double)steps;
}

static void grows_evenly(const char *name, void (*graph)(int count), bool apart) {
  const int few = 1000, many = 20000;
  const double first = steps_of(graph, few, apart) / few, last = steps_of(graph, many, apart) / many;
  fprintf(stderr, "%s: %.0f steps an op of %d, %.0f of %d\n", name, first, few, last, many);
  CHECK(last < 2 * first); /* sorting takes half as much again, a square would take twenty times as much */
}

int main(void) {
  const entry stride[] = {
      {"filter_height", 1}, {"filter_width", 1}, {"padding", 0}, {"stride_height", 1}, {"stride_width", 1}};
  pool = make_options(stride, 5);
  conv = conv_options(32, 0, 1);
  grows_evenly("one after another", one_after_another, false);
  grows_evenly("all alive", all_alive, false);
  grows_evenly("residual blocks", residual_blocks, false);
  grows_evenly("sums of sums", sums_of_sums, false);
  grows_evenly("partitions of one op", all_alive, true);
  if (failures == 0) puts("work grows with the number of ops");
  return failures != 0;
}
