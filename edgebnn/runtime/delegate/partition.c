/* One partition of the graph: a run of LCE ops that the interpreter hands to the delegate as a single node.
 *
 * The interpreter may prepare a partition again at any time (a resized input) and may free and initialise it again;
 * tensors inside a partition have no memory of their own, so they are resized and listed as the node's temporaries,
 * which gives them a place in the interpreter's arena. A prepare that fails leaves nothing that the next would take for
 * done, and nothing is invoked before one has succeeded. */
#include <stdlib.h>
#include <string.h>

#include "claim.h"
#include "delegate.h"
#include "op_kinds.h"
#include "op_steps.h"
#include "system.h"

/* Into about so many for each thread is work cut that can be cut anywhere. */
enum { PORTIONS = 8 };

static void release(eb_partition *partition) {
  for (int i = 0; i < partition->count; i++) {
    eb_op *op = &partition->ops[i];
    if (op->kind == NULL) continue; /* another has its steps */
    if (op->kind->release != NULL) op->kind->release(op);
    eb_steps_release(op);
  }
  free(partition->ops);
  free(partition->refusal);
  eb_free(partition->scratch);
  free(partition);
}

static bool read_op(eb_delegate *delegate, LiteContext *context, int index, eb_op *op) {
  if (eb_take_claimed(delegate, index, op)) return true;
  LiteNode *node;
  LiteRegistration *registration;
  if (context->get_node_and_registration(context, index, &node, &registration) != LITE_OK)
    return eb_refuse(delegate, "node %d cannot be read", index);
  if (registration->builtin_code == LITE_BUILTIN_CUSTOM) {
    const eb_op_kind *kind = eb_op_kind_of(registration->custom_name);
    if (kind != NULL) return eb_op_read(delegate, context, node, index, kind, op);
  } else if (eb_builtin_recognize(delegate, context, node, index, registration->builtin_code, op)) {
    return true;
  }
  return eb_refuse(delegate, "node %d has changed since it was chosen", index);
}

static bool read_ops(eb_partition *partition, LiteContext *context, const LiteIntArray *nodes) {
  partition->ops = calloc((size_t)nodes->size, sizeof(eb_op));
  if (partition->ops == NULL) return eb_refuse(partition->delegate, "no memory");
  for (int i = 0; i < nodes->size; i++) {
    if (!read_op(partition->delegate, context, nodes->data[i], &partition->ops[i])) return false;
    partition->count = i + 1;
  }
  return true;
}

/* What was refused when the partition was made, for prepare to say; without memory for it, that there was none. */
static char *kept_refusal(const eb_delegate *delegate) {
  const size_t bytes = strlen(delegate->message) + 1;
  char *kept = malloc(bytes);
  return kept == NULL ? NULL : memcpy(kept, delegate->message, bytes);
}

/* `buffer` is the interpreter's description of the partition; there is no way to fail before prepare. */
static void *init(LiteContext *context, const char *buffer, size_t length) {
  (void)length;
  const LiteDelegateParams *params = (const void *)buffer;
  eb_delegate *delegate = (eb_delegate *)params->delegate;
  eb_partition *partition = calloc(1, sizeof *partition);
  if (partition == NULL) return NULL;
  partition->delegate = delegate;
  partition->usable = read_ops(partition, context, params->nodes) && eb_connect(partition, context, params->outputs);
  if (!partition->usable) partition->refusal = kept_refusal(delegate);
  partition->next = delegate->partitions;
  if (partition->next != NULL) partition->next->previous = partition;
  delegate->partitions = partition;
  return partition;
}

static void free_partition(LiteContext *context, void *user_data) {
  (void)context;
  eb_partition *partition = user_data;
  if (partition == NULL) return;
  eb_delegate *delegate = partition->delegate;
  if (partition->next != NULL) partition->next->previous = partition->previous;
  if (partition->previous != NULL) partition->previous->next = partition->next;
  if (delegate->partitions == partition) delegate->partitions = partition->next;
  release(partition);
  eb_release_delegate(delegate);
}

