/* What the interpreter calls to have its graph split: the delegate claims the ops that it runs, and each run of them becomes
 * a partition (partition.c). */
#include "delegate.h"

#include <stdlib.h>

#include "claim.h"

static bool schedules_are_for(eb_delegate *delegate, const LiteIntArray *nodes) {
  const int op = eb_schedules_beside(delegate, nodes);
  return op < 0 || eb_refuse(delegate, "op %d has a schedule, but is none that edgebnn runs", op);
}

static int delegate_graph(LiteContext *context, eb_delegate *delegate) {
  LiteIntArray *plan;
  if (context->get_execution_plan(context, &plan) != LITE_OK) {
    eb_refuse(delegate, "the graph cannot be read");
    return LITE_ERROR;
  }
  LiteIntArray *nodes = malloc(sizeof(LiteIntArray) + (size_t)plan->size * sizeof(int));
  if (nodes == NULL) {
    eb_refuse(delegate, "no memory");
    context->report_error(context, "%s", delegate->message);
    return LITE_ERROR;
  }
  nodes->size = 0;
  int status = LITE_OK;
  if (!eb_claim(delegate, context, plan, nodes) || !schedules_are_for(delegate, nodes)) {
    context->report_error(context, "%s", delegate->message);
    status = LITE_ERROR;
  } else if (nodes->size > 0) {
    status = context->replace_node_subsets(context, eb_partition_registration(), nodes, &delegate->lite);
  }
  eb_forget_claimed(delegate);
  free(nodes);
  return status;
}

/* Not inlined, so that its return address lies in the interpreter. */
__attribute__((noinline)) int eb_delegate_prepare(LiteContext *context, LiteDelegate *lite) {
  eb_delegate *delegate = (eb_delegate *)lite;
  eb_forget_refusal(delegate);
  if (!eb_probe_layout(delegate, context, __builtin_return_address(0))) return LITE_ERROR;
  return delegate_graph(context, delegate);
}
