/* PAD of an image's height and width with zeros, in front of convolutions of few channels, of which it becomes the border: AlexNet's
 * and Keras' own ResNets begin so. Where its output is needed by others too it runs, row by row. */
#include <string.h>

#include "op_kinds.h"
#include "w1a8_layer.h"

enum { BATCH, HEIGHT, WIDTH, CHANNELS, RANK, LARGEST = 1 << 15 };

/* int8 of one scale and zero point, or float32. */
static bool are_alike(const LiteTensor *input, const LiteTensor *output) {
  if (input->dims->size != RANK || output->dims->size != RANK || input->allocation_type == LITE_MMAP_RO) return false;
  if (input->type == LITE_FLOAT32) return output->type == LITE_FLOAT32;
  return eb_w1a8_is_quantized(input) && eb_w1a8_is_quantized(output) && input->params.scale == output->params.scale &&
         input->params.zero_point == output->params.zero_point;
}

/* [RANK][2]: how many before and after; of height and width alone. */
static bool read_sizes(const LiteTensor *sizes, eb_border *border) {
  if (sizes->type != LITE_INT32 || sizes->allocation_type != LITE_MMAP_RO || sizes->data == NULL) return false;
  if (sizes->sparsity != NULL || sizes->bytes != 2 * RANK * sizeof(int32_t)) return false;
  const int32_t *by = sizes->data;
  for (int i = 0; i < 2 * RANK; i++) {
    const bool is_side = i / 2 == HEIGHT || i / 2 == WIDTH;
    if (by[i] < 0 || by[i] > (is_side ? LARGEST : 0)) return false;
  }
  *border = (eb_border){by[2 * HEIGHT], by[2 * HEIGHT + 1], by[2 * WIDTH], by[2 * WIDTH + 1]};
  return true;
}

static int padded_height(const eb_border *border, const LiteIntArray *dims) {
  return border->top + dims->data[HEIGHT] + border->bottom;
}

static int padded_width(const eb_border *border, const LiteIntArray *dims) {
  return border->left + dims->data[WIDTH] + border->right;
}

bool eb_few_pad_recognize(const LiteContext *context, const LiteNode *node, int index, eb_op *op) {
  if (node->inputs->size != 2 || node->outputs->size != 1) return false;
  const int x = node->inputs->data[0], sizes = node->inputs->data[1], y = node->outputs->data[0];
  if (x < 0 || sizes < 0 || y < 0) return false;
  const LiteTensor *input = &context->tensors[x], *output = &context->tensors[y];
  *op = eb_op_new(&eb_kind_few_pad, index);
  eb_op_reads(op, x);
  op->output = y;
  op->name = eb_tensor_name(output);
  eb_border *border = &op->as.few_pad.border;
  if (!are_alike(input, output) || !read_sizes(&context->tensors[sizes], border)) return false;
  const int *shape = output->dims->data;
  return shape[HEIGHT] == padded_height(border, input->dims) && shape[WIDTH] == padded_width(border, input->dims);
}

static bool prepare(eb_delegate *delegate, const LiteContext *context, eb_op *op, int *output_shape) {
  const LiteTensor *input = &context->tensors[op->reads[0].tensor];
  eb_op_few_pad *pad = &op->as.few_pad;
  const int *shape = input->dims->data;
  if (input->dims->size != RANK || shape[BATCH] < 1 || shape[HEIGHT] < 1 || shape[WIDTH] < 1 || shape[CHANNELS] < 1)
    return eb_refuse_op(delegate, op, "input '%s' is no batch of images", eb_tensor_name(input));
  const bool is_float = input->type == LITE_FLOAT32;
  pad->pixel_bytes = (size_t)shape[CHANNELS] * (is_float ? sizeof(float) : 1);
  pad->zero = is_float ? 0 : input->params.zero_point;
  pad->input_height = shape[HEIGHT];
  pad->input_width = shape[WIDTH];
  pad->output_height = padded_height(&pad->border, input->dims);
  pad->output_width = padded_width(&pad->border, input->dims);
  op->units.count = (int64_t)shape[BATCH] * pad->output_height;
  memcpy(output_shape, (const int[]){shape[BATCH], pad->output_height, pad->output_width, shape[CHANNELS]},
         RANK * sizeof *output_shape);
  return true;
}

static void run(const eb_op *op, const eb_op_memory *memory, int64_t begin, int64_t end) {
  const eb_op_few_pad *pad = &op->as.few_pad;
  const size_t left = (size_t)pad->border.left * pad->pixel_bytes, right = (size_t)pad->border.right * pad->pixel_bytes;
  const size_t inner = (size_t)pad->input_width * pad->pixel_bytes;
  for (int64_t row = begin; row < end; row++) {
    char *to = (char *)memory->output + (size_t)row * (left + inner + right);
    const int64_t y = row % pad->output_height - pad->border.top;
    if (y < 0 || y >= pad->input_height) {
      memset(to, pad->zero, left + inner + right);
      continue;
    }
    const int64_t from = row / pad->output_height * pad->input_height + y;
    memset(to, pad->zero, left);
    memcpy(to + left, (const char *)memory->read[0] + (size_t)from * inner, inner);
    memset(to + left + inner, pad->zero, right);
  }
}

const eb_op_kind eb_kind_few_pad = {.custom_code = "PAD", .prepare = prepare, .run = run};