static bool resize(LiteContext *context, const eb_op *op, const int *shape) {
  LiteTensor *tensor = &context->tensors[op->output];
  const int rank = tensor->dims->size;
  LiteIntArray *dims = malloc(sizeof(LiteIntArray) + (size_t)rank * sizeof(int));
  if (dims == NULL) return false;
  dims->size = rank;
  memcpy(dims->data, shape, (size_t)rank * sizeof(int));
  return context->resize_tensor(context, tensor, dims) == LITE_OK; /* owns dims now */
}

static bool list_temporaries(const eb_partition *partition, LiteNode *node) {
  LiteIntArray *inner = malloc(sizeof(LiteIntArray) + (size_t)partition->count * sizeof(int));
  if (inner == NULL) return false;
  inner->size = 0;
  for (int i = 0; i < partition->count; i++) {
    const eb_op *op = &partition->ops[i];
    if (!op->leaves && op->root == i && op->holder == i) inner->data[inner->size++] = op->output;
  }
  free(node->temporaries);
  node->temporaries = inner;
  return true;
}

static bool reserve_scratch(eb_partition *partition) {
  size_t each = 0;
  for (int i = 0; i < partition->count; i++) {
    if (partition->ops[i].scratch_bytes > each) each = partition->ops[i].scratch_bytes;
  }
  partition->thread_scratch = (each / EB_ALIGNMENT + 1) * EB_ALIGNMENT;
  if (partition->thread_scratch > SIZE_MAX / (size_t)partition->threads) return false;
  const size_t bytes = partition->thread_scratch * (size_t)partition->threads;
  if (bytes <= partition->scratch_bytes) return true;
  eb_free(partition->scratch);
  partition->scratch = eb_allocate(bytes);
  partition->scratch_bytes = partition->scratch == NULL ? 0 : bytes;
  return partition->scratch != NULL;
}

static int wanted_threads(const eb_delegate *delegate, const LiteContext *context) {
  const int wanted = delegate->num_threads > 0 ? delegate->num_threads : context->recommended_num_threads;
  return wanted < 1 ? 1 : wanted > EB_MAX_THREADS ? EB_MAX_THREADS : wanted;
}

/* For the shapes that its inputs have now: nothing of an earlier prepare is left but what the op's kind keeps. */
static bool prepare_op(const eb_partition *partition, LiteContext *context, eb_op *op) {
  int shape[EB_MAX_RANK];
  op->units = (eb_units){0};
  op->scratch_bytes = 0;
  op->rows_kernel = eb_rows_choose(partition->delegate->kernel, eb_cpu_features());
  if (!op->kind->prepare(partition->delegate, context, op, shape)) return false;
  if (op->units.grain == 0) op->units.grain = 1 + op->units.count / (PORTIONS * partition->threads);
  if (op->units.row == 0) op->units.row = 1;
  return resize(context, op, shape) || eb_refuse_op(partition->delegate, op, "its output cannot be resized");
}

static bool prepare_ops(eb_partition *partition, LiteContext *context, LiteNode *node) {
  eb_delegate *delegate = partition->delegate;
  partition->threads = eb_pool_reserve(delegate->pool, wanted_threads(delegate, context));
  for (int i = 0; i < partition->count; i++) {
    if (!prepare_op(partition, context, &partition->ops[i])) return false;
  }
  if (!eb_share_memory(partition, context) || !list_temporaries(partition, node) || !reserve_scratch(partition))
    return eb_refuse(delegate, "no memory");
  return true;
}

static int prepare(LiteContext *context, LiteNode *node) {
  eb_partition *partition = node->user_data;
  if (partition == NULL) {
    context->report_error(context, "edgebnn delegate: no memory");
    return LITE_ERROR;
  }
  eb_delegate *delegate = partition->delegate;
  eb_forget_refusal(delegate);
  partition->ready = partition->usable ? prepare_ops(partition, context, node)
                                       : eb_refuse(delegate, "%s", partition->refusal ? partition->refusal : "no memory");
  if (partition->ready) return LITE_OK;
  context->report_error(context, "%s", delegate->message);
  return LITE_ERROR;
}

