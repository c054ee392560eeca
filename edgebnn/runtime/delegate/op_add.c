/* ADD of float32 tensors of one shape, where one of them is the output of a binary convolution: a residual connection.
 * In most networks it becomes part of the convolution (fusion.c); where it cannot, it runs by itself. */
#include "builtin_layers.h"

static bool same_shape(const LiteTensor *a, const LiteTensor *b) {
  if (a->dims->size != b->dims->size) return false;
  for (int i = 0; i < a->dims->size; i++) {
    if (a->dims->data[i] != b->dims->data[i]) return false;
  }
  return true;
}

static bool is_variable_float(const LiteTensor *tensor) {
  return tensor->type == LITE_FLOAT32 && tensor->allocation_type != LITE_MMAP_RO && tensor->dims->size >= 1 &&
         tensor->dims->size <= EB_MAX_RANK;
}

static bool prepare(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *input = &context->tensors[op->inputs[0]], *residual = &context->tensors[op->residual];
  if (!same_shape(input, residual) || input->dims->size != context->tensors[op->output].dims->size)
    return eb_refuse_op(delegate, op, "inputs '%s' and '%s' have no longer one shape", eb_tensor_name(input),
                        eb_tensor_name(residual));
  const int last = input->dims->size - 1;
  op->as.rows = (eb_rows){.type = EB_FLOAT32, .rows = 1, .channels = input->dims->data[last]};
  for (int i = 0; i <= last; i++) {
    output_shape[i] = input->dims->data[i];
    if (i < last) op->as.rows.rows *= output_shape[i];
  }
  op->tiles = op->as.rows.rows;
  return true;
}

static void run(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  eb_add_run(&op->as.rows, memory->input, memory->residual, memory->output, begin, end);
}

const eb_op_kind eb_kind_add = {.custom_code = "ADD", .prepare = prepare, .run = run};

bool eb_add_recognize(const LiteContext *context, const LiteNode *node, int index, eb_op *op) {
  const LiteAddParams *params = node->builtin_data;
  if (params == NULL || params->activation != 0 || node->inputs->size != 2 || node->outputs->size != 1) return false;
  const int a = node->inputs->data[0], b = node->inputs->data[1], sum = node->outputs->data[0];
  if (a < 0 || b < 0 || sum < 0) return false;
  const LiteTensor *output = &context->tensors[sum];
  if (!is_variable_float(&context->tensors[a]) || !is_variable_float(&context->tensors[b])) return false;
  if (!is_variable_float(output) || !same_shape(&context->tensors[a], &context->tensors[b])) return false;
  if (!same_shape(&context->tensors[a], output)) return false;
  *op = eb_op_new(&eb_kind_add, index);
  op->name = eb_tensor_name(output);
  op->inputs[0] = a;
  op->residual = b;
  op->output = sum;
  return true;
}
