#include "w1a8_layer.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "op_steps.h"
#include "system.h"

enum { DENSE_ROW = 28 };

bool eb_w1a8_is_quantized(const LiteTensor *tensor) {
  return tensor->type == LITE_INT8 && tensor->quantization.type == LITE_AFFINE_QUANTIZATION &&
         tensor->params.scale > 0.0f && tensor->params.scale <= FLT_MAX && tensor->params.zero_point >= -128 &&
         tensor->params.zero_point <= 127;
}

/* A bound of the activation as an int8 of the output, the way TFLite makes it: divided in float, halves away from zero. */
static int32_t bound(float real, const LiteTensor *output) {
  const double steps = (double)(float)(real / output->params.scale);
  if (steps < -1000.0) return -128;
  if (steps > 1000.0) return 127;
  const int32_t q = (int32_t)(steps < 0.0 ? steps - 0.5 : steps + 0.5) + output->params.zero_point;
  return q < -128 ? -128 : q > 127 ? 127 : q;
}

bool eb_w1a8_range(const LiteTensor *output, int32_t activation, int32_t *least, int32_t *greatest) {
  static const float lowest[] = {-FLT_MAX, 0.0f, -1.0f, 0.0f}, highest[] = {FLT_MAX, FLT_MAX, 1.0f, 6.0f};
  if (activation < EB_ACT_NONE || activation > EB_ACT_RELU6) return false;
  *least = bound(lowest[activation], output);
  *greatest = bound(highest[activation], output);
  return true;
}

bool eb_w1a8_set_ends(eb_w1a8 *layer, const LiteTensor *input, const LiteTensor *output, int32_t activation) {
  layer->input_zero_point = input->params.zero_point;
  layer->output_zero_point = output->params.zero_point;
  return eb_w1a8_range(output, activation, &layer->output_min, &layer->output_max);
}

eb_window eb_w1a8_dense_window(void) {
  return (eb_window){.filter_height = 1, .filter_width = 1, .stride_height = 1, .stride_width = 1,
                     .dilation_height = 1, .dilation_width = 1, .padding = EB_PADDING_VALID};
}

double eb_w1a8_factor(const LiteContext *context, const eb_op *op, float weight_scale, float output_scale) {
  const double input = (double)context->tensors[op->inputs[0]].params.scale;
  return input * (double)weight_scale / (double)output_scale;
}

static bool is_dense(const eb_op *op) { return op->as.w1a8.op.rounding == EB_ROUND_ONCE; }

/* Rows become pixels of an image, as wide as divides them. */
static bool set_rows(const LiteContext *context, eb_op *op) {
  eb_w1a8 *layer = &op->as.w1a8.op;
  const LiteIntArray *dims = context->tensors[op->inputs[0]].dims;
  int64_t elements = 1;
  for (int i = 0; i < dims->size; i++) {
    if (dims->data[i] < 1 || elements > INT32_MAX / dims->data[i]) return false;
    elements *= dims->data[i];
  }
  const bool fits = op->as.w1a8.keep_num_dims
                        ? dims->size > 0 && dims->size == context->tensors[op->output].dims->size &&
                              dims->data[dims->size - 1] == layer->channels_in
                        : elements % layer->channels_in == 0;
  if (!fits) return false;
  const int32_t rows = (int32_t)(elements / layer->channels_in);
  int32_t width = rows < DENSE_ROW ? rows : DENSE_ROW;
  while (rows % width != 0) width--;
  layer->window.batches = 1;
  layer->window.input_height = rows / width;
  layer->window.input_width = width;
  return true;
}

bool eb_w1a8_set_image(const LiteContext *context, eb_op *op) {
  if (is_dense(op)) return set_rows(context, op);
  eb_w1a8 *layer = &op->as.w1a8.op;
  const LiteIntArray *dims = context->tensors[op->inputs[0]].dims;
  if (dims->size != 4 || dims->data[3] != layer->channels_in) return false;
  layer->window.batches = dims->data[0];
  layer->window.input_height = dims->data[1];
  layer->window.input_width = dims->data[2];
  return true;
}

