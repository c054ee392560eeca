/* CONCATENATION along the channels, of float32 or int8, and PAD of the channels with zeros, alone or added to a tensor, of
 * float32. Most of what they would copy lies in its place already (views.c), or is not copied for signs (fold_int8.c). */
#include <string.h>

#include "op_kinds.h"
#include "w1a8_layer.h"

static bool is_of(const LiteTensor *tensor, int type, int rank) {
  return tensor->type == type && tensor->allocation_type != LITE_MMAP_RO && tensor->dims->size == rank &&
         rank >= 1 && rank <= EB_MAX_RANK;
}

static bool is_floats(const LiteTensor *tensor, int rank) { return is_of(tensor, LITE_FLOAT32, rank); }

static int last_of(const LiteTensor *tensor) { return tensor->dims->data[tensor->dims->size - 1]; }

bool eb_has_rows_of(const LiteTensor *a, const LiteTensor *b) {
  if (a->dims->size != b->dims->size) return false;
  for (int i = 0; i + 1 < a->dims->size; i++) {
    if (a->dims->data[i] != b->dims->data[i]) return false;
  }
  return true;
}

/* ---- CONCATENATION ---------------------------------------------------------------------------------------------------- */

/* Whether values are only moved. */
static bool has_values_of(const LiteTensor *a, const LiteTensor *b) {
  return a->type != LITE_INT8 || (eb_w1a8_is_quantized(a) && eb_w1a8_is_quantized(b) && a->params.scale == b->params.scale &&
                                  a->params.zero_point == b->params.zero_point);
}

bool eb_concat_is_int8(const eb_op *op) {
  return op->kind == &eb_kind_concatenation && op->as.concat.type == LITE_INT8;
}

bool eb_concat_recognize(const LiteContext *context, const LiteNode *node, int index, eb_op *op) {
  const LiteConcatenationParams *params = node->builtin_data;
  if (params == NULL || params->activation != EB_ACT_NONE || node->outputs->size != 1) return false;
  if (node->inputs->size < 2 || node->inputs->size > EB_MOST_READ || node->outputs->data[0] < 0) return false;
  *op = eb_op_new(&eb_kind_concatenation, index);
  op->output = node->outputs->data[0];
  const LiteTensor *output = &context->tensors[op->output];
  const int rank = output->dims->size;
  const int type = output->type == LITE_INT8 ? LITE_INT8 : LITE_FLOAT32;
  op->as.concat.type = type;
  if (!is_of(output, type, rank) || (params->axis != -1 && params->axis != rank - 1)) return false;
  op->name = eb_tensor_name(output);
  int channels = 0;
  for (int i = 0; i < node->inputs->size; i++) {
    const int part = node->inputs->data[i];
    if (part < 0 || !is_of(&context->tensors[part], type, rank)) return false;
    if (!eb_has_rows_of(&context->tensors[part], output) || !has_values_of(&context->tensors[part], output)) return false;
    op->reads[op->read_count++] = (eb_read){.tensor = part, .op = EB_OUTSIDE};
    op->as.concat.channels[i] = last_of(&context->tensors[part]);
    channels += op->as.concat.channels[i];
  }
  return channels == last_of(output);
}

static bool prepare_concat(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *first = &context->tensors[op->reads[0].tensor];
  for (int i = 0; i < op->read_count; i++) {
    const LiteTensor *part = &context->tensors[op->reads[i].tensor];
    if (!eb_has_rows_of(part, first) || last_of(part) != op->as.concat.channels[i])
      return eb_refuse_op(delegate, op, "input '%s' does not fit the others any longer", eb_tensor_name(part));
  }
  return eb_rows_settle(delegate, op, first, last_of(&context->tensors[op->output]), output_shape, &op->as.concat.rows);
}

/* Rows of so many bytes. */
static void copy_rows(const char *from, size_t from_stride, size_t bytes, char *to, size_t to_stride, int64_t begin,
                      int64_t end) {
  for (int64_t row = begin; row < end; row++) memcpy(to + (size_t)row * to_stride, from + (size_t)row * from_stride, bytes);
}

static void run_concat(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  const size_t element = op->as.concat.type == LITE_INT8 ? sizeof(int8_t) : sizeof(float);
  char *to = memory->output;
  for (int i = 0; i < op->read_count; i++) {
    const size_t bytes = (size_t)op->as.concat.channels[i] * element;
    if (memory->read[i] != to) /* it was not written there */
      copy_rows(memory->read[i], memory->stride[i] * element, bytes, to, memory->output_stride * element, begin, end);
    to += bytes;
  }
}

