/* What a profiled invoke took, op by op, for callers outside. */
#include "delegate.h"
#include "edgebnn.h"

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
      const bool convolution = op->kind == &eb_kind_bconv2d;
      times[count] = (edgebnn_op_time){.node = op->node,
                                       .partition = partition->ops[0].node,
                                       .op = op->kind->custom_code,
                                       .name = op->name,
                                       .kernel = convolution ? op->as.bconv2d.plan.kernel->name : "",
                                       .begin_ns = op->begin_ns,
                                       .end_ns = op->end_ns};
    }
  }
  return count;
}
