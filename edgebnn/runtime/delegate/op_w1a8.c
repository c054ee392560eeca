/* EdgebnnConv2dW1A8 and EdgebnnDenseW1A8: 1-bit weights, int8 activations (docs/w1a8_format.md). */
#include <stdlib.h>

#include "op_kinds.h"
#include "w1a8_layer.h"

enum { FORMAT_VERSION = 1 };
enum { INPUT, FILTER, SCALE, MAGNITUDE, BIAS };

static const void *data(const LiteContext *context, const eb_op *op, int input) {
  return op->inputs[input] == LITE_OPTIONAL_TENSOR ? NULL : context->tensors[op->inputs[input]].data;
}

/* What both ops share: version, activation, constants, quantization. The number of output channels is known. */
static bool read_shared(eb_delegate *delegate, const LiteContext *context, int32_t version, int32_t activation,
                        eb_op *op) {
  eb_w1a8 *layer = &op->as.w1a8.op;
  const LiteTensor *input = &context->tensors[op->inputs[INPUT]], *output = &context->tensors[op->output];
  if (version != FORMAT_VERSION)
    return eb_refuse_op(delegate, op, "is of version %d of its format; this edgebnn reads version %d", version,
                        FORMAT_VERSION);
  if (!eb_w1a8_is_quantized(input) || !eb_w1a8_is_quantized(output))
    return eb_refuse_op(delegate, op, "input '%s' and output '%s' must be int8 with scale and zero point",
                        eb_tensor_name(input), eb_tensor_name(output));
  if (!eb_require_constant(delegate, context, op, SCALE, "scale", LITE_FLOAT32, 1, layer->channels_out) ||
      !eb_require_constant(delegate, context, op, MAGNITUDE, "magnitude", LITE_INT8, 1, layer->channels_out))
    return false;
  if (op->inputs[BIAS] != LITE_OPTIONAL_TENSOR &&
      !eb_require_constant(delegate, context, op, BIAS, "bias", LITE_INT32, 1, layer->channels_out))
    return false;
  op->as.w1a8.output_scale = output->params.scale;
  return eb_w1a8_set_ends(layer, input, output, activation) ||
         eb_refuse_op(delegate, op, "its activation %d is none that exists", activation);
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
  if (!read_shared(delegate, context, version, activation, op)) return false;
  eb_conv_few_take_w1a8(delegate, context, op);
  return true;
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
  layer->window = eb_w1a8_dense_window();
  if (!check_words(delegate, context, op, layer->channels_in)) return false;
  const int rank = op->as.w1a8.keep_num_dims ? context->tensors[op->inputs[INPUT]].dims->size : 2;
  if (rank < 1 || rank > EB_MAX_RANK || context->tensors[op->output].dims->size != rank)
    return eb_refuse_op(delegate, op, "output '%s' must have %d dimensions",
                        eb_tensor_name(&context->tensors[op->output]), rank);
  return read_shared(delegate, context, version, activation, op);
}

static bool load(eb_delegate *delegate, const LiteContext *context, const eb_op *op, eb_w1a8_constants *constants,
                 eb_w1a8_owned *owned) {
  const int32_t channels = op->as.w1a8.op.channels_out;
  const float *scale = data(context, op, SCALE);
  const int8_t *magnitude = data(context, op, MAGNITUDE);
  owned->factor = malloc((size_t)channels * sizeof *owned->factor);
  owned->magnitude = malloc((size_t)channels * sizeof *owned->magnitude);
  if (owned->factor == NULL || owned->magnitude == NULL) return eb_refuse_op(delegate, op, "no memory for its constants");
  for (int32_t c = 0; c < channels; c++) {
    owned->factor[c] = eb_w1a8_factor(context, op, scale[c], op->as.w1a8.output_scale);
    owned->magnitude[c] = magnitude[c];
    if (!(scale[c] > 0.0f) || !eb_w1a8_is_factor(owned->factor[c]) || magnitude[c] < 0)
      return eb_refuse_op(delegate, op, "the scale or magnitude of its output channel %d is out of range", c);
  }
  *constants = (eb_w1a8_constants){data(context, op, FILTER), owned->magnitude, data(context, op, BIAS), owned->factor};
  return true;
}

static bool prepare(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  return eb_w1a8_prepare_op(delegate, context, op, load, output_shape);
}

const eb_op_kind eb_kind_w1a8_conv2d = {.custom_code = "EdgebnnConv2dW1A8",
                                        .inputs = 5,
                                        .read = read_conv2d,
                                        .prepare = prepare,
                                        .run = eb_w1a8_run_op,
                                        .release = eb_w1a8_release};

const eb_op_kind eb_kind_w1a8_dense = {.custom_code = "EdgebnnDenseW1A8",
                                       .inputs = 5,
                                       .read = read_dense,
                                       .prepare = prepare,
                                       .run = eb_w1a8_run_op,
                                       .release = eb_w1a8_release};
