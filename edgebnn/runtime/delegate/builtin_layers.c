/* The one list of the interpreter's own ops that the delegate may take over. */
#include "builtin_layers.h"

size_t eb_builtin_params_bytes(int32_t builtin_code) {
  return builtin_code == LITE_BUILTIN_ADD ? sizeof(LiteAddParams) : eb_int8_params_bytes(builtin_code);
}

bool eb_builtin_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                          int32_t builtin_code, eb_op *op) {
  if (builtin_code == LITE_BUILTIN_ADD) return eb_add_recognize(context, node, index, op);
  return eb_int8_recognize(delegate, context, node, index, builtin_code, op);
}
