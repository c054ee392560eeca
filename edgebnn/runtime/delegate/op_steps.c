/* MUL, ADD, PRELU and RELU of float32, and ADD of int8: an op of steps that goes over the rows of its input once. In most
 * networks it becomes part of the convolution in front of it, or of what reads it (join.c, fold.c). An operand is a tensor of
 * the input's shape, or a value for each channel: of all rows, or of each sample's. */
#include "op_steps.h"

#include <float.h>
#include <math.h>

#include "op_kinds.h"
#include "w1a8_layer.h"

bool eb_step_is_elementwise(const eb_op_step *step) {
  return step->read != EB_OUTSIDE && !step->shared && step->rows == 1;
}

/* ---- shapes ---------------------------------------------------------------------------------------------------------- */

/* Of a last dimension like the shape's: all others are 1, or there are none. */
static bool is_row(const LiteIntArray *dims, const int *shape, int rank) {
  if (dims->size < 1 || dims->size > rank || dims->data[dims->size - 1] != shape[rank - 1]) return false;
  for (int i = 0; i + 1 < dims->size; i++) {
    if (dims->data[i] != 1) return false;
  }
  return true;
}

static bool is_whole(const LiteIntArray *dims, const int *shape, int rank) {
  if (dims->size != rank) return false;
  for (int i = 0; i < rank; i++) {
    if (dims->data[i] != shape[i]) return false;
  }
  return true;
}

/* A row for each sample. */
static bool is_row_a_sample(const LiteIntArray *dims, const int *shape, int rank) {
  if (dims->size != rank || rank < 3 || dims->data[0] != shape[0] || dims->data[rank - 1] != shape[rank - 1]) return false;
  for (int i = 1; i + 1 < rank; i++) {
    if (dims->data[i] != 1) return false;
  }
  return true;
}

static bool settle_operand(const LiteIntArray *dims, const int *shape, int rank, eb_op_step *step) {
  step->shared = is_row(dims, shape, rank);
  step->rows = 1;
  if (step->shared || is_whole(dims, shape, rank)) return true;
  for (int i = 1; i + 1 < rank; i++) step->rows *= shape[i];
  return is_row_a_sample(dims, shape, rank);
}

bool eb_steps_settle(eb_delegate *delegate, const LiteContext *context, eb_op *op, const int *shape, int rank) {
  for (int i = 0; i < op->step_count; i++) {
    eb_op_step *step = &op->steps[i];
    if (step->read == EB_OUTSIDE) continue;
    const LiteTensor *operand = &context->tensors[op->reads[step->read].tensor];
    if (step->part) {
      step->shared = false;
      step->rows = 1;
    } else if (!settle_operand(operand->dims, shape, rank, step)) {
      return eb_refuse_op(delegate, op, "the shape of '%s' does not fit its output's any longer", eb_tensor_name(operand));
    }
  }
  return true;
}

eb_output_steps eb_steps_bind(const eb_op *op, const eb_op_memory *memory, size_t output_stride) {
  eb_output_steps bound = {.count = op->step_count, .output_stride = output_stride};
  for (int i = 0; i < op->step_count; i++) {
    const eb_op_step *step = &op->steps[i];
    eb_step *to = &bound.step[i];
    *to = (eb_step){.kind = step->kind, .low = step->low, .high = step->high, .rows = 1, .sum = &step->sum};
    if (step->read == EB_OUTSIDE) continue;
    to->operand = memory->read[step->read];
    to->stride = step->shared ? 0 : memory->stride[step->read];
    to->rows = step->rows;
  }
  return bound;
}

bool eb_steps_are_constant(const LiteContext *context, const eb_op *op) {
  for (int i = 0; i < op->step_count; i++) {
    if (op->steps[i].read == EB_OUTSIDE) continue;
    const LiteTensor *operand = &context->tensors[op->reads[op->steps[i].read].tensor];
    if (operand->allocation_type != LITE_MMAP_RO || operand->data == NULL || !op->steps[i].shared) return false;
  }
  return true;
}

