/* CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED of a standard int8 file whose weights are two-valued: all weights of an
 * output channel are -m or +m. They are packed to 1 bit each when the model is prepared, and give the outputs of TFLite's
 * reference kernels bit for bit; those do the same sums. What is not recognised is left to the interpreter, without a
 * word. */
#include <math.h>
#include <stdlib.h>

#include "../../kernels/core/requantize.h"
#include "../../kernels/core/w1a8_block.h"
#include "op_kinds.h"
#include "int8_weights.h"
#include "w1a8_layer.h"

enum { INPUT, WEIGHTS, BIAS, MOST_INPUTS };
enum { LARGEST_STRIDE = 1 << 15 };

static const LiteTensor *weights_of(const LiteContext *context, const eb_op *op) {
  return &context->tensors[op->inputs[WEIGHTS]];
}

static const LiteAffineQuantization *quantization_of(const LiteTensor *tensor) { return tensor->quantization.params; }

/* A constant of the file. */
static bool is_constant(const LiteTensor *tensor, int type, int rank) {
  size_t bytes = type == LITE_INT32 ? sizeof(int32_t) : sizeof(int8_t);
  for (int i = 0; i < tensor->dims->size; i++) bytes *= (size_t)tensor->dims->data[i];
  return tensor->type == type && tensor->allocation_type == LITE_MMAP_RO && tensor->data != NULL &&
         tensor->sparsity == NULL && tensor->dims->size == rank && tensor->bytes == bytes;
}

/* Only fully connected layers heed a zero point of the weights, and only one for all. */
static bool weights_are_quantized(const LiteTensor *weights, int32_t channels_out, bool dense) {
  if (weights->quantization.type != LITE_AFFINE_QUANTIZATION) return false;
  const LiteAffineQuantization *q = quantization_of(weights);
  if (q->scale == NULL || q->zero_point == NULL || q->zero_point->size < 1) return false;
  if (q->scale->size != 1 && q->scale->size != channels_out) return false;
  if (dense && q->scale->size == 1) return q->zero_point->data[0] >= -128 && q->zero_point->data[0] <= 127;
  for (int i = 0; i < q->zero_point->size; i++) {
    if (q->zero_point->data[i] != 0) return false;
  }
  return true;
}

/* The window as the interpreter's params have it; values that no model has mean another layout of them. */
static bool set_window(eb_op *op, int padding, const int strides[2], const int dilations[2], const int *dims) {
  const int sizes[] = {strides[0], strides[1], dilations[0], dilations[1]};
  for (int i = 0; i < 4; i++) {
    if (sizes[i] < 1 || sizes[i] > LARGEST_STRIDE) return false;
  }
  if (padding != LITE_PADDING_SAME && padding != LITE_PADDING_VALID) return false;
  op->as.w1a8.op.window = (eb_window){.filter_height = dims[1],
                                      .filter_width = dims[2],
                                      .stride_height = strides[0],
                                      .stride_width = strides[1],
                                      .dilation_height = dilations[0],
                                      .dilation_width = dilations[1],
                                      .padding = padding == LITE_PADDING_SAME ? EB_PADDING_SAME : EB_PADDING_VALID};
  return true;
}

static bool read_conv2d(const LiteContext *context, const LiteNode *node, eb_op *op, int *activation) {
  const LiteConvParams *params = node->builtin_data;
  const LiteIntArray *input = context->tensors[op->inputs[INPUT]].dims, *dims = weights_of(context, op)->dims;
  eb_w1a8 *layer = &op->as.w1a8.op;
  if (input->size != 4 || dims->size != 4 || dims->data[3] < 1 || input->data[3] % dims->data[3] != 0) return false;
  layer->channels_in = input->data[3];
  layer->channels_out = dims->data[0];
  layer->groups = input->data[3] / dims->data[3];
  layer->rounding = EB_ROUND_TWICE;
  *activation = params->activation;
  return set_window(op, params->padding, (int[]){params->stride_height, params->stride_width},
                    (int[]){params->dilation_height, params->dilation_width}, dims->data);
}

static bool read_depthwise(const LiteContext *context, const LiteNode *node, eb_op *op, int *activation) {
  const LiteDepthwiseConvParams *params = node->builtin_data;
  const LiteIntArray *input = context->tensors[op->inputs[INPUT]].dims, *dims = weights_of(context, op)->dims;
  eb_w1a8 *layer = &op->as.w1a8.op;
  if (input->size != 4 || dims->size != 4 || dims->data[0] != 1 || input->data[3] < 1) return false;
  if (dims->data[3] % input->data[3] != 0) return false;
  layer->channels_in = input->data[3];
  layer->channels_out = dims->data[3];
  layer->groups = 1;
  layer->depthwise = 1;
  layer->rounding = EB_ROUND_TWICE;
  *activation = params->activation;
  return set_window(op, params->padding, (int[]){params->stride_height, params->stride_width},
                    (int[]){params->dilation_height, params->dilation_width}, dims->data);
}

