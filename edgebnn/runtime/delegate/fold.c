/* Steps in front: a batch normalization that was not fused (MUL and ADD by constants of the channel) is not computed where all
 * that reads it are signs or pooling. Signs compare with a threshold of the channel instead, found so that they are the same
 * for every float, and pooling takes the steps over. */
#include <float.h>

#include "fusion.h"
#include "op_kinds.h"
#include "op_steps.h"

static bool can_fold(const LiteContext *context, const eb_op *op) {
  return eb_op_is_steps(op) && !op->leaves && eb_steps_are_constant(context, op);
}

static bool takes_signs(const LiteContext *context, const eb_op *op) {
  return op->kind == &eb_kind_quantize && context->tensors[op->reads[0].tensor].type == LITE_FLOAT32;
}

static bool has_zero(const LiteTensor *constants) {
  const float *x = constants->data;
  for (size_t i = 0; i < constants->bytes / sizeof(float); i++) {
    if (x[i] == 0.0f) return true;
  }
  return false;
}

/* Whether signs of what the op gives have thresholds. Times 0, infinity becomes no number: such a multiplication must stand at
 * the beginning, where `begins` is set. */
static bool keeps_order(const LiteContext *context, const eb_op *op, bool *begins) {
  *begins = false;
  for (int i = 0; i < op->step_count; i++) {
    const eb_op_step *step = &op->steps[i];
    if (step->kind != EB_STEP_MUL && step->kind != EB_STEP_ADD) return false;
    const LiteTensor *constants = &context->tensors[op->reads[step->read].tensor];
    if (!eb_steps_finite_from(constants, -FLT_MAX)) return false;
    if (step->kind == EB_STEP_MUL && has_zero(constants)) *begins = true;
  }
  return true;
}

/* Puts the steps of `front` before those of `op`, and what they read with them. */
static void take_over(eb_op *op, const eb_op *front) {
  const int reads = op->read_count, steps = op->step_count;
  op->reads[0] = front->reads[0];
  for (int r = 1; r < front->read_count; r++) op->reads[op->read_count++] = front->reads[r];
  for (int s = steps - 1; s >= 0; s--) op->steps[s + front->step_count] = op->steps[s];
  for (int s = 0; s < front->step_count; s++) {
    op->steps[s] = front->steps[s];
    if (op->steps[s].read != EB_OUTSIDE) op->steps[s].read += reads - 1;
  }
  op->step_count += front->step_count;
}

/* The op with all steps in front of it that fold. */
static eb_op with_front(const eb_partition *partition, const eb_fold_mark *marks, const eb_op *op) {
  eb_op taken = *op;
  while (taken.reads[0].op >= 0 && marks[taken.reads[0].op].folds) take_over(&taken, &partition->ops[taken.reads[0].op]);
  return taken;
}

static bool find_thresholds(const LiteContext *context, eb_op *op) {
  eb_output_steps steps = {.count = op->step_count};
  for (int i = 0; i < op->step_count; i++) {
    steps.step[i] = (eb_step){.kind = op->steps[i].kind,
                              .operand = context->tensors[op->reads[op->steps[i].read].tensor].data,
                              .rows = 1};
  }
  const LiteIntArray *dims = context->tensors[op->reads[0].tensor].dims;
  return eb_quantize_find_thresholds(&steps, dims->data[dims->size - 1], op);
}

/* What `op` reads as input or operand `r`, from the op `front`, which so far folds. */
static void mark_front(const LiteContext *context, const eb_op *op, const eb_fold_mark *own, int r, const eb_op *front,
                       eb_fold_mark *mark) {
  const bool signs = takes_signs(context, op) || (own->folds && own->signs);
  const int steps = (own->folds ? own->steps : 0) + front->step_count;
  bool begins;
  mark->is_read = true;
  mark->signs = mark->signs || signs;
  if (steps > mark->steps) mark->steps = steps;
  if (r > 0 || mark->steps > EB_MOST_STEPS) mark->folds = false;
  if (!takes_signs(context, op) && !eb_op_is_pool2d(op) && !own->folds) mark->folds = false;
  if (mark->folds && signs && (own->begins || !keeps_order(context, front, &begins))) mark->folds = false;
}

/* From the last op to the first, so that all that reads an op's output is known. */
static void mark(const eb_partition *partition, const LiteContext *context, eb_fold_mark *marks) {
  for (int i = 0; i < partition->count; i++) marks[i] = (eb_fold_mark){.folds = can_fold(context, &partition->ops[i])};
  for (int i = partition->count - 1; i >= 0; i--) {
    const eb_op *op = &partition->ops[i];
    marks[i].folds = marks[i].folds && marks[i].is_read;
    if (marks[i].folds && marks[i].signs) keeps_order(context, op, &marks[i].begins);
    for (int r = 0; r < op->read_count; r++) {
      const int from = op->reads[r].op;
      if (from >= 0) mark_front(context, op, &marks[i], r, &partition->ops[from], &marks[from]);
    }
  }
}

/* What folds into the op is noted with the first that takes it over. */
static void note_front(eb_partition *partition, eb_fold_mark *marks, int at, eb_op *op) {
  for (; at >= 0 && marks[at].folds; at = partition->ops[at].reads[0].op) {
    if (marks[at].noted || op->joined_count == EB_MOST_JOINED) continue;
    op->joined[op->joined_count++] = partition->ops[at].node;
    marks[at].noted = true;
  }
}

bool eb_fold_steps(eb_partition *partition, const LiteContext *context, eb_fold_mark *marks) {
  mark(partition, context, marks);
  for (int i = 0; i < partition->count; i++) {
    eb_op *op = &partition->ops[i];
    if (!takes_signs(context, op) && !eb_op_is_pool2d(op)) continue;
    const int front = op->reads[0].op;
    *op = with_front(partition, marks, op);
    note_front(partition, marks, front, op);
    if (op->step_count > 0 && takes_signs(context, op) && !find_thresholds(context, op)) return false;
  }
  for (int i = 0; i < partition->count; i++) {
    if (marks[i].folds) partition->ops[i].kind = NULL;
  }
  return true;
}