typedef struct {
  const eb_op *op;
  eb_op_memory memory; /* the scratch is all threads' */
  size_t thread_scratch;
} run_argument;

static void run_range(void *pointer, int64_t begin, int64_t end, int thread, bool first) {
  const run_argument *run = pointer;
  eb_op_memory memory = run->memory;
  memory.scratch = (char *)memory.scratch + (size_t)thread * run->thread_scratch;
  memory.resumes = !first;
  run->op->kind->run(run->op, &memory, begin, end);
}

static size_t element_bytes(const LiteTensor *tensor) {
  return tensor->type == LITE_FLOAT32 || tensor->type == LITE_INT32 ? 4 : 1;
}

static size_t row_elements(const LiteTensor *tensor) {
  return tensor->dims->size < 1 ? 1 : (size_t)tensor->dims->data[tensor->dims->size - 1];
}

/* NULL: it has no memory. */
static char *output_of(const eb_partition *partition, const LiteContext *context, int index, size_t *stride) {
  const eb_op *op = &partition->ops[index], *root = &partition->ops[op->root];
  const LiteTensor *whole = &context->tensors[root->output];
  char *data = context->tensors[partition->ops[root->holder].output].data;
  *stride = row_elements(whole);
  return data == NULL ? NULL : data + (size_t)op->channel * element_bytes(whole);
}

static const char *read_from(const eb_partition *partition, const LiteContext *context, const eb_read *read,
                             size_t *stride) {
  const LiteTensor *tensor = &context->tensors[read->tensor];
  const char *data = tensor->data;
  *stride = row_elements(tensor);
  if (read->op >= 0) data = output_of(partition, context, read->op, stride);
  return data == NULL ? NULL : data + (size_t)read->channel * element_bytes(tensor);
}

/* False: a tensor has no memory. */
static bool find_memory(const eb_partition *partition, const LiteContext *context, int index, eb_op_memory *memory) {
  const eb_op *op = &partition->ops[index];
  memory->scratch = partition->scratch;
  memory->output = output_of(partition, context, index, &memory->output_stride);
  for (int i = 0; i < op->read_count; i++) {
    memory->read[i] = read_from(partition, context, &op->reads[i], &memory->stride[i]);
    if (memory->read[i] == NULL) return false;
  }
  return memory->output != NULL;
}

static int invoke(LiteContext *context, LiteNode *node) {
  eb_partition *partition = node->user_data;
  if (partition == NULL || !partition->ready) {
    context->report_error(context, "edgebnn delegate: invoked before it was prepared");
    return LITE_ERROR;
  }
  const bool profiling = atomic_load_explicit(&partition->delegate->profiling, memory_order_relaxed);
  for (int i = 0; i < partition->count; i++) {
    eb_op *op = &partition->ops[i];
    run_argument run = {.op = op, .thread_scratch = partition->thread_scratch};
    if (!find_memory(partition, context, i, &run.memory)) {
      context->report_error(context, "%s '%s': a tensor has no memory", op->kind->custom_code, op->name);
      return LITE_ERROR;
    }
    if (profiling) op->begin_ns = eb_now();
    eb_steps_look_up(op, &run.memory);
    eb_pool_run(partition->delegate->pool, partition->threads, op->units, run_range, &run);
    if (profiling) op->end_ns = eb_now();
  }
  return LITE_OK;
}

LiteRegistration eb_partition_registration(void) {
  return (LiteRegistration){.init = init,
                            .free = free_partition,
                            .prepare = prepare,
                            .invoke = invoke,
                            .builtin_code = LITE_BUILTIN_DELEGATE,
                            .custom_name = "EdgebnnDelegate",
                            .version = 1};
}
