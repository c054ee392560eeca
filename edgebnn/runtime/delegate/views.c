/* Which tensors are some channels of another's memory. A concatenation copies nothing that was written into its place at once:
 * in a dense network all outputs of a block are stretches of channels of one tensor, the last and widest. What a padded tensor
 * is added to becomes the sum where it lies, and a convolution in front adds its output there itself.
 *
 * From the last op to the first, each that copies gives those that it copies from their places: the channels of its own root.
 * An op gets one only if it and all that reads it can do with rows that are parts of longer ones, if its tensor is not needed
 * outside, and if nothing reads it any more when its place is written again. */
#include <limits.h>

#include "fusion.h"
#include "op_kinds.h"
#include "op_steps.h"

static bool is_strided(const LiteContext *context, const eb_op *op) {
  if (op->kind == &eb_kind_quantize) return op->step_count > 0 || eb_quantize_has_parts(op); /* by thresholds */
  return op->kind->strided && context->tensors[op->output].type != LITE_INT32;
}

static void find_readers(const eb_partition *partition, const LiteContext *context, eb_view_mark *marks) {
  for (int i = 0; i < partition->count; i++) marks[i] = (eb_view_mark){.last_reader = -1, .before_last = -1, .overwritten = INT_MAX};
  for (int i = 0; i < partition->count; i++) {
    const eb_op *op = &partition->ops[i];
    for (int r = 0; r < op->read_count; r++) {
      if (op->reads[r].op < 0) continue;
      eb_view_mark *m = &marks[op->reads[r].op];
      m->dense = m->dense || !is_strided(context, op);
      m->before_last = m->last_reader;
      m->last_reader = i;
    }
  }
}

/* Whether the output of the op at `index` may lie in channels of another's that the op at `overwritten` writes again. */
static bool can_place(const eb_partition *partition, const LiteContext *context, const eb_view_mark *marks, int index,
                      int overwritten) {
  if (index < 0) return false;
  const eb_op *op = &partition->ops[index];
  if (op->root != index || op->leaves || marks[index].dense) return false;
  if (op->kind == &eb_kind_quantize || !is_strided(context, op)) return false;
  return marks[index].last_reader < overwritten;
}

static void place(eb_partition *partition, eb_view_mark *marks, int index, const eb_op *in, int channel,
                  int overwritten) {
  eb_op *op = &partition->ops[index];
  op->root = in->root;
  op->channel = in->channel + channel;
  marks[index].overwritten = overwritten;
}

static void place_parts(eb_partition *partition, const LiteContext *context, eb_view_mark *marks, int index) {
  const eb_op *op = &partition->ops[index];
  int channel = 0;
  for (int i = 0; i < op->read_count; channel += op->as.concat.channels[i++]) {
    if (can_place(partition, context, marks, op->reads[i].op, marks[index].overwritten))
      place(partition, marks, op->reads[i].op, op, channel, marks[index].overwritten);
  }
}

/* Whether the op that gives what is padded can add it in its place: a convolution, after which nothing but the addition at
 * `index` reads the tensor that it is added to. */
static bool can_add_in_place(const eb_partition *partition, const LiteContext *context, const eb_view_mark *marks,
                             int index) {
  const eb_op *op = &partition->ops[index];
  const int part = op->reads[1].op, whole = op->reads[0].op;
  if (!can_place(partition, context, marks, part, marks[index].overwritten)) return false;
  const eb_op *convolution = &partition->ops[part];
  return convolution->kind == &eb_kind_bconv2d && marks[part].before_last == -1 && whole < part &&
         marks[whole].before_last < part && eb_has_room(convolution, 1, 1, 0);
}

static void add_in_place(eb_partition *partition, int whole, int part, int channel) {
  eb_op *convolution = &partition->ops[part];
  convolution->steps[convolution->step_count++] =
      (eb_op_step){.kind = EB_STEP_ADD, .read = convolution->read_count, .part = true};
  convolution->reads[convolution->read_count++] =
      (eb_read){.tensor = partition->ops[whole].output, .op = whole, .channel = channel};
}

static void place_sum(eb_partition *partition, const LiteContext *context, eb_view_mark *marks, int index) {
  const eb_op *op = &partition->ops[index];
  const int whole = op->reads[0].op, part = op->reads[1].op, channel = op->as.pad.before;
  if (whole < 0 || whole == part || marks[whole].last_reader != index) return;
  if (!can_place(partition, context, marks, whole, INT_MAX)) return;
  if (can_add_in_place(partition, context, marks, index)) {
    place(partition, marks, part, op, channel, marks[index].overwritten);
    place(partition, marks, whole, op, 0, part);
    add_in_place(partition, whole, part, channel);
  } else {
    place(partition, marks, whole, op, 0, index);
  }
}

void eb_place_views(eb_partition *partition, const LiteContext *context, eb_view_mark *marks) {
  find_readers(partition, context, marks);
  for (int i = partition->count - 1; i >= 0; i--) {
    const eb_op_kind *kind = partition->ops[i].kind;
    if (kind == &eb_kind_concatenation) place_parts(partition, context, marks, i);
    if (kind == &eb_kind_add_padded) place_sum(partition, context, marks, i);
  }
}
