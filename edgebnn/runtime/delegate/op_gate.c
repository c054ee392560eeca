/* FULLY_CONNECTED and LOGISTIC of float32, of few values: what makes a scale of each channel from a mean over the image, as in
 * squeeze-and-excitation blocks and RealToBinaryNet. Where they are in one partition with the convolution in front of the scale,
 * that is a part of the convolution. */
#include <float.h>

#include "op_kinds.h"
#include "system.h"

/* From about so many on the interpreter's own kernels would be faster by more than a partition costs. */
enum { MOST_WEIGHTS = 1 << 17, MOST_VALUES = 1 << 13 };

static bool is_float(const LiteTensor *tensor) {
  return tensor->type == LITE_FLOAT32 && tensor->sparsity == NULL && tensor->dims->size >= 1 &&
         tensor->dims->size <= EB_MAX_RANK;
}

static bool is_constant(const LiteTensor *tensor, int rank) {
  return is_float(tensor) && tensor->allocation_type == LITE_MMAP_RO && tensor->data != NULL && tensor->dims->size == rank;
}

static int64_t elements_of(const LiteIntArray *dims) {
  int64_t elements = 1;
  for (int i = 0; i < dims->size; i++) {
    if (dims->data[i] < 1 || elements > INT32_MAX / dims->data[i]) return -1;
    elements *= dims->data[i];
  }
  return elements;
}

/* ---- FULLY_CONNECTED ------------------------------------------------------------------------------------------------- */

/* Once: the weights are the file's. */
static bool pack(eb_delegate *delegate, eb_op *op) {
  eb_op_dense *dense = &op->as.dense;
  if (dense->packed != NULL) return true;
  const size_t bytes = eb_dense_float_packed(dense->op.inputs, dense->op.outputs) * sizeof(float);
  dense->packed = eb_allocate(bytes);
  if (dense->packed == NULL) return eb_refuse_op(delegate, op, "no memory for its weights (%zu bytes)", bytes);
  eb_dense_float_pack(dense->op.inputs, dense->op.outputs, dense->weights, dense->packed);
  dense->op.packed = dense->packed;
  return true;
}

static bool prepare_dense(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *input = &context->tensors[op->reads[0].tensor];
  const eb_dense_float *dense = &op->as.dense.op;
  const int64_t elements = elements_of(input->dims);
  if (elements < 0 || elements % dense->inputs != 0)
    return eb_refuse_op(delegate, op, "input '%s' does not fit a layer of %d inputs", eb_tensor_name(input), dense->inputs);
  output_shape[0] = (int)(elements / dense->inputs);
  output_shape[1] = dense->outputs;
  const int64_t tiles = (dense->outputs + EB_DENSE_LANES - 1) / EB_DENSE_LANES;
  if (output_shape[0] > INT32_MAX / tiles)
    return eb_refuse_op(delegate, op, "input '%s' is empty or too large", eb_tensor_name(input));
  op->units = (eb_units){.count = output_shape[0] * tiles, .row = tiles};
  return pack(delegate, op);
}

static void run_dense(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  op->rows_kernel->dense(&op->as.dense.op, memory->read[0], memory->output, (int32_t)begin, (int32_t)end);
}

static void release_dense(eb_op *op) { eb_free(op->as.dense.packed); }

static const eb_op_kind kind_dense = {.custom_code = "FULLY_CONNECTED", .prepare = prepare_dense, .run = run_dense, .release = release_dense};

static bool recognize_dense(const LiteContext *context, const LiteNode *node, eb_op *op) {
  static const float lowest[] = {-FLT_MAX, 0.0f, -1.0f, 0.0f}, highest[] = {FLT_MAX, FLT_MAX, 1.0f, 6.0f};
  const LiteFullyConnectedParams *params = node->builtin_data;
  if (params == NULL || params->weights_format != 0 || params->keep_num_dims || node->inputs->size < 2) return false;
  if (params->activation < EB_ACT_NONE || params->activation > EB_ACT_RELU6 || node->inputs->data[1] < 0) return false;
  const LiteTensor *weights = &context->tensors[node->inputs->data[1]];
  const int bias = node->inputs->size > 2 ? node->inputs->data[2] : LITE_OPTIONAL_TENSOR;
  if (!is_constant(weights, 2) || weights->bytes > MOST_WEIGHTS * sizeof(float)) return false;
  const int outputs = weights->dims->data[0], inputs = weights->dims->data[1];
  if (bias != LITE_OPTIONAL_TENSOR &&
      (!is_constant(&context->tensors[bias], 1) || context->tensors[bias].dims->data[0] != outputs))
    return false;
  op->as.dense.weights = weights->data;
  op->as.dense.op = (eb_dense_float){.inputs = inputs,
                                  .outputs = outputs,
                                  .bias = bias == LITE_OPTIONAL_TENSOR ? NULL : context->tensors[bias].data,
                                  .low = lowest[params->activation],
                                  .high = highest[params->activation]};
  const LiteIntArray *from = context->tensors[op->reads[0].tensor].dims, *to = context->tensors[op->output].dims;
  if (to->size != 2 || to->data[1] != outputs) return false;
  return elements_of(from) == (int64_t)to->data[0] * inputs;
}

/* ---- LOGISTIC -------------------------------------------------------------------------------------------------------- */

static bool prepare_logistic(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *input = &context->tensors[op->reads[0].tensor];
  return eb_rows_settle(delegate, op, input, input->dims->data[input->dims->size - 1], output_shape, &op->as.rows);
}

static void run_logistic(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  const int64_t channels = op->as.rows.channels, first = begin * channels;
  eb_logistic_run((const float *)memory->read[0] + first, (float *)memory->output + first,
                  (int32_t)((end - begin) * channels));
}

static const eb_op_kind kind_logistic = {.custom_code = "LOGISTIC", .prepare = prepare_logistic, .run = run_logistic};

bool eb_gate_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                       int32_t builtin_code, eb_op *op) {
  const bool dense = builtin_code == LITE_BUILTIN_FULLY_CONNECTED;
  if (node->inputs->size < 1 || node->outputs->size != 1) return false;
  const int x = node->inputs->data[0], y = node->outputs->data[0];
  if (x < 0 || y < 0) return false;
  const LiteTensor *input = &context->tensors[x], *output = &context->tensors[y];
  if (!is_float(input) || !is_float(output) || input->allocation_type == LITE_MMAP_RO) return false;
  *op = eb_op_new(dense ? &kind_dense : &kind_logistic, index);
  eb_op_reads(op, x);
  op->output = y;
  op->name = eb_tensor_name(output);
  if (dense) return recognize_dense(context, node, op);
  const int64_t elements = elements_of(input->dims);
  return !delegate->exact && elements > 0 && elements <= MOST_VALUES && output->dims->size == input->dims->size;
}
