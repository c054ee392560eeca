/* MUL, ADD, PRELU and RELU of float32, and MUL, ADD and PRELU of int8: an op of steps that goes over the rows of its input once. In most
 * networks it becomes part of the convolution in front of it, or of what reads it (join.c, fold.c). An operand is a tensor of
 * the input's shape, or a value for each channel: of all rows, or of each sample's. */
#include "op_steps.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

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

static bool is_constant(const LiteTensor *tensor) { return tensor->allocation_type == LITE_MMAP_RO; }

static void look_up(eb_op_scale *scale, const int8_t *values, size_t stride) {
  const size_t channels = (size_t)scale->scale.channels;
  for (size_t row = 0; row < (size_t)scale->rows; row++) {
    int32_t *constants = scale->constants + row * EB_SCALE_PLANES * channels;
    eb_int8_scale_look_up(scale->table, values + row * stride, scale->scale.channels, constants);
  }
}

/* Memory for the constants of a step that scales `rows` rows; once and for all what they are, if the operand is constant. */
static bool settle_scale(const LiteTensor *operand, const eb_op_step *step, int64_t rows, int channels) {
  eb_op_scale *scale = step->scale;
  const int64_t each = step->shared ? rows : step->rows;
  scale->rows = rows / each;
  scale->scale.channels = channels;
  free(scale->constants);
  scale->constants = malloc((size_t)scale->rows * EB_SCALE_PLANES * (size_t)channels * sizeof *scale->constants);
  scale->looked_up = scale->constants != NULL && is_constant(operand);
  if (scale->looked_up) look_up(scale, operand->data, (size_t)channels);
  return scale->constants != NULL;
}

bool eb_steps_settle(eb_delegate *delegate, const LiteContext *context, eb_op *op, const int *shape, int rank) {
  int64_t rows = 1;
  for (int i = 0; i + 1 < rank; i++) rows *= shape[i];
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
    if (step->kind == EB_STEP_SCALE && !settle_scale(operand, step, rows, shape[rank - 1]))
      return eb_refuse_op(delegate, op, "no memory for its constants");
  }
  return true;
}

void eb_steps_look_up(const eb_op *op, const eb_op_memory *memory) {
  for (int i = 0; i < op->step_count; i++) {
    const eb_op_step *step = &op->steps[i];
    if (step->kind == EB_STEP_SCALE && !step->scale->looked_up)
      look_up(step->scale, memory->read[step->read], memory->stride[step->read]);
  }
}

void eb_steps_release(eb_op *op) {
  for (int i = 0; i < op->step_count; i++) {
    eb_op_scale *scale = op->steps[i].scale;
    op->steps[i].scale = NULL;
    if (scale != NULL) free(scale->constants);
    free(scale);
  }
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
    if (step->kind != EB_STEP_SCALE) continue;
    to->scale = &step->scale->scale;
    to->operand = step->scale->constants;
    to->stride = step->shared ? 0 : EB_SCALE_PLANES * (size_t)to->scale->channels;
  }
  return bound;
}

bool eb_steps_are_int8(const eb_op *op) {
  return op->step_count > 0 && (op->steps[0].kind == EB_STEP_SUM || op->steps[0].kind == EB_STEP_SCALE);
}

