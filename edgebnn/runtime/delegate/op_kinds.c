/* The one list of the ops that the delegate runs: custom ops by name, and those of the interpreter's own that it may take
 * over. */
#include "op_kinds.h"

#include <string.h>

#include "flexbuffer.h"

static const eb_op_kind *const kinds[] = {&eb_kind_quantize, &eb_kind_dequantize, &eb_kind_bconv2d,
                                          &eb_kind_bmaxpool2d, &eb_kind_w1a8_conv2d, &eb_kind_w1a8_dense};

const eb_op_kind *eb_op_kind_of(const char *custom_code) {
  for (size_t i = 0; custom_code != NULL && i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(kinds[i]->custom_code, custom_code) == 0) return kinds[i];
  }
  return NULL;
}

bool eb_op_read(eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                const eb_op_kind *kind, eb_op *op) {
  *op = eb_op_new(kind, index);
  if (node->outputs->size != 1) return eb_refuse_op(delegate, op, "node %d must have one output", index);
  op->output = node->outputs->data[0];
  if (op->output < 0) return eb_refuse_op(delegate, op, "node %d must have one output", index);
  op->name = eb_tensor_name(&context->tensors[op->output]);
  if (node->inputs->size != kind->inputs)
    return eb_refuse_op(delegate, op, "has %d inputs, expected %d", node->inputs->size, kind->inputs);
  memcpy(op->inputs, node->inputs->data, (size_t)kind->inputs * sizeof(int));
  if (op->inputs[0] < 0) return eb_refuse_op(delegate, op, "its input is absent");
  eb_op_reads(op, op->inputs[0]);
  return kind->read(delegate, context, node, op);
}

static bool recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                      int32_t builtin_code, eb_op *op) {
  const bool packs_all = delegate->pack_int8 == EB_PACK_ALL;
  if (!delegate->surroundings) { /* other interpreters refuse the rest when shapes change (edgebnn.h) */
    return builtin_code == LITE_BUILTIN_ADD ? eb_steps_recognize(context, node, index, builtin_code, op)
                                            : eb_int8_recognize(delegate, context, node, index, builtin_code, op);
  }
  switch (builtin_code) {
    case LITE_BUILTIN_CONCATENATION: return eb_concat_recognize(context, node, index, op);
    case LITE_BUILTIN_PAD:
      return eb_pad_recognize(context, node, index, op) || eb_few_pad_recognize(context, node, index, op);
    case LITE_BUILTIN_AVERAGE_POOL_2D:
    case LITE_BUILTIN_MAX_POOL_2D:
      return eb_pool2d_recognize(context, node, index, builtin_code, op) ||
             (builtin_code == LITE_BUILTIN_MAX_POOL_2D && eb_few_pool_recognize(context, node, index, op));
    case LITE_BUILTIN_CONV_2D:
      return (packs_all && eb_int8_recognize(delegate, context, node, index, builtin_code, op)) ||
             eb_conv_few_recognize(delegate, context, node, index, op) ||
             (!packs_all && eb_int8_recognize(delegate, context, node, index, builtin_code, op)) ||
             eb_conv_1x1_recognize(delegate, context, node, index, op);
    case LITE_BUILTIN_LOGISTIC: return eb_gate_recognize(delegate, context, node, index, builtin_code, op);
    case LITE_BUILTIN_FULLY_CONNECTED:
      return eb_int8_recognize(delegate, context, node, index, builtin_code, op) ||
             eb_gate_recognize(delegate, context, node, index, builtin_code, op);
    default:
      return eb_steps_recognize(context, node, index, builtin_code, op) ||
             eb_int8_recognize(delegate, context, node, index, builtin_code, op);
  }
}

bool eb_builtin_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                          int32_t builtin_code, eb_op *op) {
  if (recognize(delegate, context, node, index, builtin_code, op)) return true;
  *op = (eb_op){0}; /* what was read of it until something did not fit */
  return false;
}

int eb_builtin_params_bytes(int32_t builtin_code) {
  switch (builtin_code) {
    case LITE_BUILTIN_ADD:
    case LITE_BUILTIN_MUL: return sizeof(LiteAddParams);
    case LITE_BUILTIN_CONCATENATION: return sizeof(LiteConcatenationParams);
    case LITE_BUILTIN_AVERAGE_POOL_2D:
    case LITE_BUILTIN_MAX_POOL_2D: return sizeof(LitePoolParams);
    case LITE_BUILTIN_LOGISTIC:
    case LITE_BUILTIN_PAD:
    case LITE_BUILTIN_PRELU:
    case LITE_BUILTIN_RELU:
    case LITE_BUILTIN_RELU6:
    case LITE_BUILTIN_RELU_N1_TO_1: return 0;
    default: return eb_int8_params_bytes(builtin_code);
  }
}

bool eb_read_options(eb_delegate *delegate, const LiteNode *node, const eb_op *op, const eb_option *options,
                     int count) {
  FlexMap map;
  if (node->custom_initial_data_size < 0 ||
      !flex_map_open(&map, node->custom_initial_data, (size_t)node->custom_initial_data_size))
    return eb_refuse_op(delegate, op, "its options are not a FlexBuffer map");
  for (int i = 0; i < count; i++) {
    int64_t value;
    if (!flex_map_int(&map, options[i].key, &value))
      return eb_refuse_op(delegate, op, "its option %s is missing or not an integer", options[i].key);
    if (value < INT32_MIN || value > INT32_MAX)
      return eb_refuse_op(delegate, op, "its option %s is out of range", options[i].key);
    *options[i].value = (int32_t)value;
  }
  return true;
}

static const char *type_name(int type) {
  return type == LITE_INT32 ? "int32" : type == LITE_INT8 ? "int8" : "float32";
}

bool eb_require_constant(eb_delegate *delegate, const LiteContext *context, const eb_op *op, int input,
                         const char *role, int type, int rank, int length) {
  if (op->inputs[input] == LITE_OPTIONAL_TENSOR) return eb_refuse_op(delegate, op, "its %s is absent", role);
  const LiteTensor *tensor = &context->tensors[op->inputs[input]];
  if (tensor->allocation_type != LITE_MMAP_RO || tensor->data == NULL || tensor->sparsity != NULL)
    return eb_refuse_op(delegate, op, "its %s '%s' must be a constant of the file", role, eb_tensor_name(tensor));
  if (tensor->type != type)
    return eb_refuse_op(delegate, op, "its %s '%s' must be %s", role, eb_tensor_name(tensor), type_name(type));
  if (tensor->dims->size != rank || (length != 0 && tensor->dims->data[0] != length))
    return eb_refuse_op(delegate, op, "its %s '%s' has a wrong shape", role, eb_tensor_name(tensor));
  return true;
}
