/* Which tensors inside a partition share memory: those that are never needed at the same time. To the interpreter all
 * tensors of a partition live as long as its node runs, and it would give each its own place.
 *
 * The largest tensors come first and hold the others: each goes to the first holder that is free while it is needed. One
 * bit stands for a holder, and a tree over the ops tells which holders are taken during any stretch of them, so that each
 * tensor takes a few steps a level of the tree. Beyond as many holders as there are bits, a tensor is on its own. */
#include <stdlib.h>

#include "delegate.h"

enum { MOST_HOLDERS = 64 };

/* Ops of the partition from one to before another. */
typedef struct {
  int begin, end;
} stretch;

/* During some of the ops: which holders are taken all the time, and which at any time. */
typedef struct {
  uint64_t all, any;
} taken;

/* Node 1 of the tree stands for all ops, nodes 2n and 2n + 1 for the halves of node n. */
static uint64_t taken_in(const taken *tree, int node, stretch of_node, stretch s) {
  if (s.end <= of_node.begin || of_node.end <= s.begin) return 0;
  if (s.begin <= of_node.begin && of_node.end <= s.end) return tree[node].any;
  const int middle = of_node.begin + (of_node.end - of_node.begin) / 2;
  return tree[node].all | taken_in(tree, 2 * node, (stretch){of_node.begin, middle}, s) |
         taken_in(tree, 2 * node + 1, (stretch){middle, of_node.end}, s);
}

static void take(taken *tree, int node, stretch of_node, stretch s, uint64_t holder) {
  if (s.end <= of_node.begin || of_node.end <= s.begin) return;
  tree[node].any |= holder;
  if (s.begin <= of_node.begin && of_node.end <= s.end) {
    tree[node].all |= holder;
    return;
  }
  const int middle = of_node.begin + (of_node.end - of_node.begin) / 2;
  take(tree, 2 * node, (stretch){of_node.begin, middle}, s, holder);
  take(tree, 2 * node + 1, (stretch){middle, of_node.end}, s, holder);
}

static void find_last_readers(eb_partition *partition) {
  for (int i = 0; i < partition->count; i++) {
    eb_op *op = &partition->ops[i];
    op->last_reader = i;
    if (op->input_op >= 0) partition->ops[op->input_op].last_reader = i;
    if (op->residual_op >= 0) partition->ops[op->residual_op].last_reader = i;
  }
}

/* While which ops run the output of op `index` must last. A convolution may write where what it adds was: it reads each
 * element before it writes there. */
static stretch needed(const eb_partition *partition, int index) {
  const int last = partition->ops[index].last_reader;
  const eb_op *reader = &partition->ops[last];
  const bool in_place = reader->kind == &eb_kind_bconv2d && reader->residual_op == index && reader->input_op != index;
  return (stretch){index, in_place ? last : last + 1};
}

typedef struct {
  size_t bytes;
  int op;
} sized;

static int by_size(const void *a, const void *b) {
  const sized *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
  return x->op - y->op;
}

static void place_all(eb_partition *partition, const sized *order, int count, taken *tree, stretch all) {
  int holders[MOST_HOLDERS], held = 0;
  for (int i = 0; i < count; i++) {
    const int index = order[i].op;
    const stretch when = needed(partition, index);
    const uint64_t busy = taken_in(tree, 1, all, when);
    int first = 0; /* holder that is free */
    while (first < held && (busy >> first & 1) != 0) first++;
    if (first == held && held < MOST_HOLDERS) holders[held++] = index;
    partition->ops[index].holder = first < MOST_HOLDERS ? holders[first] : index;
    if (first < MOST_HOLDERS) take(tree, 1, all, when, UINT64_C(1) << first);
  }
}

bool eb_share_memory(eb_partition *partition, const LiteContext *context) {
  stretch all = {0, 1};
  while (all.end < partition->count) all.end *= 2;
  sized *order = malloc((size_t)partition->count * sizeof *order);
  taken *tree = calloc(2 * (size_t)all.end, sizeof *tree);
  const bool is_memory = order != NULL && tree != NULL;
  if (is_memory) {
    int inner = 0;
    find_last_readers(partition);
    for (int i = 0; i < partition->count; i++) {
      eb_op *op = &partition->ops[i];
      op->holder = i;
      if (!op->leaves && !partition->delegate->keep_tensors)
        order[inner++] = (sized){context->tensors[op->output].bytes, i};
    }
    qsort(order, (size_t)inner, sizeof *order, by_size);
    place_all(partition, order, inner, tree, all);
  }
  free(order);
  free(tree);
  return is_memory;
}