bool eb_steps_finite_from(const LiteTensor *constants, float least) {
  const float *x = constants->data;
  for (size_t i = 0; i < constants->bytes / sizeof(float); i++) {
    if (!(x[i] >= least && x[i] <= FLT_MAX)) return false;
  }
  return true;
}

/* ---- running --------------------------------------------------------------------------------------------------------- */

static bool prepare(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *input = &context->tensors[op->reads[0].tensor];
  const int rank = input->dims->size;
  if (rank != context->tensors[op->output].dims->size)
    return eb_refuse_op(delegate, op, "input '%s' has no longer the output's dimensions", eb_tensor_name(input));
  return eb_rows_settle(delegate, op, input, input->dims->data[rank - 1], output_shape, &op->as.rows) &&
         eb_steps_settle(delegate, context, op, output_shape, rank);
}

static void run(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  const eb_output_steps steps = eb_steps_bind(op, memory, memory->output_stride);
  op->rows_kernel->steps(&op->as.rows, &steps, memory->read[0], memory->stride[0], memory->output, begin, end);
}

bool eb_op_is_steps(const eb_op *op) { return op->kind != NULL && op->kind->run == run; }

/* ---- recognising ----------------------------------------------------------------------------------------------------- */

#define STEPS(name) {.custom_code = #name, .prepare = prepare, .run = run, .strided = true}
static const eb_op_kind kind_add = STEPS(ADD), kind_mul = STEPS(MUL), kind_prelu = STEPS(PRELU), kind_relu = STEPS(RELU),
                        kind_relu6 = STEPS(RELU6), kind_relu_n1_to_1 = STEPS(RELU_N1_TO_1);

static eb_op_step clamp_between(float low, float high) {
  return (eb_op_step){.kind = EB_STEP_CLAMP, .read = EB_OUTSIDE, .low = low, .high = high};
}

/* Of the schema's number for a fused activation: none, or a step. False: it is another. */
static bool add_activation(int activation, eb_op *op) {
  switch (activation) {
    case EB_ACT_NONE: return true;
    case EB_ACT_RELU: op->steps[op->step_count++] = clamp_between(0.0f, INFINITY); return true;
    case EB_ACT_RELU_N1_TO_1: op->steps[op->step_count++] = clamp_between(-1.0f, 1.0f); return true;
    case EB_ACT_RELU6: op->steps[op->step_count++] = clamp_between(0.0f, 6.0f); return true;
    default: return false;
  }
}

static bool is_of_rows(const LiteTensor *tensor, int type) {
  return tensor->type == type && tensor->dims->size >= 1 && tensor->dims->size <= EB_MAX_RANK && tensor->sparsity == NULL;
}

static bool is_variable(const LiteTensor *tensor) { return tensor->allocation_type != LITE_MMAP_RO; }

/* Whether a constant is a value for each channel, or is for a batch that no other can take the place of: of one sample it would
 * be for each of a larger batch, which the interpreter's kernels can do. */
static bool is_for_any_batch(const LiteTensor *constant, const eb_op_step *step) {
  return step->shared || constant->dims->data[0] > 1;
}

/* A second operand; `input` has the output's shape. */
static bool add_operand(const LiteContext *context, int kind, int type, int operand, eb_op *op) {
  const LiteIntArray *shape = context->tensors[op->output].dims;
  const LiteTensor *tensor = &context->tensors[operand];
  eb_op_step *step = &op->steps[op->step_count++];
  *step = (eb_op_step){.kind = kind, .read = op->read_count};
  op->reads[op->read_count++] = (eb_read){.tensor = operand, .op = EB_OUTSIDE};
  return is_of_rows(tensor, type) && settle_operand(tensor->dims, shape->data, shape->size, step) &&
         (is_variable(tensor) || (tensor->data != NULL && is_for_any_batch(tensor, step)));
}

/* Sets the tensor that has the output's shape. */
static bool set_input(const LiteContext *context, int type, int input, int output, eb_op *op) {
  const LiteTensor *x = &context->tensors[input], *y = &context->tensors[output];
  eb_op_reads(op, input);
  op->output = output;
  op->name = eb_tensor_name(y);
  return is_variable(x) && is_of_rows(x, type) && is_of_rows(y, type) && is_whole(x->dims, y->dims->data, y->dims->size);
}

