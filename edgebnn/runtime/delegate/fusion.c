/* Finds for each op of a partition which other gives what it reads, and joins what can be done in one step: a residual
 * addition, or pooling, becomes the last step of the convolution in front of it, whose output is neither written nor read once
 * more, and needs no memory. Takes time in proportion to the number of ops, but for sorting them. */
#include <stdlib.h>
#include <string.h>

#include "op_kinds.h"

/* A tensor, and the op that gives it. */
typedef struct {
  int tensor, op;
} source;

static int by_tensor(const void *a, const void *b) {
  const source *x = a, *y = b;
  if (x->tensor != y->tensor) return x->tensor < y->tensor ? -1 : 1;
  return x->op - y->op;
}

/* The first op that gives `tensor`, of `count` sorted by tensor; EB_OUTSIDE if none before `reader` does. */
static int giver_of(const source *sources, int count, int tensor, int reader) {
  int low = 0, high = count;
  while (low < high) {
    const int middle = low + (high - low) / 2;
    if (sources[middle].tensor < tensor) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < count && sources[low].tensor == tensor && sources[low].op < reader ? sources[low].op : EB_OUTSIDE;
}

/* uses: how often each op's output is read in the partition, all 0 before. */
static void connect(eb_partition *partition, const source *sources, const LiteIntArray *outputs, int *uses) {
  const int count = partition->count;
  for (int i = 0; i < count; i++) {
    eb_op *op = &partition->ops[i];
    op->input_op = giver_of(sources, count, op->inputs[0], i);
    op->residual_op = op->residual < 0 ? EB_OUTSIDE : giver_of(sources, count, op->residual, i);
    if (op->input_op >= 0) uses[op->input_op]++;
    if (op->residual_op >= 0) uses[op->residual_op]++;
  }
  for (int i = 0; i < outputs->size; i++) {
    const int giver = giver_of(sources, count, outputs->data[i], count);
    if (giver >= 0) partition->ops[giver].leaves = true;
  }
}

/* Whether the op at `index` is a convolution whose output one addition alone needs. */
static bool can_add(const eb_partition *partition, const int *uses, int index) {
  if (index < 0 || uses[index] != 1) return false;
  const eb_op *op = &partition->ops[index];
  return op->kind == &eb_kind_bconv2d && op->residual < 0 && !op->leaves;
}

/* The convolution takes the place of the addition, where the other tensor is there; it leaves its own place empty. */
static void join(eb_op *convolution, eb_op *addition, int other, int other_op) {
  eb_op joined = *convolution;
  joined.residual = other;
  joined.residual_op = other_op;
  joined.added_node = addition->node;
  joined.output = addition->output;
  joined.leaves = addition->leaves;
  *addition = joined;
  convolution->kind = NULL;
}

static void join_additions(eb_partition *partition, const int *uses) {
  for (int i = 0; i < partition->count; i++) {
    eb_op *op = &partition->ops[i];
    if (op->kind != &eb_kind_add) continue;
    if (can_add(partition, uses, op->residual_op)) {
      join(&partition->ops[op->residual_op], op, op->inputs[0], op->input_op);
    } else if (can_add(partition, uses, op->input_op)) {
      join(&partition->ops[op->input_op], op, op->residual, op->residual_op);
    }
  }
}

/* A pool takes the place of the convolution in front of it, which leaves, unless its own output is needed too: then it is
 * computed twice. False: there is none, which the delegate has seen to when it claimed the pool. */
static bool join_pools(eb_partition *partition, const int *uses) {
  for (int i = 0; i < partition->count; i++) {
    eb_op *op = &partition->ops[i];
    const int convolution = op->input_op;
    if (op->kind != &eb_kind_few_pool) continue;
    if (convolution < 0 || !eb_op_is_conv_few(&partition->ops[convolution]))
      return eb_refuse_op(partition->delegate, op, "is not in one partition with the convolution in front of it");
    eb_few_pool_join(&partition->ops[convolution], op);
    if (uses[convolution] == 1 && !partition->ops[convolution].leaves) partition->ops[convolution].kind = NULL;
  }
  return true;
}

/* Closes the empty places. place: where each op stands then. */
static void close_up(eb_partition *partition, int *place) {
  int count = 0;
  for (int i = 0; i < partition->count; i++) {
    place[i] = count;
    if (partition->ops[i].kind == NULL) continue;
    eb_op *op = &partition->ops[count++];
    *op = partition->ops[i];
    if (op->input_op >= 0) op->input_op = place[op->input_op];
    if (op->residual_op >= 0) op->residual_op = place[op->residual_op];
  }
  partition->count = count;
}

bool eb_connect(eb_partition *partition, const LiteIntArray *outputs) {
  const size_t count = (size_t)partition->count;
  source *sources = malloc(count * sizeof *sources);
  int *uses = calloc(count, sizeof *uses);
  const bool is_memory = sources != NULL && uses != NULL;
  bool joined = true;
  if (is_memory) {
    for (int i = 0; i < partition->count; i++) sources[i] = (source){partition->ops[i].output, i};
    qsort(sources, count, sizeof *sources, by_tensor);
    connect(partition, sources, outputs, uses);
    if (!partition->delegate->keep_tensors) {
      join_additions(partition, uses);
      joined = join_pools(partition, uses);
      close_up(partition, uses);
    }
  }
  free(sources);
  free(uses);
  return is_memory ? joined : eb_refuse(partition->delegate, "no memory");
}
