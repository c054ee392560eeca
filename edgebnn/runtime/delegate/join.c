/* Steps behind: an element-wise op that alone needs a convolution's output is done with the convolution, whose output is neither
 * written nor read once more, and needs no memory; so are steps behind others. A residual addition is one; RealToBinaryNet has a scale of each sample, a
 * PReLU and an addition. */
#include "fusion.h"
#include "op_kinds.h"
#include "op_steps.h"

/* Whether the op at `index` is a convolution, or steps, whose output one op alone needs, and that has room for those steps. */
static bool can_join(const eb_partition *partition, const int *uses, int index, const eb_op *steps) {
  if (index < 0 || uses[index] != 1) return false;
  const eb_op *op = &partition->ops[index];
  if (op->kind == NULL || op->leaves) return false;
  const bool convolves = op->kind == &eb_kind_bconv2d || eb_op_is_conv_few(op) || (eb_op_is_w1a8(op) && eb_w1a8_takes_steps(op));
  if (!convolves && !eb_op_is_steps(op)) return false;
  return eb_has_room(op, steps->read_count - 1, steps->step_count, steps->joined_count + 1);
}

/* The operand of the first step, where it has the output's shape and may change places with the input; else EB_OUTSIDE. */
static int other_of(const eb_op *steps) {
  const int kind = steps->steps[0].kind;
  const bool turns = kind == EB_STEP_ADD || kind == EB_STEP_MUL || kind == EB_STEP_SUM;
  return turns && eb_step_is_elementwise(&steps->steps[0]) ? steps->steps[0].read : EB_OUTSIDE;
}

static void change_places(eb_op *steps) {
  const int other = steps->steps[0].read;
  const eb_read input = steps->reads[0];
  steps->reads[0] = steps->reads[other];
  steps->reads[other] = input;
  eb_int8_sum *sum = &steps->steps[0].sum;
  const int32_t factor = sum->first_factor;
  sum->first_factor = sum->second_factor;
  sum->second_factor = factor;
}

/* What is in front takes the place of the steps, where all that they read is there; it leaves its own place empty. */
static void join(eb_op *front, eb_op *steps) {
  eb_op joined = *front;
  eb_take_steps(&joined, steps);
  joined.output = steps->output;
  joined.leaves = steps->leaves;
  joined.root = steps->root;
  *steps = joined;
  front->kind = NULL;
}

void eb_join_steps(eb_partition *partition, const int *uses) {
  for (int i = 0; i < partition->count; i++) {
    eb_op *op = &partition->ops[i];
    if (!eb_op_is_steps(op)) continue;
    const int other = other_of(op);
    if (other != EB_OUTSIDE && can_join(partition, uses, op->reads[other].op, op)) change_places(op);
    if (can_join(partition, uses, op->reads[0].op, op)) join(&partition->ops[op->reads[0].op], op);
  }
}

void eb_join_pads(eb_partition *partition, const int *uses) {
  for (int i = 0; i < partition->count; i++) {
    eb_op *op = &partition->ops[i];
    if (!eb_op_is_steps(op) || op->step_count != 1 || op->steps[0].kind != EB_STEP_ADD || other_of(op) != 1) continue;
    for (int r = 0; r < 2; r++) {
      const int index = op->reads[r].op;
      if (index < 0 || uses[index] != 1) continue;
      eb_op *pad = &partition->ops[index];
      if (pad->kind != &eb_kind_pad || pad->leaves) continue;
      const eb_read whole = op->reads[1 - r];
      op->kind = &eb_kind_add_padded;
      op->as.pad = pad->as.pad;
      op->reads[0] = whole;
      op->reads[1] = pad->reads[0];
      op->step_count = 0;
      eb_note_joined(op, pad);
      pad->kind = NULL;
      break;
    }
  }
}

/* PAD in front of a convolution of few channels becomes its border, and leaves, unless others need it. */
void eb_join_borders(eb_partition *partition, int *uses) {
  for (int i = 0; i < partition->count; i++) {
    eb_op *op = &partition->ops[i];
    const int pad = eb_op_is_conv_few(op) ? op->reads[0].op : EB_OUTSIDE;
    if (pad < 0 || partition->ops[pad].kind != &eb_kind_few_pad) continue;
    const eb_op *front = &partition->ops[pad];
    if (!eb_conv_few_takes_border(op, &front->as.few_pad.border)) continue;
    eb_conv_few_take_border(op, front);
    if (--uses[pad] == 0 && !front->leaves) partition->ops[pad].kind = NULL;
  }
}

/* Pooling behind a convolution of few channels takes its place, and the convolution leaves. Where its own output is needed too, a
 * pool of float32 stays by itself; one of int8 cannot, and the convolution is computed twice. False, by eb_refuse: there is none,
 * which the delegate has seen to when it claimed the pool. */
bool eb_join_pools(eb_partition *partition, const LiteContext *context, const int *uses) {
  for (int i = 0; i < partition->count; i++) {
    eb_op *op = &partition->ops[i];
    eb_conv2d_few window;
    if (op->kind == NULL || !eb_few_pool_of(op, &window)) continue;
    const int index = op->reads[0].op;
    eb_op *convolution = index < 0 ? NULL : &partition->ops[index];
    const bool stands = op->kind != &eb_kind_few_pool;
    const bool behind = convolution != NULL && convolution->kind != NULL && eb_op_is_conv_few(convolution) &&
                        !convolution->as.conv_few.op.pools && convolution->step_count == 0 &&
                        eb_has_room(convolution, op->read_count - 1, op->step_count, op->joined_count + 1);
    const bool needed = behind && (uses[index] != 1 || convolution->leaves);
    if (!behind && !stands)
      return eb_refuse_op(partition->delegate, op, "is not in one partition with the convolution in front of it");
    if (!behind || (needed && stands) || !eb_pool2d_keeps_order(context, op)) continue;
    eb_few_pool_join(convolution, &window, op);
    if (!needed) convolution->kind = NULL;
  }
  return true;
}

/* Signs of what a convolution of few channels gives, pooled or not, and what nothing else needs, are written by it at once. */
void eb_join_signs(eb_partition *partition, const LiteContext *context, const int *uses) {
  for (int i = 0; i < partition->count; i++) {
    eb_op *op = &partition->ops[i];
    const int index = op->kind == &eb_kind_quantize && op->step_count == 0 && !eb_quantize_has_parts(op) ? op->reads[0].op : EB_OUTSIDE;
    if (index < 0 || uses[index] != 1) continue;
    eb_op *convolution = &partition->ops[index];
    if (convolution->leaves || !eb_op_is_conv_few(convolution) || !eb_has_room(convolution, 0, 0, 1 + op->joined_count))
      continue;
    if (!eb_conv_few_gives_signs(convolution, &context->tensors[op->reads[0].tensor])) continue;
    eb_conv_few_take_signs(convolution, op);
    convolution->kind = NULL;
  }
}
