/* Finds for each op of a partition which other gives what it reads, and has joined what can be done in one step. Takes time in
 * proportion to the number of ops, but for sorting them. */
#include <stdlib.h>
#include <string.h>

#include "fusion.h"

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

static void connect(eb_partition *partition, const source *sources, const LiteIntArray *outputs) {
  const int count = partition->count;
  for (int i = 0; i < count; i++) {
    eb_op *op = &partition->ops[i];
    op->root = i;
    for (int r = 0; r < op->read_count; r++) op->reads[r].op = giver_of(sources, count, op->reads[r].tensor, i);
  }
  for (int i = 0; i < outputs->size; i++) {
    const int giver = giver_of(sources, count, outputs->data[i], count);
    if (giver >= 0) partition->ops[giver].leaves = true;
  }
}

static const int *count_uses(const eb_partition *partition, int *uses) {
  memset(uses, 0, (size_t)partition->count * sizeof *uses);
  for (int i = 0; i < partition->count; i++) {
    const eb_op *op = &partition->ops[i];
    for (int r = 0; op->kind != NULL && r < op->read_count; r++) {
      if (op->reads[r].op >= 0) uses[op->reads[r].op]++;
    }
  }
  return uses;
}

/* Drops the ops without a kind. place: where each op stands then. */
static void close_up(eb_partition *partition, int *place) {
  int count = 0;
  for (int i = 0; i < partition->count; i++) {
    place[i] = count;
    if (partition->ops[i].kind == NULL) continue;
    eb_op *op = &partition->ops[count];
    *op = partition->ops[i];
    op->root = count++;
    for (int r = 0; r < op->read_count; r++) {
      if (op->reads[r].op >= 0) op->reads[r].op = place[op->reads[r].op];
    }
  }
  partition->count = count;
}

/* What the passes need, for each op. */
typedef struct {
  source *sources;
  int *numbers;
  eb_fold_mark *folds;
  eb_sign_mark *signs;
  eb_view_mark *views;
} memory;

static bool allocate(memory *m, size_t count) {
  m->sources = malloc(count * sizeof *m->sources);
  m->numbers = malloc(count * sizeof *m->numbers);
  m->folds = malloc(count * sizeof *m->folds);
  m->signs = malloc(count * sizeof *m->signs);
  m->views = malloc(count * sizeof *m->views);
  return m->sources != NULL && m->numbers != NULL && m->folds != NULL && m->signs != NULL && m->views != NULL;
}

static void release(memory *m) {
  free(m->sources);
  free(m->numbers);
  free(m->folds);
  free(m->signs);
  free(m->views);
}

static bool join(eb_partition *partition, const LiteContext *context, const memory *m) {
  if (!eb_fold_steps(partition, context, m->folds)) return eb_refuse(partition->delegate, "no memory");
  if (!eb_fold_int8(partition, context, m->signs)) return eb_refuse(partition->delegate, "no memory");
  eb_join_steps(partition, count_uses(partition, m->numbers));
  eb_join_pads(partition, count_uses(partition, m->numbers));
  count_uses(partition, m->numbers);
  eb_join_borders(partition, m->numbers);
  if (!eb_join_pools(partition, context, count_uses(partition, m->numbers))) return false;
  eb_join_signs(partition, context, count_uses(partition, m->numbers));
  close_up(partition, m->numbers);
  eb_place_views(partition, context, m->views);
  return true;
}

bool eb_connect(eb_partition *partition, const LiteContext *context, const LiteIntArray *outputs) {
  const size_t count = (size_t)partition->count;
  memory m = {0};
  bool connected = allocate(&m, count) || eb_refuse(partition->delegate, "no memory");
  if (connected) {
    for (int i = 0; i < partition->count; i++) m.sources[i] = (source){partition->ops[i].output, i};
    qsort(m.sources, count, sizeof *m.sources, by_tensor);
    connect(partition, m.sources, outputs);
    if (!partition->delegate->keep_tensors) connected = join(partition, context, &m);
  }
  release(&m);
  return connected;
}
