/* LceQuantize and LceDequantize, row by row: signs into bits and back. */
#include <stdlib.h>

#include "op_kinds.h"
#include "op_steps.h"

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
  const LiteTensor *input = &context->tensors[op->reads[0].tensor];
  const LiteTensor *output = &context->tensors[op->output];
  const int rank = input->dims->size;
  if (rank < 1 || rank > EB_MAX_RANK || output->dims->size != rank)
    return eb_refuse_op(delegate, op, "input '%s' has %d dimensions and output '%s' %d, expected equal, 1 to %d",
                        eb_tensor_name(input), rank, eb_tensor_name(output), output->dims->size, EB_MAX_RANK);
  return true;
}

bool eb_rows_settle(eb_delegate *delegate, eb_op *op, const LiteTensor *input, int channels, int *output_shape,
                    eb_rows *rows_of) {
  const int rank = input->dims->size;
  int64_t rows = 1;
  for (int i = 0; i + 1 < rank; i++) {
    output_shape[i] = input->dims->data[i];
    if (output_shape[i] < 1 || rows > INT32_MAX / output_shape[i])
      return eb_refuse_op(delegate, op, "input '%s' is empty or too large", eb_tensor_name(input));
    rows *= output_shape[i];
  }
  if (channels < 1 || rows > INT32_MAX / channels)
    return eb_refuse_op(delegate, op, "input '%s' is empty or too large", eb_tensor_name(input));
  output_shape[rank - 1] = channels;
  *rows_of = (eb_rows){.type = rows_type(input->type), .rows = rows, .channels = channels};
  op->units.count = rows;
  return true;
}

/* The same for the unpacked tensor, one side of the op. */
static bool settle_unpacked(eb_delegate *delegate, eb_op *op, const LiteTensor *input, const LiteTensor *unpacked,
                            int channels, int *output_shape) {
  eb_rows *rows = &op->as.quantize.rows;
  if (!eb_rows_settle(delegate, op, input, channels, output_shape, rows)) return false;
  rows->type = rows_type(unpacked->type);
  rows->scale = unpacked->params.scale;
  rows->zero_point = unpacked->params.zero_point;
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

bool eb_quantize_has_parts(const eb_op *op) {
  return op->kind == &eb_kind_quantize && op->as.quantize.int8_thresholds.limit != NULL;
}

static int last_of(const LiteTensor *tensor) { return tensor->dims->data[tensor->dims->size - 1]; }

/* All channels of the parts. Refuses by eb_refuse. */
static bool add_up_parts(eb_delegate *delegate, const LiteContext *context, const eb_op *op, int *channels) {
  const LiteTensor *first = &context->tensors[op->reads[0].tensor];
  *channels = 0;
  for (int i = 0; i < op->read_count; i++) {
    const LiteTensor *part = &context->tensors[op->reads[i].tensor];
    if (!eb_has_rows_of(part, first) || last_of(part) != op->as.quantize.channels[i])
      return eb_refuse_op(delegate, op, "input '%s' does not fit its layer any longer", eb_tensor_name(part));
    *channels += last_of(part);
  }
  return true;
}

static bool prepare_quantize(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *input = &context->tensors[op->reads[0].tensor];
  if (!same_rank(delegate, context, op)) return false;
  const int last = input->dims->size - 1;
  int channels = last_of(input);
  if (eb_quantize_has_parts(op) && !add_up_parts(delegate, context, op, &channels)) return false;
  if (!settle_unpacked(delegate, op, input, input, channels, output_shape)) return false;
  if (!eb_steps_settle(delegate, context, op, output_shape, last + 1)) return false;
  output_shape[last] = eb_packed_words(channels);
  return eb_refuse_status(delegate, op, eb_quantize_check(&op->as.quantize.rows));
}

static void run_parts(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  const eb_op_quantize *quantize = &op->as.quantize;
  eb_sign_part parts[EB_MOST_READ];
  for (int i = 0; i < op->read_count; i++)
    parts[i] = (eb_sign_part){memory->read[i], memory->stride[i], quantize->channels[i]};
  op->rows_kernel->int8_thresholds(&quantize->rows, &quantize->int8_thresholds, parts, op->read_count, memory->output,
                                   begin, end);
}

static void run_quantize(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  const eb_op_quantize *quantize = &op->as.quantize;
  if (eb_quantize_has_parts(op)) {
    run_parts(op, memory, begin, end);
  } else if (op->step_count > 0) {
    op->rows_kernel->thresholds(&quantize->rows, &quantize->thresholds, memory->read[0], memory->stride[0],
                                memory->output, begin, end);
  } else {
    eb_quantize_run(&quantize->rows, memory->read[0], memory->output, begin, end);
  }
}

static void release_quantize(eb_op *op) {
  free(op->as.quantize.thresholds.keep);
  free(op->as.quantize.int8_thresholds.turned);
}

/* A threshold replaces the steps in front; one allocation has all. */
bool eb_quantize_find_thresholds(const eb_output_steps *steps, int32_t channels, eb_op *op) {
  const size_t bits = 32 * (size_t)eb_packed_words(channels);
  uint32_t *memory = malloc(bits * (2 * sizeof(uint32_t) + sizeof(float)));
  if (memory == NULL) return false;
  const eb_thresholds found = {memory, memory + bits, (float *)(memory + 2 * bits)};
  if (eb_thresholds_find(steps, channels, &found) != EB_OK) {
    free(memory);
    return false;
  }
  op->as.quantize.thresholds = found;
  return true;
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
  if (!settle_unpacked(delegate, op, input, output, channels, output_shape)) return false;
  return eb_refuse_status(delegate, op, eb_dequantize_check(&op->as.quantize.rows));
}

static void run_dequantize(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  eb_dequantize_run(&op->as.quantize.rows, memory->read[0], memory->output, begin, end);
}

const eb_op_kind eb_kind_quantize = {.custom_code = "LceQuantize",
                                     .inputs = 1,
                                     .read = read_quantize,
                                     .prepare = prepare_quantize,
                                     .run = run_quantize,
                                     .release = release_quantize};

const eb_op_kind eb_kind_dequantize = {.custom_code = "LceDequantize",
                                       .inputs = 1,
                                       .read = read_dequantize,
                                       .prepare = prepare_dequantize,
                                       .run = run_dequantize};
