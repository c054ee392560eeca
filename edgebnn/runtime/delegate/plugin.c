/* The library's face: the two functions of TFLite's external delegate interface, and what programs ask of a delegate
 * besides: its last refusal, and what a profiled invoke took, op by op. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delegate.h"
#include "edgebnn.h"
#include "op_kinds.h"

static bool parse_flag(const char *text, bool *flag) {
  *flag = strcmp(text, "1") == 0;
  return *flag || strcmp(text, "0") == 0;
}

/* Of any table: operations that have no kernel of that name run their best. */
static bool known_kernel(const char *name) {
  const uint32_t features = eb_cpu_features();
  return eb_bconv2d_kernel_named(name, features) != NULL || eb_w1a8_kernel_named(name, features) != NULL ||
         eb_conv2d_few_kernel_named(name, features) != NULL;
}

/* Both kinds of choice have the same names for their values. */
static bool parse_choice(const char *text, int *choice) {
  static const char *const values[] = {
      [EB_PACK_WHERE_IT_PAYS] = "auto", [EB_PACK_ALL] = "all", [EB_PACK_NONE] = "none"};
  for (int i = 0; i < (int)(sizeof values / sizeof *values); i++) {
    if (strcmp(text, values[i]) != 0) continue;
    *choice = i;
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
  } else if (strcmp(key, "schedule") == 0) {
    return eb_schedules_read(delegate, value);
  } else if (strcmp(key, "pack_int8") == 0) {
    return parse_choice(value, &delegate->pack_int8);
  } else if (strcmp(key, "few_channels") == 0) {
    return parse_choice(value, &delegate->few_channels);
  } else if (strcmp(key, "profile") == 0) {
    if (!parse_flag(value, &flag)) return false;
    atomic_store(&delegate->profiling, flag);
  } else if (strcmp(key, "surroundings") == 0) {
    if (!parse_flag(value, &delegate->surroundings)) return false;
  } else if (strcmp(key, "exact") == 0) {
    if (!parse_flag(value, &delegate->exact)) return false;
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
  eb_schedules_release(delegate);
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
  delegate->lite.prepare = eb_delegate_prepare;
  delegate->lite.flags = LITE_DELEGATE_ALLOW_DYNAMIC_TENSORS;
  const int options = (int)count; /* Python passes a C int: the upper half is not defined */
  for (int i = 0; i < options; i++) {
    if (set_option(delegate, keys[i], values[i])) continue;
    char message[400];
    snprintf(message, sizeof message,
             "option %.60s=%.60s is none of num_threads=0..%d, kernels=NAME (one that this processor runs), "
             "schedule=OP:KERNEL:ORDER:TILES;..., pack_int8=auto|all|none, few_channels=auto|all|none, surroundings=0|1, "
             "exact=0|1, "
             "keep_tensors=0|1, profile=0|1, log=0|1",
             keys[i], values[i], EB_MAX_THREADS);
    if (report != NULL) report(message);
    eb_pool_destroy(pool);
    eb_schedules_release(delegate);
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

EB_EXPORT void edgebnn_delegate_forget(TfLiteDelegate *lite) { eb_forget_refusal((eb_delegate *)lite); }

/* Empty where an op has no choice of kernels, or is not prepared yet. */
static const char *kernel_of(const eb_op *op) {
  if (op->kind == &eb_kind_bconv2d && op->as.bconv2d.plan.kernel != NULL) return op->as.bconv2d.plan.kernel->name;
  if (eb_conv_few_kernel_of(op) != NULL) return eb_conv_few_kernel_of(op);
  if (eb_op_is_w1a8(op) && op->as.w1a8.plan.kernel != NULL) return op->as.w1a8.plan.kernel->name;
  return "";
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
                                       .joined_count = op->joined_count,
                                       .joined = op->joined,
                                       .op = op->kind->custom_code,
                                       .name = op->name,
                                       .kernel = kernel_of(op),
                                       .begin_ns = op->begin_ns,
                                       .end_ns = op->end_ns};
    }
  }
  return count;
}
