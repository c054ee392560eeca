/* CONV_2D of few input channels: a network's first layer, of int8 or float32, or of our custom op with 1-bit weights, which become
 * bytes; and 1x1 of int8, a shortcut around binary layers. PAD in front of it (op_few_pad.c), MAX_POOL_2D and steps behind it become a part of it (join.c). int8 outputs are those of TFLite's
 * reference kernels, bit for bit; float32 ones are added up in another way than theirs, and are left where that matters. What is not recognised is
 * left to the interpreter, without a word. */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "fusion.h"
#include "op_kinds.h"
#include "op_steps.h"
#include "system.h"
#include "w1a8_layer.h"

enum { INPUT, WEIGHTS, BIAS, MOST_INPUTS };
enum { W1A8_SCALE = 2, W1A8_MAGNITUDE, W1A8_BIAS };
enum { MOST_CHANNELS = 4, MOST_OF_1X1 = 1024, LARGEST_STRIDE = 1 << 15 };

static const LiteTensor *tensor_of(const LiteContext *context, const eb_op *op, int input) {
  return op->inputs[input] == LITE_OPTIONAL_TENSOR ? NULL : &context->tensors[op->inputs[input]];
}

/* ---- what it is made of -------------------------------------------------------------------------------------------- */

/* What a loader had to allocate; NULL where it did not. */
typedef struct {
  double *factor;
  int8_t *filter;
} owned_constants;

static int32_t inputs_of(const eb_conv2d_few *layer) {
  return layer->window.filter_height * layer->window.filter_width * layer->channels_in;
}

/* Per channel, or one for all. */
static float weight_scale(const LiteFloatArray *scale, int32_t c) { return scale->data[scale->size == 1 ? 0 : c]; }

/* Of the interpreter's op: weights as they stand in the file. False: no memory. */
static bool load_conv2d(const LiteContext *context, const eb_op *op, eb_conv2d_few_constants *constants,
                        owned_constants *owned) {
  const LiteTensor *weights = tensor_of(context, op, WEIGHTS), *bias = tensor_of(context, op, BIAS);
  const LiteAffineQuantization *q = weights->quantization.params;
  const int32_t channels = op->as.conv_few.op.channels_out;
  *constants = (eb_conv2d_few_constants){weights->data, bias == NULL ? NULL : bias->data, NULL};
  if (op->as.conv_few.op.type == EB_FLOAT32) return true;
  owned->factor = malloc((size_t)channels * sizeof *owned->factor);
  if (owned->factor == NULL) return false;
  for (int32_t c = 0; c < channels; c++)
    owned->factor[c] = eb_w1a8_factor(context, op, weight_scale(q->scale, c), op->as.conv_few.output_scale);
  constants->factor = owned->factor;
  return true;
}

/* Of our own: a word of signs for each tap becomes bytes of plus and minus the channel's magnitude. */
static bool load_w1a8(const LiteContext *context, const eb_op *op, eb_conv2d_few_constants *constants,
                      owned_constants *owned) {
  const eb_conv2d_few *layer = &op->as.conv_few.op;
  const int32_t channels = layer->channels_out, inputs = inputs_of(layer), depth = layer->channels_in;
  const LiteTensor *bias = tensor_of(context, op, W1A8_BIAS);
  const float *scale = tensor_of(context, op, W1A8_SCALE)->data;
  const int8_t *magnitude = tensor_of(context, op, W1A8_MAGNITUDE)->data;
  const uint32_t *signs = tensor_of(context, op, WEIGHTS)->data;
  owned->factor = malloc((size_t)channels * sizeof *owned->factor);
  owned->filter = malloc((size_t)channels * (size_t)inputs);
  if (owned->factor == NULL || owned->filter == NULL) return false;
  for (int32_t c = 0; c < channels; c++) {
    owned->factor[c] = eb_w1a8_factor(context, op, scale[c], op->as.conv_few.output_scale);
    int8_t *filter = owned->filter + (size_t)c * (size_t)inputs;
    for (int32_t i = 0; i < inputs; i++) {
      const bool minus = signs[(size_t)c * (size_t)(inputs / depth) + (size_t)(i / depth)] >> i % depth & 1;
      filter[i] = (int8_t)(minus ? -magnitude[c] : magnitude[c]);
    }
  }
  *constants = (eb_conv2d_few_constants){owned->filter, bias == NULL ? NULL : bias->data, owned->factor};
  return true;
}

