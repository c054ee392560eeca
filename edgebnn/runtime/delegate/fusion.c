/* Residual additions become the last step of the convolution in front of them: its output is neither written nor read
 * once more, and needs no memory. */
#include <string.h>

#include "delegate.h"

static int producer_of(const eb_partition *partition, int tensor) {
  for (int i = 0; i < partition->count; i++) {
    if (partition->ops[i].output == tensor) return i;
  }
  return EB_OUTSIDE;
}

static int uses_of(const eb_partition *partition, int tensor) {
  int uses = 0;
  for (int i = 0; i < partition->count; i++) {
    uses += (partition->ops[i].inputs[0] == tensor) + (partition->ops[i].residual == tensor);
  }
  return uses;
}

static bool leaves(const LiteIntArray *outputs, int tensor) {
  for (int i = 0; i < outputs->size; i++) {
    if (outputs->data[i] == tensor) return true;
  }
  return false;
}

/* The convolution that gives `tensor` to this addition alone, or EB_OUTSIDE. */
static int convolution_of(const eb_partition *partition, const LiteIntArray *outputs, int tensor) {
  const int index = producer_of(partition, tensor);
  if (index < 0 || uses_of(partition, tensor) != 1 || leaves(outputs, tensor)) return EB_OUTSIDE;
  const eb_op *op = &partition->ops[index];
  return op->kind == &eb_kind_bconv2d && op->residual < 0 ? index : EB_OUTSIDE;
}

/* The convolution takes the addition's place, where the other tensor is there. */
static void join(eb_partition *partition, int convolution, int addition, int other) {
  eb_op joined = partition->ops[convolution];
  joined.residual = other;
  joined.added_node = partition->ops[addition].node;
  joined.output = partition->ops[addition].output;
  partition->ops[addition] = joined;
  partition->count--;
  memmove(&partition->ops[convolution], &partition->ops[convolution + 1],
          (size_t)(partition->count - convolution) * sizeof(eb_op));
}

static void join_additions(eb_partition *partition, const LiteIntArray *outputs) {
  int i = 0;
  while (i < partition->count) {
    const eb_op *op = &partition->ops[i];
    if (op->kind == &eb_kind_add) {
      const int input = op->inputs[0], residual = op->residual;
      int convolution = convolution_of(partition, outputs, residual);
      const int other = convolution >= 0 ? input : residual;
      if (convolution < 0) convolution = convolution_of(partition, outputs, input);
      if (convolution >= 0) {
        join(partition, convolution, i, other);
        continue; /* at i stands the next op already */
      }
    }
    i++;
  }
}

void eb_connect(eb_partition *partition, const LiteIntArray *outputs) {
  if (!partition->delegate->keep_tensors) join_additions(partition, outputs);
  for (int i = 0; i < partition->count; i++) {
    eb_op *op = &partition->ops[i];
    op->input_op = producer_of(partition, op->inputs[0]);
    op->residual_op = op->residual < 0 ? EB_OUTSIDE : producer_of(partition, op->residual);
    op->leaves = leaves(outputs, op->output);
  }
}
