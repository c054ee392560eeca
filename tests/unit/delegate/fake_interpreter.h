/* As much of a TFLite interpreter as the delegate needs: tensors, nodes, and a context with the functions that the
 * delegate calls. All claimed nodes become one partition. */
#ifndef EDGEBNN_TESTS_FAKE_INTERPRETER_H
#define EDGEBNN_TESTS_FAKE_INTERPRETER_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delegate.h"
#define TfLiteDelegate LiteDelegate /* the same to the interpreter */
#include "edgebnn.h"
#undef TfLiteDelegate

#ifndef FAKE_TENSORS
#define FAKE_TENSORS 16
#endif
#ifndef FAKE_NODES
#define FAKE_NODES 8
#endif
enum { MAX_TENSORS = FAKE_TENSORS, MAX_NODES = FAKE_NODES };

typedef struct {
  LiteNode node;
  LiteRegistration registration;
} fake_node;

typedef struct {
  LiteContext context;
  LiteTensor tensors[MAX_TENSORS];
  LiteAffineQuantization quantizations[MAX_TENSORS];
  fake_node nodes[MAX_NODES + 1]; /* one more for the partition */
  int node_count;
  LiteIntArray *plan;
  LiteDelegateParams params;
  LiteRegistration partition; /* as registered by the delegate */
  bool replaced;
  bool (*resize_fails)(void); /* NULL: it never does */
  char error[1024];
} fake_interpreter;

static inline fake_interpreter *fake_of(LiteContext *context) { return (fake_interpreter *)(void *)context; }

static inline LiteIntArray *int_array(int size, const int *values) {
  LiteIntArray *array = malloc(sizeof *array + (size_t)size * sizeof(int));
  array->size = size;
  if (size > 0) memcpy(array->data, values, (size_t)size * sizeof(int));
  return array;
}

static inline size_t fake_bytes(const LiteTensor *tensor) {
  size_t bytes = tensor->type == LITE_FLOAT32 || tensor->type == LITE_INT32 ? 4 : 1;
  for (int i = 0; i < tensor->dims->size; i++) bytes *= (size_t)tensor->dims->data[i];
  return bytes;
}

static inline int fake_get_execution_plan(LiteContext *context, LiteIntArray **plan) {
  *plan = fake_of(context)->plan;
  return LITE_OK;
}

static inline int fake_resize_tensor(LiteContext *context, LiteTensor *tensor, LiteIntArray *dims) {
  if (fake_of(context)->resize_fails != NULL && fake_of(context)->resize_fails()) {
    free(dims);
    return LITE_ERROR;
  }
  free(tensor->dims);
  tensor->dims = dims;
  tensor->bytes = fake_bytes(tensor);
  free(tensor->data);
  tensor->data = calloc(1, tensor->bytes + 1);
  return LITE_OK;
}

static inline void fake_report_error(LiteContext *context, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(fake_of(context)->error, sizeof fake_of(context)->error, format, arguments);
  va_end(arguments);
}

static inline int fake_add_tensors(LiteContext *context, int count, int *first) {
  (void)context;
  (void)count;
  (void)first;
  return LITE_ERROR;
}

static inline int fake_get_node(LiteContext *context, int index, LiteNode **node, LiteRegistration **registration) {
  fake_interpreter *fake = fake_of(context);
  if (index < 0 || index >= fake->node_count) return LITE_ERROR;
  *node = &fake->nodes[index].node;
  *registration = &fake->nodes[index].registration;
  return LITE_OK;
}

/* Inputs and outputs of the partition: the first node's first input, the last node's output. */
static inline int fake_replace(LiteContext *context, LiteRegistration registration, const LiteIntArray *nodes,
                        LiteDelegate *delegate) {
  fake_interpreter *fake = fake_of(context);
  const LiteNode *first = &fake->nodes[nodes->data[0]].node;
  const LiteNode *last = &fake->nodes[nodes->data[nodes->size - 1]].node;
  fake->params = (LiteDelegateParams){.delegate = delegate,
                                      .nodes = int_array(nodes->size, nodes->data),
                                      .inputs = int_array(1, first->inputs->data),
                                      .outputs = int_array(1, last->outputs->data)};
  LiteNode *node = &fake->nodes[fake->node_count].node;
  *node = (LiteNode){.inputs = fake->params.inputs, .outputs = fake->params.outputs};
  fake->partition = registration;
  fake->replaced = true;
  node->user_data = registration.init(context, (const char *)&fake->params, 0);
  return LITE_OK;
}

