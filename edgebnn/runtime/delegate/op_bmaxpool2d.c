/* LceBMaxPool2d: the maximum of packed signs over a window. */
#include "op_kinds.h"

static bool read_options(eb_delegate *delegate, const LiteContext *context, const LiteNode *node, eb_op *op) {
  const LiteTensor *input = &context->tensors[op->inputs[0]];
  const LiteTensor *output = &context->tensors[op->output];
  if (input->type != LITE_INT32 || output->type != LITE_INT32)
    return eb_refuse_op(delegate, op, "input '%s' and output '%s' must be int32", eb_tensor_name(input),
                        eb_tensor_name(output));
  if (input->dims->size != 4 || output->dims->size != 4)
    return eb_refuse_op(delegate, op, "input '%s' and output '%s' must have 4 dimensions", eb_tensor_name(input),
                        eb_tensor_name(output));
  eb_window *window = &op->as.bmaxpool2d.window;
  window->dilation_height = window->dilation_width = 1;
  const eb_option options[] = {{"filter_height", &window->filter_height}, {"filter_width", &window->filter_width},
                               {"stride_height", &window->stride_height}, {"stride_width", &window->stride_width},
                               {"padding", &window->padding}};
  return eb_read_options(delegate, node, op, options, sizeof options / sizeof *options);
}

static bool prepare(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *input = &context->tensors[op->inputs[0]];
  if (input->dims->size != 4)
    return eb_refuse_op(delegate, op, "input '%s' must have 4 dimensions", eb_tensor_name(input));
  eb_bmaxpool2d *pool = &op->as.bmaxpool2d;
  const int words = input->dims->data[3];
  pool->window.batches = input->dims->data[0];
  pool->window.input_height = input->dims->data[1];
  pool->window.input_width = input->dims->data[2];
  pool->channels = words > 0 && words <= INT32_MAX / 32 ? words * 32 : 0;
  int32_t tiles;
  const eb_status status = eb_bmaxpool2d_check(pool, &tiles);
  if (!eb_refuse_status(delegate, op, status)) return false;
  op->units.count = tiles;
  output_shape[0] = pool->window.batches;
  output_shape[1] = pool->window.output_height;
  output_shape[2] = pool->window.output_width;
  output_shape[3] = words;
  return true;
}

static void run(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  eb_bmaxpool2d_run(&op->as.bmaxpool2d, memory->read[0], memory->output, (int32_t)begin, (int32_t)end);
}

const eb_op_kind eb_kind_bmaxpool2d = {
    .custom_code = "LceBMaxPool2d", .inputs = 1, .read = read_options, .prepare = prepare, .run = run};