void eb_w1a8_output_shape(const LiteContext *context, const eb_op *op, const eb_w1a8_plan *plan, int *shape) {
  const eb_window *w = &plan->op.window;
  const LiteIntArray *dims = context->tensors[op->inputs[0]].dims;
  const int32_t channels = plan->op.channels_out;
  if (!is_dense(op)) {
    memcpy(shape, (const int[]){w->batches, w->output_height, w->output_width, channels}, 4 * sizeof *shape);
  } else if (op->as.w1a8.keep_num_dims) {
    memcpy(shape, dims->data, (size_t)dims->size * sizeof *shape);
    shape[dims->size - 1] = channels;
  } else {
    shape[0] = w->output_height * w->output_width;
    shape[1] = channels;
  }
}

eb_status eb_w1a8_make_plan(const eb_delegate *delegate, const eb_op *op, eb_w1a8_plan *plan) {
  const uint32_t features = eb_cpu_features();
  const eb_schedule *schedule = eb_schedule_of(delegate, op->node);
  if (schedule != NULL) return eb_w1a8_plan_schedule(&op->as.w1a8.op, schedule, features, plan);
  return eb_w1a8_plan_make(&op->as.w1a8.op, eb_w1a8_kernel_named(delegate->kernel, features), features, plan);
}

void eb_w1a8_free_owned(eb_w1a8_owned *owned) {
  free(owned->filter);
  free(owned->magnitude);
  free(owned->factor);
}

static bool pack(eb_delegate *delegate, const LiteContext *context, eb_op *op, const eb_w1a8_plan *plan,
                 eb_w1a8_loader load) {
  eb_op_w1a8 *layer = &op->as.w1a8;
  if (layer->persistent != NULL && layer->plan.kernel == plan->kernel) return true;
  eb_free(layer->persistent);
  layer->persistent = NULL; /* until there are weights in it */
  void *persistent = eb_allocate(plan->persistent_bytes);
  if (persistent == NULL)
    return eb_refuse_op(delegate, op, "no memory for its weights (%zu bytes)", plan->persistent_bytes);
  eb_w1a8_constants constants = {0};
  eb_w1a8_owned owned = {0};
  const bool packed = load(delegate, context, op, &constants, &owned) &&
                      eb_refuse_status(delegate, op, eb_w1a8_prepare(plan, &constants, persistent));
  eb_w1a8_free_owned(&owned);
  if (packed) {
    layer->persistent = persistent;
  } else {
    eb_free(persistent);
  }
  return packed;
}

bool eb_w1a8_prepare_op(eb_delegate *delegate, const LiteContext *context, eb_op *op, eb_w1a8_loader load,
                        int *output_shape) {
  eb_op_w1a8 *layer = &op->as.w1a8;
  eb_w1a8_plan plan;
  if (!eb_w1a8_set_image(context, op))
    return eb_refuse_op(delegate, op, "input '%s' does not fit a layer of %d input channels",
                        eb_tensor_name(&context->tensors[op->inputs[0]]), layer->op.channels_in);
  if (!eb_refuse_status(delegate, op, eb_w1a8_make_plan(delegate, op, &plan))) return false;
  if (!pack(delegate, context, op, &plan, load)) return false;
  layer->plan = plan;
  op->units.count = plan.tiles;
  op->scratch_bytes = plan.scratch_bytes;
  eb_w1a8_output_shape(context, op, &plan, output_shape);
  return eb_steps_settle(delegate, context, op, output_shape, context->tensors[op->output].dims->size);
}

void eb_w1a8_run_op(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  const eb_op_w1a8 *layer = &op->as.w1a8;
  const eb_output_steps steps = eb_steps_bind(op, memory, memory->output_stride);
  (memory->resumes ? eb_w1a8_resume : eb_w1a8_run)(&layer->plan, layer->persistent, memory->read[0],
                                                   layer->op.depthwise ? NULL : &steps, memory->output, (int32_t)begin,
                                                   (int32_t)end, memory->scratch);
}

void eb_w1a8_release(eb_op *op) { eb_free(op->as.w1a8.persistent); }

bool eb_op_is_w1a8(const eb_op *op) { return op->kind->run == eb_w1a8_run_op; }

bool eb_w1a8_takes_steps(const eb_op *op) { return !op->as.w1a8.op.depthwise; }