static bool load(const LiteContext *context, const eb_op *op, eb_conv2d_few_constants *constants,
                 owned_constants *owned) {
  *owned = (owned_constants){0};
  return op->as.conv_few.is_w1a8 ? load_w1a8(context, op, constants, owned) : load_conv2d(context, op, constants, owned);
}

static void free_owned(owned_constants *owned) {
  free(owned->factor);
  free(owned->filter);
}

/* ---- as the delegate runs it --------------------------------------------------------------------------------------- */

static eb_status make_plan(const eb_delegate *delegate, const eb_conv2d_few *layer, eb_conv2d_few_plan *plan) {
  const uint32_t features = eb_cpu_features();
  return eb_conv2d_few_plan_make(layer, eb_conv2d_few_kernel_named(delegate->kernel, features), features, plan);
}

static bool pack(eb_delegate *delegate, const LiteContext *context, eb_op *op, const eb_conv2d_few_plan *plan) {
  eb_op_conv_few *layer = &op->as.conv_few;
  if (layer->persistent != NULL && layer->plan.kernel == plan->kernel) return true;
  eb_free(layer->persistent);
  layer->persistent = NULL; /* until there are weights in it */
  void *persistent = eb_allocate(plan->persistent_bytes);
  if (persistent == NULL)
    return eb_refuse_op(delegate, op, "no memory for its weights (%zu bytes)", plan->persistent_bytes);
  eb_conv2d_few_constants constants = {0};
  owned_constants owned;
  const bool packed = load(context, op, &constants, &owned)
                          ? eb_refuse_status(delegate, op, eb_conv2d_few_prepare(plan, &constants, persistent))
                          : eb_refuse_op(delegate, op, "no memory for its weights");
  free_owned(&owned);
  if (packed) {
    layer->persistent = persistent;
  } else {
    eb_free(persistent);
  }
  return packed;
}

/* Takes the image from the input's present shape. */
static bool set_image(const LiteContext *context, eb_op *op) {
  const LiteIntArray *dims = tensor_of(context, op, INPUT)->dims;
  eb_conv2d_few *layer = &op->as.conv_few.op;
  if (dims->size != 4 || dims->data[3] != layer->channels_in) return false;
  layer->window.batches = dims->data[0];
  layer->window.input_height = dims->data[1];
  layer->window.input_width = dims->data[2];
  return true;
}

static bool prepare(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  eb_op_conv_few *layer = &op->as.conv_few;
  eb_conv2d_few_plan plan;
  if (!set_image(context, op))
    return eb_refuse_op(delegate, op, "input '%s' does not fit a layer of %d input channels",
                        eb_tensor_name(tensor_of(context, op, INPUT)), layer->op.channels_in);
  if (!eb_refuse_status(delegate, op, make_plan(delegate, &layer->op, &plan))) return false;
  if (!pack(delegate, context, op, &plan)) return false;
  layer->plan = plan;
  op->units.count = plan.tiles;
  op->units.grain = plan.least_tiles;
  op->scratch_bytes = plan.scratch_bytes;
  const eb_window *w = &plan.pool;
  const int channels = layer->op.channels_out, last = layer->op.output_type == EB_PACKED ? eb_packed_words(channels) : channels;
  memcpy(output_shape, (const int[]){w->batches, w->output_height, w->output_width, last}, 4 * sizeof *output_shape);
  return eb_steps_settle(delegate, context, op, output_shape, 4);
}