bool eb_steps_are_constant(const LiteContext *context, const eb_op *op) {
  if (eb_steps_are_int8(op)) return false;
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

bool eb_op_is_int8_prelu(const eb_op *op) { return op->kind == &kind_prelu && eb_steps_are_int8(op); }

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

static bool is_variable(const LiteTensor *tensor) { return !is_constant(tensor); }

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

/* Of two operands the one with the output's shape is the input; of PRELU it is the first. */
static bool recognize_two(const LiteContext *context, const LiteNode *node, int kind, int type, bool turns, eb_op *op) {
  if (node->inputs->size != 2 || node->outputs->size != 1) return false;
  const int a = node->inputs->data[0], b = node->inputs->data[1], y = node->outputs->data[0];
  if (a < 0 || b < 0 || y < 0) return false;
  const eb_op empty = *op;
  if (set_input(context, type, a, y, op) && add_operand(context, kind, type, b, op)) return true;
  *op = empty;
  return turns && set_input(context, type, b, y, op) && add_operand(context, kind, type, a, op);
}

static bool recognize_float(const LiteContext *context, const LiteNode *node, int kind, int activation, eb_op *op) {
  return recognize_two(context, node, kind, LITE_FLOAT32, kind != EB_STEP_PRELU, op) && add_activation(activation, op);
}

static eb_int8_quantization quantization_of(const LiteTensor *tensor) {
  return (eb_int8_quantization){tensor->params.scale, tensor->params.zero_point};
}

/* Input, operand and output of a recognised op of int8. False: one of them is not quantized as int8 is. */
static bool quantizations_of(const LiteContext *context, const eb_op *op, eb_int8_quantization all[3]) {
  const int tensors[] = {op->reads[0].tensor, op->reads[1].tensor, op->output};
  for (int i = 0; i < 3; i++) {
    const LiteTensor *tensor = &context->tensors[tensors[i]];
    if (!eb_w1a8_is_quantized(tensor)) return false;
    all[i] = quantization_of(tensor);
  }
  return true;
}

static bool recognize_int8_sum(const LiteContext *context, const LiteNode *node, int activation, eb_op *op) {
  eb_int8_quantization q[3];
  int32_t low, high;
  return recognize_two(context, node, EB_STEP_SUM, LITE_INT8, true, op) && quantizations_of(context, op, q) &&
         eb_w1a8_range(&context->tensors[op->output], activation, &low, &high) &&
         eb_int8_sum_find(q[0], q[1], q[2], low, high, &op->steps[0].sum) == EB_OK;
}

static eb_status find_scale(const LiteContext *context, const eb_op *op, bool prelu, int32_t low, int32_t high,
                            eb_op_scale *scale) {
  eb_int8_quantization q[3];
  const LiteTensor *operand = &context->tensors[op->reads[1].tensor];
  if (!quantizations_of(context, op, q)) return EB_BAD_QUANTIZATION;
  if (prelu)
    return eb_int8_prelu_find(q[0], q[1], q[2], operand->data, (int32_t)operand->bytes, &scale->scale, scale->table);
  return eb_int8_mul_find(q[0], q[1], q[2], low, high, &scale->scale, scale->table);
}

/* MUL by a value a channel, of all rows or each sample's, and PRELU by constants of the channels. */
static bool recognize_int8_scale(const LiteContext *context, const LiteNode *node, bool prelu, int activation, eb_op *op) {
  int32_t low, high;
  if (!recognize_two(context, node, EB_STEP_SCALE, LITE_INT8, !prelu, op)) return false;
  if (eb_step_is_elementwise(&op->steps[0]) || (prelu && is_variable(&context->tensors[op->reads[1].tensor]))) return false;
  if (!eb_w1a8_range(&context->tensors[op->output], activation, &low, &high)) return false;
  eb_op_scale *scale = calloc(1, sizeof *scale);
  if (scale == NULL || find_scale(context, op, prelu, low, high, scale) != EB_OK) {
    free(scale);
    return false;
  }
  op->steps[0].scale = scale;
  return true;
}

static bool recognize_one(const LiteContext *context, const LiteNode *node, int activation, eb_op *op) {
  if (node->inputs->size != 1 || node->outputs->size != 1) return false;
  const int x = node->inputs->data[0], y = node->outputs->data[0];
  return x >= 0 && y >= 0 && set_input(context, LITE_FLOAT32, x, y, op) && add_activation(activation, op);
}

static bool is_int8(const LiteContext *context, const LiteNode *node) {
  return node->inputs->size > 0 && node->inputs->data[0] >= 0 &&
         context->tensors[node->inputs->data[0]].type == LITE_INT8;
}

bool eb_steps_recognize(const LiteContext *context, const LiteNode *node, int index, int32_t builtin_code, eb_op *op) {
  const LiteAddParams *params = node->builtin_data; /* MUL's begin alike */
  const bool int8 = is_int8(context, node);
  switch (builtin_code) {
    case LITE_BUILTIN_ADD:
      *op = eb_op_new(&kind_add, index);
      return params != NULL && (int8 ? recognize_int8_sum(context, node, params->activation, op)
                                     : recognize_float(context, node, EB_STEP_ADD, params->activation, op));
    case LITE_BUILTIN_MUL:
      *op = eb_op_new(&kind_mul, index);
      return params != NULL && (int8 ? recognize_int8_scale(context, node, false, params->activation, op)
                                     : recognize_float(context, node, EB_STEP_MUL, params->activation, op));
    case LITE_BUILTIN_PRELU:
      *op = eb_op_new(&kind_prelu, index);
      return int8 ? recognize_int8_scale(context, node, true, EB_ACT_NONE, op)
                  : recognize_float(context, node, EB_STEP_PRELU, EB_ACT_NONE, op);
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
