/* What the interpreter calls to have its graph split: the delegate claims the ops that it runs, and each run of them becomes
 * a partition (partition.c). */
#include "delegate.h"

#include <stdlib.h>

#include "op_kinds.h"

static bool packing_is_wanted(const eb_delegate *delegate, const eb_op *op) {
  return delegate->pack_int8 == EB_PACK_ALL || (delegate->pack_int8 == EB_PACK_WHERE_IT_PAYS && eb_int8_pays(op));
}

/* Whether the node is an int8 layer to be run with packed weights, or adds to a convolution's output. */
static bool is_wanted(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                      int32_t builtin_code, const bool *is_convolution) {
  eb_op op;
  if (!eb_builtin_recognize(delegate, context, node, index, builtin_code, &op)) return false;
  if (op.kind == &eb_kind_add) return is_convolution[op.inputs[0]] || is_convolution[op.residual];
  return packing_is_wanted(delegate, &op);
}

/* Appends the custom ops of ours to `nodes`, and those of the interpreter's that are taken over. Each is read once here, so
 * that a bad custom op is refused before the graph is changed. is_convolution: all false, for each tensor. */
static bool claim(eb_delegate *delegate, LiteContext *context, const LiteIntArray *plan, LiteIntArray *nodes,
                  bool *is_convolution) {
  for (int i = 0; i < plan->size; i++) {
    LiteNode *node;
    LiteRegistration *registration;
    if (context->get_node_and_registration(context, plan->data[i], &node, &registration) != LITE_OK)
      return eb_refuse(delegate, "node %d cannot be read", plan->data[i]);
    if (registration->builtin_code != LITE_BUILTIN_CUSTOM) {
      if (is_wanted(delegate, context, node, plan->data[i], registration->builtin_code, is_convolution))
        nodes->data[nodes->size++] = plan->data[i];
      continue;
    }
    const eb_op_kind *kind = eb_op_kind_of(registration->custom_name);
    eb_op op;
    if (kind == NULL) continue;
    if (!eb_op_read(delegate, context, node, plan->data[i], kind, &op)) return false;
    is_convolution[op.output] = kind == &eb_kind_bconv2d;
    nodes->data[nodes->size++] = plan->data[i];
  }
  return true;
}

static int delegate_graph(LiteContext *context, eb_delegate *delegate) {
  LiteIntArray *plan;
  if (context->get_execution_plan(context, &plan) != LITE_OK) {
    eb_refuse(delegate, "the graph cannot be read");
    return LITE_ERROR;
  }
  LiteIntArray *nodes = malloc(sizeof(LiteIntArray) + (size_t)plan->size * sizeof(int));
  bool *is_convolution = calloc(context->tensors_size + 1, sizeof *is_convolution);
  if (nodes == NULL || is_convolution == NULL) {
    free(nodes);
    free(is_convolution);
    eb_refuse(delegate, "no memory");
    context->report_error(context, "%s", delegate->message);
    return LITE_ERROR;
  }
  nodes->size = 0;
  int status = LITE_OK;
  if (!claim(delegate, context, plan, nodes, is_convolution) || !eb_schedules_are_for(delegate, nodes)) {
    context->report_error(context, "%s", delegate->message);
    status = LITE_ERROR;
  } else if (nodes->size > 0) {
    status = context->replace_node_subsets(context, eb_partition_registration(), nodes, &delegate->lite);
  }
  free(nodes);
  free(is_convolution);
  return status;
}

/* Not inlined, so that its return address lies in the interpreter. */
__attribute__((noinline)) int eb_delegate_prepare(LiteContext *context, LiteDelegate *lite) {
  eb_delegate *delegate = (eb_delegate *)lite;
  eb_forget_refusal(delegate);
  if (!eb_probe_layout(delegate, context, __builtin_return_address(0))) return LITE_ERROR;
  return delegate_graph(context, delegate);
}
