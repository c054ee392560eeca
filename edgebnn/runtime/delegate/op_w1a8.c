/* EdgebnnConv2dW1A8 and EdgebnnDenseW1A8: 1-bit weights, int8 activations (docs/w1a8_format.md). */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

enum { FORMAT_VERSION = 1, DENSE_ROW = 28 };
enum { INPUT, FILTER, SCALE, MAGNITUDE, BIAS };

static const void *data(const LiteContext *context, const eb_op *op, int input) {
  return op->inputs[input] == LITE_OPTIONAL_TENSOR ? NULL : context->tensors[op->inputs[input]].data;
}

static bool is_quantized(const LiteTensor *tensor) {
  return tensor->type == LITE_INT8 && tensor->quantization.type == LITE_AFFINE_QUANTIZATION &&
         tensor->params.scale > 0.0f && tensor->params.scale <= FLT_MAX;
}

/* A bound of the activation as an int8 of the output, the way TFLite makes it: divided in float, halves away from zero. */
static int32_t bound(float real, const LiteTensor *output) {
  const double steps = (double)(float)(real / output->params.scale);
  if (steps < -1000.0) return -128;
  if (steps > 1000.0) return 127;
  const int32_t q = (int32_t)(steps < 0.0 ? steps - 0.5 : steps + 0.5) + output->params.zero_point;
  return q < -128 ? -128 : q > 127 ? 127 : q;
}

static bool read_activation(eb_delegate *delegate, const LiteTensor *output, int32_t activation, eb_op *op) {
  eb_w1a8 *layer = &op->as.w1a8.op;
  static const float lowest[] = {-FLT_MAX, 0.0f, -1.0f, 0.0f}, highest[] = {FLT_MAX, FLT_MAX, 1.0f, 6.0f};
  if (activation < EB_ACT_NONE || activation > EB_ACT_RELU6)
    return eb_refuse_op(delegate, op, "its activation %d is none that exists", activation);
  layer->output_min = bound(lowest[activation], output);
  layer->output_max = bound(highest[activation], output);
  return true;
}

/* What both ops share: version, activation, constants, quantization. The number of output channels is known. */
static bool read_shared(eb_delegate *delegate, const LiteContext *context, int32_t version, int32_t activation,
                        eb_op *op) {
  eb_w1a8 *layer = &op->as.w1a8.op;
  const LiteTensor *input = &context->tensors[op->inputs[INPUT]], *output = &context->tensors[op->output];
  if (version != FORMAT_VERSION)
    return eb_refuse_op(delegate, op, "is of version %d of its format; this edgebnn reads version %d", version,
                        FORMAT_VERSION);
  if (!is_quantized(input) || !is_quantized(output))
    return eb_refuse_op(delegate, op, "input '%s' and output '%s' must be int8 with scale and zero point",
                        eb_tensor_name(input), eb_tensor_name(output));
  if (!eb_require_constant(delegate, context, op, SCALE, "scale", LITE_FLOAT32, 1, layer->channels_out) ||
      !eb_require_constant(delegate, context, op, MAGNITUDE, "magnitude", LITE_INT8, 1, layer->channels_out))
    return false;
  if (op->inputs[BIAS] != LITE_OPTIONAL_TENSOR &&
      !eb_require_constant(delegate, context, op, BIAS, "bias", LITE_INT32, 1, layer->channels_out))
    return false;
  layer->input_zero_point = input->params.zero_point;
  layer->output_zero_point = output->params.zero_point;
  return read_activation(delegate, output, activation, op);
}

/* The last dimension of a filter is the words of `channels` signs. */
static bool check_words(eb_delegate *delegate, const LiteContext *context, const eb_op *op, int32_t channels) {
  const LiteTensor *filter = &context->tensors[op->inputs[FILTER]];
  const int32_t words = filter->dims->data[filter->dims->size - 1];
  if (channels >= 1 && words == eb_packed_words(channels)) return true;
  return eb_refuse_op(delegate, op, "%d channels do not fit its filter '%s' with %d words", channels,
                      eb_tensor_name(filter), words);
}

