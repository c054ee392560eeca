/* What the interpreter calls to have its graph split: the delegate claims the ops that it runs, and each run of them becomes
 * a partition (partition.c). */
#include "delegate.h"

#include <stdlib.h>

#include "op_kinds.h"

static bool packing_is_wanted(const eb_delegate *delegate, const eb_op *op) {
  return delegate->pack_int8 == EB_PACK_ALL || (delegate->pack_int8 == EB_PACK_WHERE_IT_PAYS && eb_int8_pays(op));
}

/* What gives a tensor, as far as it matters to ops behind. */
typedef enum { OTHER, BINARY_CONVOLUTION, FEW_CHANNELS } giver;

/* Whether the node is an int8 layer to be run with packed weights, a convolution of few channels, or what becomes a part of a
 * convolution. */
static bool is_wanted(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                      int32_t builtin_code, giver *givers) {
  eb_op op;
  if (!eb_builtin_recognize(delegate, context, node, index, builtin_code, &op)) return false;
  if (op.kind == &eb_kind_add) return givers[op.inputs[0]] == BINARY_CONVOLUTION || givers[op.residual] == BINARY_CONVOLUTION;
  if (op.kind == &eb_kind_few_pool) return !delegate->keep_tensors && givers[op.inputs[0]] == FEW_CHANNELS;
  if (!eb_op_is_conv_few(&op)) return packing_is_wanted(delegate, &op);
  givers[op.output] = FEW_CHANNELS;
  return true;
}

/* Appends the custom ops of ours to `nodes`, and those of the interpreter's that are taken over. Each is read once here, so
 * that a bad custom op is refused before the graph is changed. givers: all OTHER, for each tensor. */
static bool claim(eb_delegate *delegate, LiteContext *context, const LiteIntArray *plan, LiteIntArray *nodes,
                  giver *givers) {
  for (int i = 0; i < plan->size; i++) {
    LiteNode *node;
    LiteRegistration *registration;
    if (context->get_node_and_registration(context, plan->data[i], &node, &registration) != LITE_OK)
      return eb_refuse(delegate, "node %d cannot be read", plan->data[i]);
    if (registration->builtin_code != LITE_BUILTIN_CUSTOM) {
      if (is_wanted(delegate, context, node, plan->data[i], registration->builtin_code, givers))
        nodes->data[nodes->size++] = plan->data[i];
      continue;
    }
    const eb_op_kind *kind = eb_op_kind_of(registration->custom_name);
    eb_op op;
    if (kind == NULL) continue;
    if (!eb_op_read(delegate, context, node, plan->data[i], kind, &op)) return false;
    if (op.kind == &eb_kind_bconv2d) givers[op.output] = BINARY_CONVOLUTION;
    if (eb_op_is_conv_few(&op)) givers[op.output] = FEW_CHANNELS;
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
  giver *givers = calloc(context->tensors_size + 1, sizeof *givers);
  if (nodes == NULL || givers == NULL) {
    free(nodes);
    free(givers);
    eb_refuse(delegate, "no memory");
    context->report_error(context, "%s", delegate->message);
    return LITE_ERROR;
  }
  nodes->size = 0;
  int status = LITE_OK;
  if (!claim(delegate, context, plan, nodes, givers) || !eb_schedules_are_for(delegate, nodes)) {
    context->report_error(context, "%s", delegate->message);
    status = LITE_ERROR;
  } else if (nodes->size > 0) {
    status = context->replace_node_subsets(context, eb_partition_registration(), nodes, &delegate->lite);
  }
  free(nodes);
  free(givers);
  return status;
}

/* Not inlined, so that its return address lies in the interpreter. */
__attribute__((noinline)) int eb_delegate_prepare(LiteContext *context, LiteDelegate *lite) {
  eb_delegate *delegate = (eb_delegate *)lite;
  eb_forget_refusal(delegate);
  if (!eb_probe_layout(delegate, context, __builtin_return_address(0))) return LITE_ERROR;
  return delegate_graph(context, delegate);
}