static bool read_dense(const LiteContext *context, const LiteNode *node, eb_op *op, int *activation) {
  const LiteFullyConnectedParams *params = node->builtin_data;
  const LiteIntArray *dims = weights_of(context, op)->dims;
  eb_w1a8 *layer = &op->as.w1a8.op;
  if (dims->size != 2 || params->weights_format != 0) return false;
  layer->channels_in = dims->data[1];
  layer->channels_out = dims->data[0];
  layer->groups = 1;
  layer->rounding = EB_ROUND_ONCE;
  layer->window = eb_w1a8_dense_window();
  op->as.w1a8.keep_num_dims = params->keep_num_dims;
  *activation = params->activation;
  return true;
}

/* Constants, quantization and sizes are those of an int8 layer; all but what the weights are. */
static bool is_int8_layer(const eb_delegate *delegate, const LiteContext *context, eb_op *op, int activation) {
  const LiteTensor *input = &context->tensors[op->inputs[INPUT]], *output = &context->tensors[op->output];
  const LiteTensor *weights = weights_of(context, op);
  eb_w1a8 *layer = &op->as.w1a8.op;
  const bool dense = layer->rounding == EB_ROUND_ONCE;
  if (!eb_w1a8_is_quantized(input) || !eb_w1a8_is_quantized(output)) return false;
  if (layer->channels_in < 1 || layer->channels_out < 1) return false;
  if (!is_constant(weights, LITE_INT8, dense ? 2 : 4)) return false;
  if (!weights_are_quantized(weights, layer->channels_out, dense)) return false;
  if (op->inputs[BIAS] != LITE_OPTIONAL_TENSOR) {
    const LiteTensor *bias = &context->tensors[op->inputs[BIAS]];
    if (!is_constant(bias, LITE_INT32, 1) || bias->dims->data[0] != layer->channels_out) return false;
  }
  if (!eb_w1a8_set_ends(layer, input, output, activation) || !eb_w1a8_set_image(context, op)) return false;
  op->as.w1a8.output_scale = output->params.scale;
  eb_w1a8_plan plan;
  int shape[EB_MAX_RANK];
  const int rank = !dense ? 4 : op->as.w1a8.keep_num_dims ? input->dims->size : 2;
  if (rank > EB_MAX_RANK || output->dims->size != rank) return false;
  if (eb_w1a8_make_plan(delegate, op, &plan) != EB_OK) return false;
  op->as.w1a8.plan = plan;
  eb_w1a8_output_shape(context, op, &plan, shape);
  for (int i = 1; i < rank; i++) { /* the batch may have been resized for the input only */
    if (shape[i] != output->dims->data[i]) return false; /* then something was not read rightly */
  }
  return true;
}

static double factor_of(const LiteContext *context, const eb_op *op, int32_t channel) {
  const LiteFloatArray *scale = quantization_of(weights_of(context, op))->scale;
  const float each = scale->data[scale->size == 1 ? 0 : channel];
  return each > 0.0f ? eb_w1a8_factor(context, op, each, op->as.w1a8.output_scale) : INFINITY;
}

static eb_int8_weights weights_as_stored(const LiteContext *context, const eb_op *op) {
  const LiteTensor *weights = weights_of(context, op);
  const int bias = op->inputs[BIAS];
  return (eb_int8_weights){.data = weights->data,
                           .zero_point = quantization_of(weights)->zero_point->data[0],
                           .bias = bias == LITE_OPTIONAL_TENSOR ? NULL : context->tensors[bias].data};
}

static bool is_two_valued(const LiteContext *context, const eb_op *op) {
  const eb_w1a8 *layer = &op->as.w1a8.op;
  const eb_int8_weights weights = weights_as_stored(context, op);
  for (int32_t c = 0; c < layer->channels_out; c++) {
    if (eb_int8_magnitude(layer, &weights, c, factor_of(context, op, c)) == EB_NOT_TWO_VALUED) return false;
  }
  return true;
}

