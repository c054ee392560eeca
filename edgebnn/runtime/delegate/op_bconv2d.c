/* LceBconv2d: the binary convolution with float32, int8 or packed output. */
#include <stdlib.h>
#include <string.h>

#include "op_kinds.h"
#include "op_steps.h"
#include "system.h"

enum { INPUT, FILTER, MULTIPLIER, BIAS, THRESHOLD };
static const char *const roles[] = {"input", "filter", "multiplier", "bias", "threshold"};

static bool constant(eb_delegate *delegate, const LiteContext *context, const eb_op *op, int role, int type, int rank,
                     int length) {
  return eb_require_constant(delegate, context, op, role, roles[role], type, rank, length);
}

static bool read_output(eb_delegate *delegate, const LiteContext *context, eb_op *op) {
  eb_bconv2d *conv = &op->as.bconv2d.op;
  const LiteTensor *output = &context->tensors[op->output];
  switch (output->type) {
    case LITE_FLOAT32:
      conv->output_type = EB_FLOAT32;
      break;
    case LITE_INT8:
      if (output->quantization.type != LITE_AFFINE_QUANTIZATION)
        return eb_refuse_op(delegate, op, "output '%s' is int8 without scale and zero point", eb_tensor_name(output));
      conv->output_type = EB_INT8;
      conv->output_scale = output->params.scale;
      conv->output_zero_point = output->params.zero_point;
      break;
    case LITE_INT32:
      conv->output_type = EB_PACKED;
      return constant(delegate, context, op, THRESHOLD, LITE_INT32, 1, conv->channels_out);
    default:
      return eb_refuse_op(delegate, op, "output '%s' must be float32, int8 or int32", eb_tensor_name(output));
  }
  return constant(delegate, context, op, MULTIPLIER, LITE_FLOAT32, 1, conv->channels_out) &&
         constant(delegate, context, op, BIAS, LITE_FLOAT32, 1, conv->channels_out);
}

static bool read_op(eb_delegate *delegate, const LiteContext *context, const LiteNode *node, eb_op *op) {
  eb_bconv2d *conv = &op->as.bconv2d.op;
  eb_window *window = &conv->window;
  if (!constant(delegate, context, op, FILTER, LITE_INT32, 4, 0)) return false;
  const LiteTensor *input = &context->tensors[op->inputs[INPUT]];
  const LiteTensor *filter = &context->tensors[op->inputs[FILTER]];
  if (input->type != LITE_INT32 || input->dims->size != 4 || context->tensors[op->output].dims->size != 4)
    return eb_refuse_op(delegate, op, "input '%s' must be int32, and input and output must have 4 dimensions",
                        eb_tensor_name(input));
  conv->channels_out = filter->dims->data[0];
  window->filter_height = filter->dims->data[1];
  window->filter_width = filter->dims->data[2];
  const eb_option options[] = {{"stride_height", &window->stride_height},
                               {"stride_width", &window->stride_width},
                               {"dilation_height_factor", &window->dilation_height},
                               {"dilation_width_factor", &window->dilation_width},
                               {"padding", &window->padding},
                               {"pad_values", &conv->pad_value},
                               {"channels_in", &conv->channels_in},
                               {"fused_activation_function", &conv->activation}};
  if (!eb_read_options(delegate, node, op, options, sizeof options / sizeof *options)) return false;
  const eb_status status = eb_bconv2d_groups(conv->channels_in, filter->dims->data[3], &conv->groups);
  if (status != EB_OK)
    return eb_refuse_op(delegate, op, "%d input channels do not fit its filter '%s' with %d words (%s)",
                        conv->channels_in, eb_tensor_name(filter), filter->dims->data[3], eb_status_name(status));
  return read_output(delegate, context, op);
}

static const void *data(const LiteContext *context, const eb_op *op, int role) {
  return op->inputs[role] == LITE_OPTIONAL_TENSOR ? NULL : context->tensors[op->inputs[role]].data;
}

