/* AVERAGE_POOL_2D and MAX_POOL_2D of float32, and AVERAGE_POOL_2D of int8. */
#include <math.h>
#include <float.h>

#include "op_kinds.h"
#include "op_steps.h"
#include "w1a8_layer.h"

bool eb_pool2d_keeps_order(const LiteContext *context, const eb_op *op) {
  for (int i = 0; i < op->step_count; i++) {
    const eb_op_step *step = &op->steps[i];
    if (step->read == EB_OUTSIDE) continue; /* an activation */
    if (step->kind == EB_STEP_SUM || step->kind == EB_STEP_SCALE) return false;
    const LiteTensor *operand = &context->tensors[op->reads[step->read].tensor];
    if (!eb_steps_finite_from(operand, step->kind == EB_STEP_ADD ? -FLT_MAX : 0.0f)) return false;
  }
  return true;
}

static bool prepare(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *input = &context->tensors[op->reads[0].tensor];
  const int *shape = input->dims->data;
  eb_pool2d pool = op->as.pool;
  if (input->dims->size != 4) return eb_refuse_op(delegate, op, "input '%s' must have 4 dimensions", eb_tensor_name(input));
  pool.window.batches = shape[0];
  pool.window.input_height = shape[1];
  pool.window.input_width = shape[2];
  pool.channels = shape[3];
  int32_t tiles;
  if (!eb_refuse_status(delegate, op, eb_pool2d_check(&pool, &tiles))) return false;
  pool.steps_last = op->step_count > 0 && pool.type == EB_FLOAT32 && !pool.averages && eb_pool2d_keeps_order(context, op);
  op->as.pool = pool;
  op->units.count = tiles;
  output_shape[0] = pool.window.batches;
  output_shape[1] = pool.window.output_height;
  output_shape[2] = pool.window.output_width;
  output_shape[3] = pool.channels;
  return eb_steps_settle(delegate, context, op, shape, 4);
}

static void run(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  const eb_output_steps steps = eb_steps_bind(op, memory, 0);
  op->rows_kernel->pool2d(&op->as.pool, &steps, memory->read[0], memory->stride[0], memory->output,
                          memory->output_stride, (int32_t)begin, (int32_t)end);
}

static const eb_op_kind kind_average = {
                            .custom_code = "AVERAGE_POOL_2D", .prepare = prepare, .run = run, .strided = true},
                        kind_max = {.custom_code = "MAX_POOL_2D", .prepare = prepare, .run = run, .strided = true};

bool eb_op_is_pool2d(const eb_op *op) { return op->kind != NULL && op->kind->run == run; }

bool eb_op_averages_int8(const eb_op *op) {
  return eb_op_is_pool2d(op) && op->as.pool.averages && op->as.pool.type == EB_INT8;
}

/* The range of the activation, for tensors of one type and, of int8, one quantization. False: the kernels do not have it. */
static bool set_range(const LiteTensor *input, const LiteTensor *output, int activation, eb_pool2d *pool) {
  static const float lowest[] = {-FLT_MAX, 0.0f, -1.0f, 0.0f}, highest[] = {FLT_MAX, FLT_MAX, 1.0f, 6.0f};
  int32_t low, high;
  if (activation < EB_ACT_NONE || activation > EB_ACT_RELU6 || input->type != output->type) return false;
  pool->type = input->type == LITE_INT8 ? EB_INT8 : EB_FLOAT32;
  pool->low = lowest[activation];
  pool->high = highest[activation];
  if (pool->type == EB_FLOAT32) return input->type == LITE_FLOAT32;
  if (!pool->averages || !eb_w1a8_is_quantized(input) || !eb_w1a8_is_quantized(output)) return false;
  if (input->params.scale != output->params.scale || input->params.zero_point != output->params.zero_point) return false;
  if (!eb_w1a8_range(output, activation, &low, &high)) return false;
  pool->low = (float)low;
  pool->high = (float)high;
  return true;
}

bool eb_pool2d_recognize(const LiteContext *context, const LiteNode *node, int index, int32_t builtin_code, eb_op *op) {
  const LitePoolParams *params = node->builtin_data;
  if (params == NULL || node->inputs->size != 1 || node->outputs->size != 1) return false;
  if (node->inputs->data[0] < 0 || node->outputs->data[0] < 0) return false;
  const LiteTensor *input = &context->tensors[node->inputs->data[0]];
  const LiteTensor *output = &context->tensors[node->outputs->data[0]];
  if (input->allocation_type == LITE_MMAP_RO) return false;
  if (input->dims->size != 4 || output->dims->size != 4 || input->dims->data[3] != output->dims->data[3]) return false;
  if (params->padding != LITE_PADDING_SAME && params->padding != LITE_PADDING_VALID) return false;
  *op = eb_op_new(builtin_code == LITE_BUILTIN_AVERAGE_POOL_2D ? &kind_average : &kind_max, index);
  eb_op_reads(op, node->inputs->data[0]);
  op->output = node->outputs->data[0];
  op->name = eb_tensor_name(output);
  op->as.pool = (eb_pool2d){.window = {.batches = input->dims->data[0],
                                       .input_height = input->dims->data[1],
                                       .input_width = input->dims->data[2],
                                       .filter_height = params->filter_height,
                                       .filter_width = params->filter_width,
                                       .stride_height = params->stride_height,
                                       .stride_width = params->stride_width,
                                       .dilation_height = 1,
                                       .dilation_width = 1,
                                       .padding = params->padding == LITE_PADDING_SAME ? EB_PADDING_SAME
                                                                                       : EB_PADDING_VALID},
                            .channels = input->dims->data[3],
                            .averages = builtin_code == LITE_BUILTIN_AVERAGE_POOL_2D};
  if (!set_range(input, output, params->activation, &op->as.pool)) return false;
  eb_pool2d pool = op->as.pool;
  int32_t tiles;
  return eb_pool2d_check(&pool, &tiles) == EB_OK && pool.window.output_height == output->dims->data[1] &&
         pool.window.output_width == output->dims->data[2];
}