static bool read_conv2d(eb_delegate *delegate, const LiteContext *context, const LiteNode *node, eb_op *op) {
  eb_w1a8 *layer = &op->as.w1a8.op;
  eb_window *window = &layer->window;
  int32_t version, activation;
  const eb_option options[] = {{"version", &version},
                               {"fused_activation_function", &activation},
                               {"stride_height", &window->stride_height},
                               {"stride_width", &window->stride_width},
                               {"dilation_height_factor", &window->dilation_height},
                               {"dilation_width_factor", &window->dilation_width},
                               {"padding", &window->padding},
                               {"channels_in", &layer->channels_in},
                               {"groups", &layer->groups},
                               {"depthwise", &layer->depthwise}};
  if (!eb_read_options(delegate, node, op, options, sizeof options / sizeof *options)) return false;
  if (!eb_require_constant(delegate, context, op, FILTER, "filter", LITE_INT32, 4, layer->depthwise ? 1 : 0))
    return false;
  if (!eb_require_constant(delegate, context, op, SCALE, "scale", LITE_FLOAT32, 1, 0)) return false;
  const int *dims = context->tensors[op->inputs[FILTER]].dims->data;
  layer->channels_out = layer->depthwise ? context->tensors[op->inputs[SCALE]].dims->data[0] : dims[0];
  window->filter_height = dims[1];
  window->filter_width = dims[2];
  layer->rounding = EB_ROUND_TWICE;
  if (layer->groups < 1 || layer->channels_in < 1 || layer->channels_in % layer->groups != 0)
    return eb_refuse_op(delegate, op, "%d channels do not divide into %d groups", layer->channels_in, layer->groups);
  const int32_t signs = layer->depthwise ? layer->channels_out : layer->channels_in / layer->groups;
  if (!check_words(delegate, context, op, signs)) return false;
  if (context->tensors[op->inputs[INPUT]].dims->size != 4 || context->tensors[op->output].dims->size != 4)
    return eb_refuse_op(delegate, op, "its input and output must have 4 dimensions");
  return read_shared(delegate, context, version, activation, op);
}

static bool read_dense(eb_delegate *delegate, const LiteContext *context, const LiteNode *node, eb_op *op) {
  eb_w1a8 *layer = &op->as.w1a8.op;
  int32_t version, activation;
  const eb_option options[] = {{"version", &version},
                               {"fused_activation_function", &activation},
                               {"channels_in", &layer->channels_in},
                               {"keep_num_dims", &op->as.w1a8.keep_num_dims}};
  if (!eb_read_options(delegate, node, op, options, sizeof options / sizeof *options)) return false;
  if (!eb_require_constant(delegate, context, op, FILTER, "filter", LITE_INT32, 2, 0)) return false;
  layer->channels_out = context->tensors[op->inputs[FILTER]].dims->data[0];
  layer->groups = 1;
  layer->rounding = EB_ROUND_ONCE;
  layer->window = (eb_window){.filter_height = 1, .filter_width = 1, .stride_height = 1, .stride_width = 1,
                              .dilation_height = 1, .dilation_width = 1, .padding = EB_PADDING_VALID};
  if (!check_words(delegate, context, op, layer->channels_in)) return false;
  const int rank = op->as.w1a8.keep_num_dims ? context->tensors[op->inputs[INPUT]].dims->size : 2;
  if (rank < 1 || rank > EB_MAX_RANK || context->tensors[op->output].dims->size != rank)
    return eb_refuse_op(delegate, op, "output '%s' must have %d dimensions",
                        eb_tensor_name(&context->tensors[op->output]), rank);
  return read_shared(delegate, context, version, activation, op);
}

static bool widen(eb_delegate *delegate, const LiteContext *context, const eb_op *op, double *factor,
                  int32_t *magnitude) {
  const float *scale = data(context, op, SCALE);
  const int8_t *magnitudes = data(context, op, MAGNITUDE);
  const double input = (double)context->tensors[op->inputs[INPUT]].params.scale;
  const double output = (double)context->tensors[op->output].params.scale;
  for (int32_t c = 0; c < op->as.w1a8.op.channels_out; c++) {
    factor[c] = input * (double)scale[c] / output;
    magnitude[c] = magnitudes[c];
    if (!(scale[c] > 0.0f) || !(factor[c] < 2147483648.0) || magnitude[c] < 1)
      return eb_refuse_op(delegate, op, "the scale or magnitude of its output channel %d is out of range", c);
  }
  return true;
}

/* Packs the weights for the plan's kernel, unless they are. */
static bool pack(eb_delegate *delegate, const LiteContext *context, eb_op *op, const eb_w1a8_plan *plan) {
  eb_op_w1a8 *layer = &op->as.w1a8;
  if (layer->persistent != NULL && layer->plan.kernel == plan->kernel) return true;
  const size_t channels = (size_t)layer->op.channels_out;
  const size_t bytes = (plan->persistent_bytes / EB_ALIGNMENT + 1) * EB_ALIGNMENT;
  double *factor = malloc(channels * sizeof *factor);
  int32_t *magnitude = malloc(channels * sizeof *magnitude);
  free(layer->persistent);
  layer->persistent = aligned_alloc(EB_ALIGNMENT, bytes);
  bool packed = false;
  if (factor == NULL || magnitude == NULL || layer->persistent == NULL) {
    eb_refuse_op(delegate, op, "no memory for its weights (%zu bytes)", bytes);
  } else if (widen(delegate, context, op, factor, magnitude)) {
    const eb_w1a8_constants constants = {data(context, op, FILTER), magnitude, data(context, op, BIAS), factor};
    packed = eb_refuse_status(delegate, op, eb_w1a8_prepare(plan, &constants, layer->persistent));
  }
  free(factor);
  free(magnitude);
  return packed;
}