const eb_op_kind eb_kind_concatenation = {
    .custom_code = "CONCATENATION", .prepare = prepare_concat, .run = run_concat, .strided = true};

/* ---- PAD -------------------------------------------------------------------------------------------------------------- */

bool eb_pad_recognize(const LiteContext *context, const LiteNode *node, int index, eb_op *op) {
  if (node->inputs->size != 2 || node->outputs->size != 1) return false;
  const int x = node->inputs->data[0], sizes = node->inputs->data[1], y = node->outputs->data[0];
  if (x < 0 || sizes < 0 || y < 0) return false;
  const LiteTensor *input = &context->tensors[x], *paddings = &context->tensors[sizes], *output = &context->tensors[y];
  const int rank = input->dims->size;
  if (!is_floats(input, rank) || !is_floats(output, rank) || !eb_has_rows_of(input, output)) return false;
  if (paddings->type != LITE_INT32 || paddings->allocation_type != LITE_MMAP_RO || paddings->data == NULL ||
      paddings->sparsity != NULL || paddings->bytes != 2 * (size_t)rank * sizeof(int32_t))
    return false;
  const int32_t *by = paddings->data;
  for (int i = 0; i < 2 * rank; i++) {
    if (by[i] < 0 || (i < 2 * rank - 2 && by[i] != 0)) return false;
  }
  *op = eb_op_new(&eb_kind_pad, index);
  eb_op_reads(op, x);
  op->output = y;
  op->name = eb_tensor_name(output);
  op->as.pad = (eb_op_pad){.before = by[2 * rank - 2], .after = by[2 * rank - 1]};
  return op->as.pad.before + last_of(input) + op->as.pad.after == last_of(output);
}

static bool prepare_pad(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *input = &context->tensors[op->reads[0].tensor];
  const int channels = op->as.pad.before + last_of(input) + op->as.pad.after;
  return eb_rows_settle(delegate, op, input, channels, output_shape, &op->as.pad.rows);
}

static void run_pad(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  const eb_op_pad *pad = &op->as.pad;
  const size_t inner = (size_t)(pad->rows.channels - pad->before - pad->after);
  for (int64_t row = begin; row < end; row++) {
    float *to = (float *)memory->output + (size_t)row * memory->output_stride;
    memset(to, 0, (size_t)pad->rows.channels * sizeof(float));
    memcpy(to + pad->before, (const float *)memory->read[0] + (size_t)row * memory->stride[0], inner * sizeof(float));
  }
}

const eb_op_kind eb_kind_pad = {.custom_code = "PAD", .prepare = prepare_pad, .run = run_pad, .strided = true};

/* ---- a tensor plus a padded one: reads[0] with reads[1] added to some of its channels. To the others PAD and ADD add 0,
 * which changes nothing but the sign of -0. ---- */

static bool prepare_add_padded(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *whole = &context->tensors[op->reads[0].tensor], *part = &context->tensors[op->reads[1].tensor];
  if (!eb_has_rows_of(whole, part) || op->as.pad.before + last_of(part) + op->as.pad.after != last_of(whole))
    return eb_refuse_op(delegate, op, "inputs '%s' and '%s' do not fit any longer", eb_tensor_name(whole),
                        eb_tensor_name(part));
  return eb_rows_settle(delegate, op, whole, last_of(whole), output_shape, &op->as.pad.rows);
}

static void run_add_padded(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  const eb_op_pad *pad = &op->as.pad;
  const int channels = pad->rows.channels, inner = channels - pad->before - pad->after;
  float *output = memory->output;
  if (memory->read[0] != output)
    copy_rows(memory->read[0], memory->stride[0] * sizeof(float), (size_t)channels * sizeof(float), memory->output,
              memory->output_stride * sizeof(float), begin, end);
  if (memory->read[1] == output + pad->before) return; /* the sum was written there */
  for (int64_t row = begin; row < end; row++) {
    float *restrict to = output + (size_t)row * memory->output_stride + pad->before;
    const float *restrict from = (const float *)memory->read[1] + (size_t)row * memory->stride[1];
    for (int c = 0; c < inner; c++) to[c] += from[c];
  }
}

const eb_op_kind eb_kind_add_padded = {
    .custom_code = "ADD", .prepare = prepare_add_padded, .run = run_add_padded, .strided = true};
