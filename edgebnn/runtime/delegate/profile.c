/* What a profiled invoke took, op by op, for callers outside. */
#include "delegate.h"
#include "edgebnn.h"

/* Empty where an op has no choice of kernels. */
static const char *kernel_of(const eb_op *op) {
  if (op->kind == &eb_kind_bconv2d) return op->as.bconv2d.plan.kernel->name;
  return eb_op_is_w1a8(op) && op->as.w1a8.plan.kernel != NULL ? op->as.w1a8.plan.kernel->name : "";
}

EB_EXPORT void edgebnn_profile_enable(TfLiteDelegate *lite, int on) {
  atomic_store(&((eb_delegate *)lite)->profiling, on != 0);
}

EB_EXPORT int edgebnn_profile_read(const TfLiteDelegate *lite, edgebnn_op_time *times, int capacity) {
  int count = 0;
  const eb_delegate *delegate = (const eb_delegate *)lite;
  for (const eb_partition *partition = delegate->partitions; partition != NULL; partition = partition->next) {
    for (int i = 0; i < partition->count; i++, count++) {
      const eb_op *op = &partition->ops[i];
      if (count >= capacity) continue;
      times[count] = (edgebnn_op_time){.node = op->node,
                                       .partition = partition->ops[0].node,
                                       .added = op->added_node,
                                       .op = op->kind->custom_code,
                                       .name = op->name,
                                       .kernel = kernel_of(op),
                                       .begin_ns = op->begin_ns,
                                       .end_ns = op->end_ns};
    }
  }
  return count;
}
