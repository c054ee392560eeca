/* Which tensors inside a partition share memory: those that are never needed at the same time. To the interpreter all
 * tensors of a partition live as long as its node runs, and it would give each its own place.
 *
 * The largest tensors come first and hold the others: each goes to the first holder that is free while it is needed. One
 * bit stands for a holder, and a tree over the ops tells which holders are taken during any stretch of them, so that each
 * tensor takes a few steps a level of the tree. Beyond as many holders as there are bits, a tensor is on its own. */
#include <stdlib.h>

#include "op_steps.h"

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
    for (int r = 0; r < op->read_count; r++) {
      if (op->reads[r].op >= 0) partition->ops[op->reads[r].op].last_reader = i;
    }
  }
}

/* Whether the op, which may be a convolution or steps alone, reads each element of what `index` gives before it writes where that
 * lay: as an operand of the output's own shape, or as the input of steps. */
static bool reads_first(const eb_op *op, int index) {
  if (op->kind != &eb_kind_bconv2d && !eb_op_is_steps(op)) return false;
  for (int r = eb_op_is_steps(op) ? 1 : 0; r < op->read_count; r++) {
    if (op->reads[r].op != index) continue;
    bool elementwise = false;
    for (int s = 0; s < op->step_count; s++) {
      if (op->steps[s].read == r) elementwise = eb_step_is_elementwise(&op->steps[s]);
    }
    if (!elementwise) return false;
  }
  return true;
}

/* While which ops run the output of op `index` must last. What reads it last may write where it was, if it reads first; not
 * where several outputs are parts of one. */
static stretch needed(const eb_partition *partition, int index) {
  const int last = partition->ops[index].last_reader;
  const eb_op *reader = &partition->ops[last];
  const bool alone = reader->root == last && !reader->holds_parts;
  return (stretch){index, last > index && alone && reads_first(reader, index) ? last : last + 1};
}

/* Of each root and all that lies in it: all stretches, joined. */
static void join_stretches(eb_partition *partition, stretch *stretches) {
  for (int i = 0; i < partition->count; i++) partition->ops[i].holds_parts = false;
  for (int i = 0; i < partition->count; i++) {
    const int root = partition->ops[i].root;
    if (root != i) partition->ops[root].holds_parts = true;
  }
  for (int i = 0; i < partition->count; i++) {
    const eb_op *op = &partition->ops[i];
    const bool whole = op->root == i && !op->holds_parts;
    stretches[i] = whole ? needed(partition, i) : (stretch){i, op->last_reader + 1};
  }
  for (int i = 0; i < partition->count; i++) {
    stretch *whole = &stretches[partition->ops[i].root];
    if (stretches[i].begin < whole->begin) whole->begin = stretches[i].begin;
    if (stretches[i].end > whole->end) whole->end = stretches[i].end;
  }
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

static void place_all(eb_partition *partition, const sized *order, int count, const stretch *stretches, taken *tree,
                      stretch all) {
  int holders[MOST_HOLDERS], held = 0;
  for (int i = 0; i < count; i++) {
    const int index = order[i].op;
    const stretch when = stretches[index];
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
  stretch *stretches = malloc((size_t)partition->count * sizeof *stretches);
  const bool is_memory = order != NULL && tree != NULL && stretches != NULL;
  if (is_memory) {
    int inner = 0;
    find_last_readers(partition);
    join_stretches(partition, stretches);
    for (int i = 0; i < partition->count; i++) {
      eb_op *op = &partition->ops[i];
      op->holder = i;
      if (!op->leaves && op->root == i && !partition->delegate->keep_tensors)
        order[inner++] = (sized){context->tensors[op->output].bytes, i};
    }
    qsort(order, (size_t)inner, sizeof *order, by_size);
    place_all(partition, order, inner, stretches, tree, all);
  }
  free(order);
  free(tree);
  free(stretches);
  return is_memory;
}