/* On the rows of output that are there, in place. */
static void run_steps(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  const eb_op_conv_few *layer = &op->as.conv_few;
  const int64_t width = layer->plan.pool.output_width;
  const eb_rows rows = {.type = layer->op.output_type, .rows = layer->plan.tiles * width, .channels = layer->op.channels_out};
  const eb_output_steps steps = eb_steps_bind(op, memory, 0);
  op->rows_kernel->steps(&rows, &steps, memory->output, (size_t)rows.channels, memory->output, begin * width, end * width);
}

static void run(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  const eb_op_conv_few *layer = &op->as.conv_few;
  (memory->resumes ? eb_conv2d_few_resume : eb_conv2d_few_run)(&layer->plan, layer->persistent, memory->read[0], memory->output,
                                                               (int32_t)begin, (int32_t)end, memory->scratch);
  if (op->step_count > 0) run_steps(op, memory, begin, end);
}

static void release(eb_op *op) { eb_free(op->as.conv_few.persistent); }

static const eb_op_kind kind_conv2d = {.custom_code = "CONV_2D", .prepare = prepare, .run = run, .release = release};
static const eb_op_kind kind_w1a8 = {
    .custom_code = "EdgebnnConv2dW1A8", .prepare = prepare, .run = run, .release = release};

/* Of 1x1 and more channels: a shortcut between ours. */
static const eb_op_kind kind_1x1 = {.custom_code = "CONV_2D", .prepare = prepare, .run = run, .release = release};

bool eb_op_is_conv_few(const eb_op *op) { return op->kind == &kind_conv2d || op->kind == &kind_w1a8; }

const char *eb_conv_few_kernel_of(const eb_op *op) {
  const bool plans = op->kind != NULL && op->kind->run == run;
  return plans && op->as.conv_few.plan.kernel != NULL ? op->as.conv_few.plan.kernel->name : NULL;
}

/* ---- recognising --------------------------------------------------------------------------------------------------- */

/* A constant of the file. */
static bool is_constant(const LiteTensor *tensor, int type, int rank) {
  size_t bytes = type == LITE_INT8 ? sizeof(int8_t) : sizeof(int32_t);
  for (int i = 0; i < tensor->dims->size; i++) bytes *= (size_t)tensor->dims->data[i];
  return tensor->type == type && tensor->allocation_type == LITE_MMAP_RO && tensor->data != NULL &&
         tensor->sparsity == NULL && tensor->dims->size == rank && tensor->bytes == bytes;
}

/* Symmetric, per channel or for all. */
static bool weights_are_quantized(const LiteTensor *weights, int32_t channels_out) {
  if (weights->quantization.type != LITE_AFFINE_QUANTIZATION) return false;
  const LiteAffineQuantization *q = weights->quantization.params;
  if (q->scale == NULL || q->zero_point == NULL) return false;
  if (q->scale->size != 1 && q->scale->size != channels_out) return false;
  for (int i = 0; i < q->zero_point->size; i++) {
    if (q->zero_point->data[i] != 0) return false;
  }
  for (int i = 0; i < q->scale->size; i++) {
    if (!(q->scale->data[i] > 0.0f)) return false;
  }
  return true;
}

static bool is_step(int value) { return value >= 1 && value <= LARGEST_STRIDE; }

static bool is_padding(int padding) { return padding == LITE_PADDING_SAME || padding == LITE_PADDING_VALID; }

static int32_t padding_of(int padding) { return padding == LITE_PADDING_SAME ? EB_PADDING_SAME : EB_PADDING_VALID; }

/* The window as the interpreter's params have it; values that no model has mean another layout of them. */
static bool set_window(const LiteConvParams *params, const int *filter, eb_window *window) {
  if (!is_step(params->stride_height) || !is_step(params->stride_width)) return false;
  if (!is_step(params->dilation_height) || !is_step(params->dilation_width) || !is_padding(params->padding)) return false;
  *window = (eb_window){.filter_height = filter[1],
                        .filter_width = filter[2],
                        .stride_height = params->stride_height,
                        .stride_width = params->stride_width,
                        .dilation_height = params->dilation_height,
                        .dilation_width = params->dilation_width,
                        .padding = padding_of(params->padding)};
  return true;
}

