#include "options.h"

#include "flexbuffer.h"

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