static bool load(eb_delegate *delegate, const LiteContext *context, const eb_op *op, eb_w1a8_constants *constants,
                 eb_w1a8_owned *owned) {
  const eb_w1a8 *layer = &op->as.w1a8.op;
  const eb_int8_weights weights = weights_as_stored(context, op);
  const size_t channels = (size_t)layer->channels_out;
  owned->filter = malloc(eb_int8_sign_words(layer) * sizeof *owned->filter);
  owned->factor = malloc(channels * sizeof *owned->factor);
  owned->magnitude = malloc(channels * sizeof *owned->magnitude);
  if (owned->filter == NULL || owned->factor == NULL || owned->magnitude == NULL)
    return eb_refuse_op(delegate, op, "no memory for its weights");
  for (int32_t c = 0; c < layer->channels_out; c++) {
    owned->factor[c] = factor_of(context, op, c);
    owned->magnitude[c] = eb_int8_magnitude(layer, &weights, c, owned->factor[c]);
    if (owned->magnitude[c] == EB_NOT_TWO_VALUED) return eb_refuse_op(delegate, op, "its weights have changed");
  }
  eb_int8_pack_signs(layer, &weights, owned->filter);
  *constants = (eb_w1a8_constants){owned->filter, owned->magnitude, weights.bias, owned->factor};
  return true;
}

static bool prepare(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  return eb_w1a8_prepare_op(delegate, context, op, load, output_shape);
}

static const struct {
  int32_t builtin_code;
  bool (*read)(const LiteContext *context, const LiteNode *node, eb_op *op, int *activation);
  eb_op_kind kind;
} layers[] = {
#define LAYER(name, read) \
  {LITE_BUILTIN_##name, read, {.custom_code = #name " (packed)", .prepare = prepare, .run = eb_w1a8_run_op, .release = eb_w1a8_release}}
    LAYER(CONV_2D, read_conv2d),
    LAYER(DEPTHWISE_CONV_2D, read_depthwise),
    LAYER(FULLY_CONNECTED, read_dense),
#undef LAYER
};

int eb_int8_params_bytes(int32_t builtin_code) {
  switch (builtin_code) {
    case LITE_BUILTIN_CONV_2D: return sizeof(LiteConvParams);
    case LITE_BUILTIN_DEPTHWISE_CONV_2D: return sizeof(LiteDepthwiseConvParams);
    case LITE_BUILTIN_FULLY_CONNECTED: return sizeof(LiteFullyConnectedParams);
    default: return -1;
  }
}

bool eb_int8_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                       int32_t builtin_code, eb_op *op) {
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    if (layers[i].builtin_code != builtin_code) continue;
    const int inputs = node->inputs->size;
    int activation;
    *op = eb_op_new(&layers[i].kind, index);
    op->inputs[BIAS] = LITE_OPTIONAL_TENSOR;
    if (node->builtin_data == NULL || node->outputs->size != 1 || inputs < BIAS || inputs > MOST_INPUTS) return false;
    for (int k = 0; k < inputs; k++) op->inputs[k] = node->inputs->data[k];
    op->output = node->outputs->data[0];
    if (op->inputs[INPUT] < 0 || op->inputs[WEIGHTS] < 0 || op->output < 0) return false;
    eb_op_reads(op, op->inputs[INPUT]);
    op->name = eb_tensor_name(&context->tensors[op->output]);
    return layers[i].read(context, node, op, &activation) && is_int8_layer(delegate, context, op, activation) &&
           is_two_valued(context, op);
  }
  return false;
}

bool eb_int8_maps_values(const eb_op *op) {
  if (op->kind == NULL || op->kind->prepare != prepare || !op->as.w1a8.op.depthwise) return false;
  const eb_w1a8 *layer = &op->as.w1a8.op;
  const eb_window *w = &layer->window;
  return layer->channels_out == layer->channels_in && w->filter_height == 1 && w->filter_width == 1 &&
         w->stride_height == 1 && w->stride_width == 1;
}

/* As the reference kernel does; nothing leaves 32 bits, or the op is not recognised. */
void eb_int8_fill_map(const LiteContext *context, const eb_op *op, int32_t channel, int8_t map[256]) {
  const eb_w1a8 *layer = &op->as.w1a8.op;
  const eb_int8_weights weights = weights_as_stored(context, op);
  const eb_w1a8_fixed f = eb_w1a8_fix_point(factor_of(context, op, channel));
  const int32_t bias = weights.bias == NULL ? 0 : weights.bias[channel];
  for (int32_t i = 0; i < 256; i++) {
    const int32_t sum = weights.data[channel] * (i - 128 - layer->input_zero_point) + bias;
    const int32_t scaled = eb_requantize(sum, f.multiplier, f.left - f.right) + layer->output_zero_point;
    map[i] = (int8_t)eb_clamp(scaled, layer->output_min, layer->output_max);
  }
}

static const double MARGIN = 1.1; /* by which it must be faster */

bool eb_int8_pays(const eb_op *op) { return eb_w1a8_speedup(&op->as.w1a8.plan) > MARGIN; }