/* Weights and bias are those of a layer of this type. */
static bool has_constants(const LiteContext *context, const eb_op *op, int type, int bias_type) {
  const LiteTensor *bias = tensor_of(context, op, BIAS);
  if (!is_constant(tensor_of(context, op, WEIGHTS), type, 4)) return false;
  return bias == NULL || (is_constant(bias, bias_type, 1) && bias->dims->data[0] == op->as.conv_few.op.channels_out);
}

static bool is_float_layer(const LiteContext *context, int activation, eb_op *op) {
  static const float lowest[] = {-FLT_MAX, 0.0f, -1.0f, 0.0f}, highest[] = {FLT_MAX, FLT_MAX, 1.0f, 6.0f};
  eb_conv2d_few *layer = &op->as.conv_few.op;
  if (context->tensors[op->output].type != LITE_FLOAT32 || !has_constants(context, op, LITE_FLOAT32, LITE_FLOAT32)) return false;
  if (activation < EB_ACT_NONE || activation > EB_ACT_RELU6) return false;
  layer->type = layer->input_type = layer->output_type = EB_FLOAT32;
  layer->float_min = lowest[activation];
  layer->float_max = highest[activation];
  return true;
}

static bool is_int8_layer(const LiteContext *context, int activation, eb_op *op) {
  eb_conv2d_few *layer = &op->as.conv_few.op;
  eb_w1a8 ends;
  if (!eb_w1a8_is_quantized(tensor_of(context, op, INPUT)) || !eb_w1a8_is_quantized(&context->tensors[op->output]))
    return false;
  if (!has_constants(context, op, LITE_INT8, LITE_INT32)) return false;
  if (!weights_are_quantized(tensor_of(context, op, WEIGHTS), layer->channels_out)) return false;
  if (!eb_w1a8_set_ends(&ends, tensor_of(context, op, INPUT), &context->tensors[op->output], activation)) return false;
  layer->type = layer->input_type = layer->output_type = EB_INT8;
  layer->input_zero_point = ends.input_zero_point;
  layer->output_zero_point = ends.output_zero_point;
  layer->output_min = ends.output_min;
  layer->output_max = ends.output_max;
  op->as.conv_few.output_scale = context->tensors[op->output].params.scale;
  return true;
}

/* Whether the kernels take it with these constants, for an output of the shape in the file, and are fast. */
static bool is_taken(const eb_delegate *delegate, const LiteContext *context, eb_op *op) {
  const LiteIntArray *dims = context->tensors[op->output].dims;
  eb_conv2d_few_plan plan;
  if (!set_image(context, op) || make_plan(delegate, &op->as.conv_few.op, &plan) != EB_OK) return false;
  const eb_window *w = &plan.op.window;
  if (dims->size != 4 || dims->data[1] != w->output_height || dims->data[2] != w->output_width) return false;
  if (dims->data[3] != plan.op.channels_out) return false; /* then something was not read rightly */
  const bool must_pay = delegate->few_channels == EB_FEW_WHERE_IT_PAYS || op->kind == &kind_1x1;
  if (must_pay && !eb_conv_few_pays(&plan)) return false;
  eb_conv2d_few_constants constants = {0};
  owned_constants owned;
  const bool fits =
      load(context, op, &constants, &owned) && eb_conv2d_few_fits(&op->as.conv_few.op, &constants) == EB_OK;
  free_owned(&owned);
  return fits;
}