/* The forced kernel where W1A8 has it too; else the best. */
static const char *forced_kernel(const eb_delegate *delegate) {
  const eb_w1a8_kernel *kernel;
  for (size_t i = 0; (kernel = eb_w1a8_kernel_at(i)) != NULL; i++) {
    const bool runs = (kernel->cpu_features & ~eb_cpu_features()) == 0;
    if (runs && strcmp(kernel->name, delegate->kernel) == 0) return kernel->name;
  }
  return NULL;
}

static bool plan_and_pack(eb_delegate *delegate, const LiteContext *context, eb_op *op) {
  eb_op_w1a8 *layer = &op->as.w1a8;
  eb_w1a8_plan plan;
  const eb_status status = eb_w1a8_plan_make(&layer->op, forced_kernel(delegate), eb_cpu_features(), &plan);
  if (!eb_refuse_status(delegate, op, status) || !pack(delegate, context, op, &plan)) return false;
  layer->plan = plan;
  op->tiles = plan.tiles;
  op->grain = 0;
  op->scratch_bytes = plan.scratch_bytes;
  return true;
}

static bool prepare_conv2d(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  eb_w1a8 *layer = &op->as.w1a8.op;
  const LiteTensor *input = &context->tensors[op->inputs[INPUT]];
  if (input->dims->size != 4 || input->dims->data[3] != layer->channels_in)
    return eb_refuse_op(delegate, op, "input '%s' must have 4 dimensions, the last one %d", eb_tensor_name(input),
                        layer->channels_in);
  layer->window.batches = input->dims->data[0];
  layer->window.input_height = input->dims->data[1];
  layer->window.input_width = input->dims->data[2];
  if (!plan_and_pack(delegate, context, op)) return false;
  output_shape[0] = op->as.w1a8.plan.op.window.batches;
  output_shape[1] = op->as.w1a8.plan.op.window.output_height;
  output_shape[2] = op->as.w1a8.plan.op.window.output_width;
  output_shape[3] = layer->channels_out;
  return true;
}

/* Rows become pixels of an image, as wide as divides them. */
static bool prepare_dense(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  eb_w1a8 *layer = &op->as.w1a8.op;
  const LiteTensor *input = &context->tensors[op->inputs[INPUT]];
  const int rank = input->dims->size;
  int64_t elements = 1;
  for (int i = 0; i < rank; i++) {
    elements *= input->dims->data[i];
    if (elements > INT32_MAX) return eb_refuse_status(delegate, op, EB_TOO_LARGE);
  }
  const bool keeps = op->as.w1a8.keep_num_dims != 0;
  const bool fits = keeps ? rank == context->tensors[op->output].dims->size &&
                                input->dims->data[rank - 1] == layer->channels_in
                          : elements % layer->channels_in == 0;
  if (!fits || elements == 0)
    return eb_refuse_op(delegate, op, "input '%s' does not fit %d weights a channel", eb_tensor_name(input),
                        layer->channels_in);
  const int32_t rows = (int32_t)(elements / layer->channels_in);
  int32_t width = rows < DENSE_ROW ? rows : DENSE_ROW;
  while (rows % width != 0) width--;
  layer->window.batches = 1;
  layer->window.input_height = rows / width;
  layer->window.input_width = width;
  if (!plan_and_pack(delegate, context, op)) return false;
  if (keeps) {
    memcpy(output_shape, input->dims->data, (size_t)rank * sizeof(int));
    output_shape[rank - 1] = layer->channels_out;
  } else {
    output_shape[0] = rows;
    output_shape[1] = layer->channels_out;
  }
  return true;
}

static void run(const eb_op *op, const void *input, void *output, int64_t begin, int64_t end, void *scratch) {
  const eb_op_w1a8 *layer = &op->as.w1a8;
  eb_w1a8_run(&layer->plan, layer->persistent, input, output, (int32_t)begin, (int32_t)end, scratch);
}

static void release(eb_op *op) { free(op->as.w1a8.persistent); }

const eb_op_kind eb_kind_w1a8_conv2d = {.custom_code = "EdgebnnConv2dW1A8",
                                        .inputs = 5,
                                        .read = read_conv2d,
                                        .prepare = prepare_conv2d,
                                        .run = run,
                                        .release = release};

const eb_op_kind eb_kind_w1a8_dense = {.custom_code = "EdgebnnDenseW1A8",
                                       .inputs = 5,
                                       .read = read_dense,
                                       .prepare = prepare_dense,
                                       .run = run,
                                       .release = release};
