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