/* A CONV_2D with so many input channels. */
static bool recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, const eb_op_kind *kind,
                      int index, int least_channels, int most_channels, eb_op *op) {
  const LiteConvParams *params = node->builtin_data;
  const int inputs = node->inputs->size;
  *op = eb_op_new(kind, index);
  if (delegate->few_channels == EB_FEW_NONE || params == NULL) return false;
  if (node->outputs->size != 1 || inputs < BIAS || inputs > MOST_INPUTS) return false;
  op->inputs[BIAS] = LITE_OPTIONAL_TENSOR;
  for (int k = 0; k < inputs; k++) op->inputs[k] = node->inputs->data[k];
  op->output = node->outputs->data[0];
  if (op->inputs[INPUT] < 0 || op->inputs[WEIGHTS] < 0 || op->output < 0) return false;
  eb_op_reads(op, op->inputs[INPUT]);
  op->name = eb_tensor_name(&context->tensors[op->output]);
  const LiteIntArray *input = tensor_of(context, op, INPUT)->dims, *filter = tensor_of(context, op, WEIGHTS)->dims;
  if (input->size != 4 || filter->size != 4 || filter->data[3] != input->data[3]) return false;
  if (input->data[3] < least_channels || input->data[3] > most_channels) return false;
  eb_conv2d_few *layer = &op->as.conv_few.op;
  layer->channels_in = input->data[3];
  layer->channels_out = filter->data[0];
  const bool is_float = tensor_of(context, op, INPUT)->type == LITE_FLOAT32;
  if (!set_window(params, filter->data, &layer->window) || (is_float && delegate->exact)) return false;
  return (is_float ? is_float_layer(context, params->activation, op) : is_int8_layer(context, params->activation, op)) &&
         is_taken(delegate, context, op);
}

bool eb_conv_few_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                           eb_op *op) {
  return recognize(delegate, context, node, &kind_conv2d, index, 1, MOST_CHANNELS, op);
}

bool eb_conv_1x1_recognize(const eb_delegate *delegate, const LiteContext *context, const LiteNode *node, int index,
                           eb_op *op) {
  if (!recognize(delegate, context, node, &kind_1x1, index, MOST_CHANNELS + 1, MOST_OF_1X1, op)) return false;
  const eb_window *w = &op->as.conv_few.op.window;
  return op->as.conv_few.op.type == EB_INT8 && w->filter_height == 1 && w->filter_width == 1;
}

void eb_conv_few_take_w1a8(const eb_delegate *delegate, const LiteContext *context, eb_op *op) {
  const eb_w1a8 *layer = &op->as.w1a8.op;
  if (delegate->few_channels == EB_FEW_NONE || eb_schedule_of(delegate, op->node) != NULL) return;
  if (layer->channels_in > MOST_CHANNELS || layer->groups != 1 || layer->depthwise) return;
  eb_op taken = *op;
  taken.kind = &kind_w1a8;
  taken.as.conv_few = (eb_op_conv_few){.is_w1a8 = true,
                                       .output_scale = context->tensors[op->output].params.scale,
                                       .op = {.window = layer->window,
                                              .channels_in = layer->channels_in,
                                              .channels_out = layer->channels_out,
                                              .type = EB_INT8,
                                              .input_type = EB_INT8,
                                              .output_type = EB_INT8,
                                              .input_zero_point = layer->input_zero_point,
                                              .output_zero_point = layer->output_zero_point,
                                              .output_min = layer->output_min,
                                              .output_max = layer->output_max}};
  if (is_taken(delegate, context, &taken)) *op = taken;
}

/* ---- PAD in front of it -------------------------------------------------------------------------------------------- */

bool eb_conv_few_takes_border(const eb_op *convolution, const eb_border *border) {
  const eb_window *w = &convolution->as.conv_few.op.window;
  return w->padding == EB_PADDING_VALID && border->top < w->filter_height && border->bottom < w->filter_height &&
         border->left < w->filter_width && border->right < w->filter_width;
}

void eb_conv_few_take_border(eb_op *convolution, const eb_op *pad) {
  convolution->as.conv_few.op.border = pad->as.few_pad.border;
  convolution->reads[0] = pad->reads[0];
  convolution->inputs[INPUT] = pad->reads[0].tensor;
  convolution->joined[convolution->joined_count++] = pad->node;
}

