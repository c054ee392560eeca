/* What is done row by row: LceQuantize and LceDequantize, signs into bits and back, and ADD of float32. */
#include "op_kinds.h"

static int rows_type(int type) {
  switch (type) {
    case LITE_FLOAT32:
      return EB_FLOAT32;
    case LITE_INT8:
      return EB_INT8;
    case LITE_BOOL:
      return EB_BOOL;
    default:
      return -1;
  }
}

static bool same_rank(eb_delegate *delegate, const LiteContext *context, const eb_op *op) {
  const LiteTensor *input = &context->tensors[op->inputs[0]];
  const LiteTensor *output = &context->tensors[op->output];
  const int rank = input->dims->size;
  if (rank < 1 || rank > EB_MAX_RANK || output->dims->size != rank)
    return eb_refuse_op(delegate, op, "input '%s' has %d dimensions and output '%s' %d, expected equal, 1 to %d",
                        eb_tensor_name(input), rank, eb_tensor_name(output), output->dims->size, EB_MAX_RANK);
  return true;
}

/* Fills op->as.rows and output_shape from the unpacked tensor, one side of the op, and the number of output words or
 * channels. */
static bool settle(eb_delegate *delegate, eb_op *op, const LiteTensor *input, const LiteTensor *unpacked, int channels,
                   int last, int *output_shape) {
  const int rank = input->dims->size;
  int64_t rows = 1;
  for (int i = 0; i + 1 < rank; i++) {
    output_shape[i] = input->dims->data[i];
    if (output_shape[i] < 1 || rows > INT32_MAX / output_shape[i])
      return eb_refuse_op(delegate, op, "input '%s' is empty or too large", eb_tensor_name(input));
    rows *= output_shape[i];
  }
  output_shape[rank - 1] = last;
  op->as.rows = (eb_rows){.type = rows_type(unpacked->type),
                          .rows = rows,
                          .channels = channels,
                          .scale = unpacked->params.scale,
                          .zero_point = unpacked->params.zero_point};
  op->units.count = rows;
  return true;
}

static bool read_quantize(eb_delegate *delegate, const LiteContext *context, const LiteNode *node, eb_op *op) {
  (void)node;
  const LiteTensor *input = &context->tensors[op->inputs[0]];
  const LiteTensor *output = &context->tensors[op->output];
  if (rows_type(input->type) < 0)
    return eb_refuse_op(delegate, op, "input '%s' must be float32, int8 or bool", eb_tensor_name(input));
  if (output->type != LITE_INT32)
    return eb_refuse_op(delegate, op, "output '%s' must be int32", eb_tensor_name(output));
  return same_rank(delegate, context, op);
}

static bool prepare_quantize(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *input = &context->tensors[op->inputs[0]];
  if (!same_rank(delegate, context, op)) return false;
  const int channels = input->dims->data[input->dims->size - 1];
  if (!settle(delegate, op, input, input, channels, eb_packed_words(channels), output_shape)) return false;
  return eb_refuse_status(delegate, op, eb_quantize_check(&op->as.rows));
}

static void run_quantize(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  eb_quantize_run(&op->as.rows, memory->input, memory->output, begin, end);
}

static bool read_dequantize(eb_delegate *delegate, const LiteContext *context, const LiteNode *node, eb_op *op) {
  (void)node;
  const LiteTensor *input = &context->tensors[op->inputs[0]];
  const LiteTensor *output = &context->tensors[op->output];
  if (input->type != LITE_INT32) return eb_refuse_op(delegate, op, "input '%s' must be int32", eb_tensor_name(input));
  if (rows_type(output->type) < 0)
    return eb_refuse_op(delegate, op, "output '%s' must be float32, int8 or bool", eb_tensor_name(output));
  return same_rank(delegate, context, op);
}

/* The number of channels is known only from the output's shape in the file; all other dimensions follow the input. */
static bool prepare_dequantize(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *input = &context->tensors[op->inputs[0]];
  const LiteTensor *output = &context->tensors[op->output];
  if (!same_rank(delegate, context, op)) return false;
  const int last = input->dims->size - 1;
  const int channels = output->dims->data[last];
  if (channels < 1 || input->dims->data[last] != eb_packed_words(channels))
    return eb_refuse_op(delegate, op, "input '%s' has %d words of 32 channels, output '%s' %d channels",
                        eb_tensor_name(input), input->dims->data[last], eb_tensor_name(output), channels);
  if (!settle(delegate, op, input, output, channels, channels, output_shape)) return false;
  return eb_refuse_status(delegate, op, eb_dequantize_check(&op->as.rows));
}

static void run_dequantize(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  eb_dequantize_run(&op->as.rows, memory->input, memory->output, begin, end);
}

const eb_op_kind eb_kind_quantize = {.custom_code = "LceQuantize",
                                     .inputs = 1,
                                     .read = read_quantize,
                                     .prepare = prepare_quantize,
                                     .run = run_quantize};

const eb_op_kind eb_kind_dequantize = {.custom_code = "LceDequantize",
                                       .inputs = 1,
                                       .read = read_dequantize,
                                       .prepare = prepare_dequantize,
                                       .run = run_dequantize};

/* ---- ADD of float32 tensors of one shape, where one of them is the output of a binary convolution: a residual connection.
 * In most networks it becomes part of the convolution (fusion.c); where it cannot, it runs by itself. ---- */

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

static bool prepare_add(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *input = &context->tensors[op->inputs[0]], *residual = &context->tensors[op->residual];
  if (!same_shape(input, residual) || input->dims->size != context->tensors[op->output].dims->size)
    return eb_refuse_op(delegate, op, "inputs '%s' and '%s' have no longer one shape", eb_tensor_name(input),
                        eb_tensor_name(residual));
  const int channels = input->dims->data[input->dims->size - 1];
  if (channels < 1) return eb_refuse_op(delegate, op, "input '%s' is empty or too large", eb_tensor_name(input));
  return settle(delegate, op, input, input, channels, channels, output_shape);
}

static void run_add(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  eb_add_run(&op->as.rows, memory->input, memory->residual, memory->output, begin, end);
}

const eb_op_kind eb_kind_add = {.custom_code = "ADD", .prepare = prepare_add, .run = run_add};

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