/* Whether weights packed under one plan serve another: the input's size changed, the kernel's arrangement did not. */
static bool same_arrangement(const eb_bconv2d_plan *a, const eb_bconv2d_plan *b) {
  return a->kernel == b->kernel && a->persistent_bytes == b->persistent_bytes &&
         a->constants_offset == b->constants_offset && a->tap_sums_offset == b->tap_sums_offset;
}

static bool pack(eb_delegate *delegate, const LiteContext *context, eb_op *op, const eb_bconv2d_plan *plan) {
  eb_op_bconv2d *conv = &op->as.bconv2d;
  if (conv->persistent != NULL && same_arrangement(&conv->plan, plan)) return true;
  eb_free(conv->persistent);
  conv->persistent = eb_allocate(plan->persistent_bytes);
  if (conv->persistent == NULL)
    return eb_refuse_op(delegate, op, "no memory for its weights (%zu bytes)", plan->persistent_bytes);
  eb_bconv2d_prepare(plan, data(context, op, FILTER), data(context, op, MULTIPLIER), data(context, op, BIAS),
                     data(context, op, THRESHOLD), conv->persistent);
  return true;
}

static eb_status make_plan(const eb_delegate *delegate, const eb_op *op, eb_bconv2d_plan *plan) {
  const uint32_t features = eb_cpu_features();
  const eb_schedule *schedule = eb_schedule_of(delegate, op->node);
  if (schedule != NULL) return eb_bconv2d_plan_schedule(&op->as.bconv2d.op, schedule, features, plan);
  return eb_bconv2d_plan_make(&op->as.bconv2d.op, eb_bconv2d_kernel_named(delegate->kernel, features), features, plan);
}

static bool prepare(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  eb_op_bconv2d *conv = &op->as.bconv2d;
  const LiteTensor *input = &context->tensors[op->inputs[INPUT]];
  if (input->dims->size != 4 || input->dims->data[3] != eb_packed_words(conv->op.channels_in))
    return eb_refuse_op(delegate, op, "input '%s' must have 4 dimensions, the last one %d", eb_tensor_name(input),
                        eb_packed_words(conv->op.channels_in));
  conv->op.window.batches = input->dims->data[0];
  conv->op.window.input_height = input->dims->data[1];
  conv->op.window.input_width = input->dims->data[2];
  eb_bconv2d_plan plan;
  if (!eb_refuse_status(delegate, op, make_plan(delegate, op, &plan))) return false;
  if (!pack(delegate, context, op, &plan)) return false;
  conv->plan = plan;
  /* Neighbouring tiles have the same windows, or the same weights; each is much work. */
  const int64_t row = plan.order == EB_WEIGHT_STATIONARY ? plan.pixel_tiles : plan.chunks;
  op->units = (eb_units){.count = plan.tiles, .row = row, .grain = 1};
  op->scratch_bytes = plan.scratch_bytes;
  output_shape[0] = plan.op.window.batches;
  output_shape[1] = plan.op.window.output_height;
  output_shape[2] = plan.op.window.output_width;
  output_shape[3] = conv->op.output_type == EB_PACKED ? eb_packed_words(conv->op.channels_out) : conv->op.channels_out;
  return eb_steps_settle(delegate, context, op, output_shape, 4);
}

static void run(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  const eb_op_bconv2d *conv = &op->as.bconv2d;
  const eb_output_steps steps = eb_steps_bind(op, memory, memory->output_stride);
  eb_bconv2d_run(&conv->plan, conv->persistent, memory->read[0],
                 conv->op.output_type == EB_PACKED ? NULL : &steps, memory->output, (int32_t)begin, (int32_t)end,
                 memory->scratch);
}

static void release(eb_op *op) { eb_free(op->as.bconv2d.persistent); }

const eb_op_kind eb_kind_bconv2d = {.custom_code = "LceBconv2d",
                                    .inputs = 5,
                                    .read = read_op,
                                    .prepare = prepare,
                                    .run = run,
                                    .release = release,
                                    .strided = true};