static inline void fake_create(fake_interpreter *fake, int threads) {
  memset(fake, 0, sizeof *fake);
  fake->context.tensors = fake->tensors;
  fake->context.tensors_size = MAX_TENSORS;
  fake->context.get_execution_plan = fake_get_execution_plan;
  fake->context.resize_tensor = fake_resize_tensor;
  fake->context.report_error = fake_report_error;
  fake->context.add_tensors = fake_add_tensors;
  fake->context.get_node_and_registration = fake_get_node;
  fake->context.replace_node_subsets = fake_replace;
  fake->context.recommended_num_threads = threads;
  for (int i = 0; i < MAX_TENSORS; i++) {
    fake->tensors[i].name = "tensor";
    fake->tensors[i].type = LITE_INT32;
    fake->tensors[i].allocation_type = LITE_ARENA_RW;
    fake->tensors[i].dims = int_array(0, NULL);
  }
  fake->plan = malloc(sizeof *fake->plan + MAX_NODES * sizeof(int));
  fake->plan->size = 0;
}

/* A tensor; `data` makes it a constant of its own copy. */
static inline void fake_tensor(fake_interpreter *fake, int index, int type, int rank, const int *shape, const void *data) {
  LiteTensor *tensor = &fake->tensors[index];
  tensor->type = type;
  fake_resize_tensor(&fake->context, tensor, int_array(rank, shape));
  if (data == NULL) return;
  memcpy(tensor->data, data, tensor->bytes);
  tensor->allocation_type = LITE_MMAP_RO;
}

static inline void fake_quantize(fake_interpreter *fake, int index, float scale, int zero_point) {
  LiteAffineQuantization *affine = &fake->quantizations[index];
  affine->scale = malloc(sizeof(LiteFloatArray) + sizeof(float));
  affine->scale->size = 1;
  affine->scale->data[0] = scale;
  affine->zero_point = int_array(1, &zero_point);
  fake->tensors[index].params.scale = scale;
  fake->tensors[index].params.zero_point = zero_point;
  fake->tensors[index].quantization.type = LITE_AFFINE_QUANTIZATION;
  fake->tensors[index].quantization.params = affine;
}

/* `options` must outlive the interpreter. */
static inline void fake_op(fake_interpreter *fake, const char *name, int inputs, const int *input, int output,
                    const void *options, int size) {
  fake_node *added = &fake->nodes[fake->node_count];
  added->node = (LiteNode){.inputs = int_array(inputs, input),
                           .outputs = int_array(1, &output),
                           .custom_initial_data = options,
                           .custom_initial_data_size = size};
  added->registration = (LiteRegistration){.builtin_code = LITE_BUILTIN_CUSTOM, .custom_name = name};
  fake->plan->data[fake->plan->size++] = fake->node_count++;
}

/* A built-in op, with the parameters that the interpreter has read from the file. */
static inline void fake_builtin(fake_interpreter *fake, int code, int inputs, const int *input, int output, const void *params) {
  fake_op(fake, NULL, inputs, input, output, NULL, 0);
  fake_node *added = &fake->nodes[fake->node_count - 1];
  added->node.builtin_data = params;
  added->registration.builtin_code = code;
}

/* The steps of an interpreter; false where the delegate refuses. */
static inline bool fake_delegate(fake_interpreter *fake, LiteDelegate *delegate) {
  return delegate->prepare(&fake->context, delegate) == LITE_OK;
}

static inline bool fake_prepare(fake_interpreter *fake) {
  return !fake->replaced || fake->partition.prepare(&fake->context, &fake->nodes[fake->node_count].node) == LITE_OK;
}

static inline bool fake_invoke(fake_interpreter *fake) {
  return !fake->replaced || fake->partition.invoke(&fake->context, &fake->nodes[fake->node_count].node) == LITE_OK;
}

/* Frees the partition and makes it again, as TensorFlow 2.16 does. */
static inline void fake_remake(fake_interpreter *fake) {
  LiteNode *node = &fake->nodes[fake->node_count].node;
  fake->partition.free(&fake->context, node->user_data);
  node->user_data = fake->partition.init(&fake->context, (const char *)&fake->params, 0);
}

static inline void fake_destroy(fake_interpreter *fake) {
  if (fake->replaced) {
    LiteNode *node = &fake->nodes[fake->node_count].node;
    fake->partition.free(&fake->context, node->user_data);
    free(node->temporaries);
    free(fake->params.nodes);
    free(fake->params.inputs);
    free(fake->params.outputs);
  }
  for (int i = 0; i < fake->node_count; i++) {
    free(fake->nodes[i].node.inputs);
    free(fake->nodes[i].node.outputs);
  }
  for (int i = 0; i < MAX_TENSORS; i++) {
    free(fake->tensors[i].dims);
    free(fake->tensors[i].data);
    free(fake->quantizations[i].scale);
    free(fake->quantizations[i].zero_point);
  }
  free(fake->plan);
}

#endif