/* ---- MAX_POOL_2D behind it ----------------------------------------------------------------------------------------- */

const eb_op_kind eb_kind_few_pool = {.custom_code = "MAX_POOL_2D"}; /* never runs by itself */

bool eb_few_pool_recognize(const LiteContext *context, const LiteNode *node, int index, eb_op *op) {
  const LitePoolParams *params = node->builtin_data;
  *op = eb_op_new(&eb_kind_few_pool, index);
  if (params == NULL || node->inputs->size != 1 || node->outputs->size != 1) return false;
  op->inputs[INPUT] = node->inputs->data[0];
  op->output = node->outputs->data[0];
  if (op->inputs[INPUT] < 0 || op->output < 0) return false;
  eb_op_reads(op, op->inputs[INPUT]);
  op->name = eb_tensor_name(&context->tensors[op->output]);
  if (params->activation != EB_ACT_NONE || !is_padding(params->padding)) return false;
  if (!is_step(params->stride_height) || !is_step(params->stride_width)) return false;
  if (!is_step(params->filter_height) || !is_step(params->filter_width)) return false;
  eb_conv2d_few *layer = &op->as.conv_few.op;
  layer->pools = 1;
  layer->pool_height = params->filter_height;
  layer->pool_width = params->filter_width;
  layer->pool_stride_height = params->stride_height;
  layer->pool_stride_width = params->stride_width;
  layer->pool_padding = padding_of(params->padding);
  return context->tensors[op->output].type == context->tensors[op->inputs[INPUT]].type;
}

bool eb_few_pool_of(const eb_op *op, eb_conv2d_few *pool) {
  const eb_pool2d *standing = &op->as.pool;
  if (op->kind == &eb_kind_few_pool) {
    *pool = op->as.conv_few.op;
    return true;
  }
  if (!eb_op_is_pool2d(op) || standing->averages) return false;
  if (standing->low > -FLT_MAX || standing->high < FLT_MAX) return false;
  *pool = (eb_conv2d_few){.pools = 1,
                          .pool_height = standing->window.filter_height,
                          .pool_width = standing->window.filter_width,
                          .pool_stride_height = standing->window.stride_height,
                          .pool_stride_width = standing->window.stride_width,
                          .pool_padding = standing->window.padding};
  return true;
}

/* Of the op that reads it. */
static void put_in_place(eb_op *convolution, eb_op *reader) {
  convolution->output = reader->output;
  convolution->leaves = reader->leaves;
  convolution->root = reader->root;
  *reader = *convolution;
}

void eb_few_pool_join(const eb_op *convolution, const eb_conv2d_few *window, eb_op *pool) {
  eb_op joined = *convolution;
  eb_conv2d_few *layer = &joined.as.conv_few.op;
  layer->pools = 1;
  layer->pool_height = window->pool_height;
  layer->pool_width = window->pool_width;
  layer->pool_stride_height = window->pool_stride_height;
  layer->pool_stride_width = window->pool_stride_width;
  layer->pool_padding = window->pool_padding;
  eb_take_steps(&joined, pool);
  put_in_place(&joined, pool);
}

/* ---- LceQuantize behind it ----------------------------------------------------------------------------------------- */

bool eb_conv_few_gives_signs(const eb_op *convolution, const LiteTensor *output) {
  const eb_conv2d_few *layer = &convolution->as.conv_few.op;
  if (convolution->step_count > 0) return false;
  if (layer->output_type == EB_FLOAT32) return output->type == LITE_FLOAT32;
  return layer->output_type == EB_INT8 && output->type == LITE_INT8 && output->params.zero_point == layer->output_zero_point;
}

void eb_conv_few_take_signs(const eb_op *convolution, eb_op *quantize) {
  eb_op joined = *convolution;
  joined.as.conv_few.op.output_type = EB_PACKED;
  joined.joined[joined.joined_count++] = quantize->node;
  put_in_place(&joined, quantize);
}