/* Of two operands the one with the output's shape is the input. */
static bool recognize_two(const LiteContext *context, const LiteNode *node, int kind, int type, int activation, eb_op *op) {
  if (node->inputs->size != 2 || node->outputs->size != 1) return false;
  const int a = node->inputs->data[0], b = node->inputs->data[1], y = node->outputs->data[0];
  if (a < 0 || b < 0 || y < 0) return false;
  const eb_op empty = *op;
  if (!set_input(context, type, a, y, op) || !add_operand(context, kind, type, b, op)) {
    *op = empty;
    if (kind == EB_STEP_PRELU || !set_input(context, type, b, y, op) || !add_operand(context, kind, type, a, op))
      return false;
  }
  return kind == EB_STEP_SUM || add_activation(activation, op);
}

static bool recognize_int8_sum(const LiteContext *context, const LiteNode *node, int activation, eb_op *op) {
  if (!recognize_two(context, node, EB_STEP_SUM, LITE_INT8, activation, op)) return false;
  const LiteTensor *a = &context->tensors[op->reads[0].tensor], *b = &context->tensors[op->reads[1].tensor];
  const LiteTensor *y = &context->tensors[op->output];
  int32_t low, high;
  if (!eb_w1a8_is_quantized(a) || !eb_w1a8_is_quantized(b) || !eb_w1a8_is_quantized(y)) return false;
  return eb_w1a8_range(y, activation, &low, &high) &&
         eb_int8_sum_find((eb_int8_quantization){a->params.scale, a->params.zero_point},
                          (eb_int8_quantization){b->params.scale, b->params.zero_point},
                          (eb_int8_quantization){y->params.scale, y->params.zero_point}, low, high,
                          &op->steps[0].sum) == EB_OK;
}

static bool recognize_one(const LiteContext *context, const LiteNode *node, int activation, eb_op *op) {
  if (node->inputs->size != 1 || node->outputs->size != 1) return false;
  const int x = node->inputs->data[0], y = node->outputs->data[0];
  return x >= 0 && y >= 0 && set_input(context, LITE_FLOAT32, x, y, op) && add_activation(activation, op);
}

bool eb_steps_recognize(const LiteContext *context, const LiteNode *node, int index, int32_t builtin_code, eb_op *op) {
  const LiteAddParams *params = node->builtin_data; /* MUL's begin alike */
  switch (builtin_code) {
    case LITE_BUILTIN_ADD:
      *op = eb_op_new(&kind_add, index);
      if (params == NULL || node->inputs->size < 1 || node->inputs->data[0] < 0) return false;
      if (context->tensors[node->inputs->data[0]].type == LITE_INT8)
        return recognize_int8_sum(context, node, params->activation, op);
      return recognize_two(context, node, EB_STEP_ADD, LITE_FLOAT32, params->activation, op);
    case LITE_BUILTIN_MUL:
      *op = eb_op_new(&kind_mul, index);
      return params != NULL && recognize_two(context, node, EB_STEP_MUL, LITE_FLOAT32, params->activation, op);
    case LITE_BUILTIN_PRELU:
      *op = eb_op_new(&kind_prelu, index);
      return recognize_two(context, node, EB_STEP_PRELU, LITE_FLOAT32, EB_ACT_NONE, op);
    case LITE_BUILTIN_RELU:
      *op = eb_op_new(&kind_relu, index);
      return recognize_one(context, node, EB_ACT_RELU, op);
    case LITE_BUILTIN_RELU6:
      *op = eb_op_new(&kind_relu6, index);
      return recognize_one(context, node, EB_ACT_RELU6, op);
    case LITE_BUILTIN_RELU_N1_TO_1:
      *op = eb_op_new(&kind_relu_n1_to_1, index);
      return recognize_one(context, node, EB_ACT_RELU_N1_TO_1, op);
    default:
      return false;
  }
}
