/* Which tensors inside a partition share memory: those that are never needed at the same time. To the interpreter all
 * tensors of a partition live as long as its node runs, and it would give each its own place. */
#include <stdlib.h>

#include "delegate.h"

/* The op that reads the output of op `index` last. */
static int last_reader(const eb_partition *partition, int index) {
  int last = index;
  for (int i = index + 1; i < partition->count; i++) {
    const eb_op *op = &partition->ops[i];
    if (op->input_op == index || op->residual_op == index) last = i;
  }
  return last;
}

/* Whether the outputs of two ops, `a` the earlier one, are never needed at the same time. A convolution may put its
 * output where what it adds was. */
static bool disjoint(const eb_partition *partition, int a, int b) {
  const int end = partition->ops[a].last_reader;
  return end < b || (end == b && partition->ops[b].residual_op == a && partition->ops[b].kind == &eb_kind_bconv2d &&
                     partition->ops[b].input_op != a);
}

static bool fits(const eb_partition *partition, int holder, int index) {
  for (int i = 0; i < partition->count; i++) {
    if (partition->ops[i].holder != holder) continue;
    if (!(i < index ? disjoint(partition, i, index) : disjoint(partition, index, i))) return false;
  }
  return true;
}

typedef struct {
  size_t bytes;
  int op;
} sized;

/* The largest first: it holds those that come to it later. */
static int by_size(const void *a, const void *b) {
  const sized *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
  return x->op - y->op;
}

static void place(eb_partition *partition, const sized *order, int position) {
  const int index = order[position].op;
  for (int i = 0; i < position; i++) {
    const int holder = order[i].op;
    if (partition->ops[holder].holder == holder && fits(partition, holder, index)) {
      partition->ops[index].holder = holder;
      return;
    }
  }
  partition->ops[index].holder = index;
}

bool eb_share_memory(eb_partition *partition, const LiteContext *context) {
  sized *order = malloc((size_t)partition->count * sizeof *order);
  if (order == NULL) return false;
  int inner = 0;
  for (int i = 0; i < partition->count; i++) {
    eb_op *op = &partition->ops[i];
    op->last_reader = last_reader(partition, i);
    op->holder = op->leaves || partition->delegate->keep_tensors ? i : EB_OUTSIDE;
    if (op->holder < 0) order[inner++] = (sized){context->tensors[op->output].bytes, i};
  }
  qsort(order, (size_t)inner, sizeof *order, by_size);
  for (int i = 0; i < inner; i++) place(partition, order, i);
  free(order);
  return true;
}
