/* What a profiled invoke took, op by op, for callers outside (ctypes). Times are CLOCK_MONOTONIC nanoseconds. To be
 * called between invokes, by the thread that invokes. */
#include "delegate.h"

typedef struct {
  int node;           /* index of the op in the file */
  int partition;      /* node of the first op of its partition */
  const char *op;     /* custom code */
  const char *name;   /* first output tensor */
  const char *kernel; /* of a convolution; else empty */
  int64_t begin_ns, end_ns;
} edgebnn_op_time;

EB_EXPORT void edgebnn_profile_enable(LiteDelegate *lite, int on) {
  atomic_store(&((eb_delegate *)lite)->profiling, on != 0);
}

/* Writes up to `capacity` entries in no particular order and returns how many there are. */
EB_EXPORT int edgebnn_profile_read(const LiteDelegate *lite, edgebnn_op_time *times, int capacity) {
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
