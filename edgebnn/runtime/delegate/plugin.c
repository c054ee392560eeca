/* The library's face: the two functions of TFLite's external delegate interface, what the interpreter calls to have
 * its graph split, and a few functions that edgebnn's Python calls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delegate.h"
#include "edgebnn.h"
#include "builtin_layers.h"

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
    if (registration->custom_name == NULL) continue;
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
  if (context->get_execution_plan(context, &plan) != LITE_OK) return LITE_ERROR;
  LiteIntArray *nodes = malloc(sizeof(LiteIntArray) + (size_t)plan->size * sizeof(int));
  bool *is_convolution = calloc(context->tensors_size + 1, sizeof *is_convolution);
  if (nodes == NULL || is_convolution == NULL) {
    free(nodes);
    free(is_convolution);
    return LITE_ERROR;
  }
  nodes->size = 0;
  int status = LITE_OK;
  if (!claim(delegate, context, plan, nodes, is_convolution)) {
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
static __attribute__((noinline)) int prepare(LiteContext *context, LiteDelegate *lite) {
  eb_delegate *delegate = (eb_delegate *)lite;
  if (!eb_probe_layout(delegate, context, __builtin_return_address(0))) return LITE_ERROR;
  return delegate_graph(context, delegate);
}

static bool parse_flag(const char *text, bool *flag) {
  *flag = strcmp(text, "1") == 0;
  return *flag || strcmp(text, "0") == 0;
}

/* Of any table: operations that have no kernel of that name run their best. */
static bool known_kernel(const char *name) {
  const uint32_t features = eb_cpu_features();
  return eb_bconv2d_kernel_named(name, features) != NULL || eb_w1a8_kernel_named(name, features) != NULL;
}

static bool set_pack_int8(eb_delegate *delegate, const char *value) {
  static const char *const values[] = {
      [EB_PACK_WHERE_IT_PAYS] = "auto", [EB_PACK_ALL] = "all", [EB_PACK_NONE] = "none"};
  for (int i = 0; i < (int)(sizeof values / sizeof *values); i++) {
    if (strcmp(value, values[i]) != 0) continue;
    delegate->pack_int8 = i;
    return true;
  }
  return false;
}

static bool set_option(eb_delegate *delegate, const char *key, const char *value) {
  bool flag = false;
  if (strcmp(key, "num_threads") == 0) {
    char *end;
    const long threads = strtol(value, &end, 10);
    if (end == value || *end != 0 || threads < 0 || threads > EB_MAX_THREADS) return false;
    delegate->num_threads = (int)threads;
  } else if (strcmp(key, "kernels") == 0) {
    if (strlen(value) >= sizeof delegate->kernel || !known_kernel(value)) return false;
    strcpy(delegate->kernel, value);
  } else if (strcmp(key, "pack_int8") == 0) {
    return set_pack_int8(delegate, value);
  } else if (strcmp(key, "profile") == 0) {
    if (!parse_flag(value, &flag)) return false;
    atomic_store(&delegate->profiling, flag);
  } else if (strcmp(key, "keep_tensors") == 0) {
    if (!parse_flag(value, &delegate->keep_tensors)) return false;
  } else if (strcmp(key, "log") == 0) {
    if (!parse_flag(value, &flag)) return false;
    delegate->log = flag;
  } else {
    return false;
  }
  return true;
}

void eb_release_delegate(eb_delegate *delegate) {
  if (!delegate->destroyed || delegate->partitions != NULL) return;
  eb_pool_destroy(delegate->pool);
  free(delegate);
}

EB_EXPORT TfLiteDelegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count,
                                                        void (*report)(const char *message)) {
  eb_delegate *delegate = calloc(1, sizeof *delegate);
  eb_pool *pool = eb_pool_create();
  if (delegate == NULL || pool == NULL) {
    if (report != NULL) report("no memory");
    free(delegate);
    eb_pool_destroy(pool);
    return NULL;
  }
  delegate->pool = pool;
  delegate->log = true;
  delegate->lite.prepare = prepare;
  delegate->lite.flags = LITE_DELEGATE_ALLOW_DYNAMIC_TENSORS;
  const int options = (int)count; /* Python passes a C int: the upper half is not defined */
  for (int i = 0; i < options; i++) {
    if (set_option(delegate, keys[i], values[i])) continue;
    char message[320];
    snprintf(message, sizeof message,
             "option %.60s=%.60s is none of num_threads=0..%d, kernels=NAME (one that this processor runs), "
             "pack_int8=auto|all|none, keep_tensors=0|1, profile=0|1, log=0|1",
             keys[i], values[i], EB_MAX_THREADS);
    if (report != NULL) report(message);
    eb_pool_destroy(pool);
    free(delegate);
    return NULL;
  }
  return (TfLiteDelegate *)delegate;
}

/* An interpreter that still has partitions keeps the delegate: in Python, a signature runner outlives what made it. */
EB_EXPORT void tflite_plugin_destroy_delegate(TfLiteDelegate *lite) {
  eb_delegate *delegate = (eb_delegate *)lite;
  if (delegate == NULL) return;
  delegate->destroyed = true;
  eb_release_delegate(delegate);
}

EB_EXPORT const char *edgebnn_delegate_message(const TfLiteDelegate *lite) {
  return ((const eb_delegate *)lite)->message;
}

EB_EXPORT int edgebnn_delegate_mismatch(const TfLiteDelegate *lite) { return ((const eb_delegate *)lite)->mismatch; }
