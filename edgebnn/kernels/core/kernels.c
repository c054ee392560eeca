/* What kernels.h has besides the operations: the names of refusals, and TFLite's rules for output sizes and padding
 * (tensorflow/lite/kernels/padding.h). */
#include "kernels.h"

const char *eb_status_name(eb_status status) {
  switch (status) {
    case EB_OK: return "EB_OK";
    case EB_BAD_SIZE: return "EB_BAD_SIZE";
    case EB_BAD_STRIDE: return "EB_BAD_STRIDE";
    case EB_BAD_OPTION: return "EB_BAD_OPTION";
    case EB_BAD_GROUPS: return "EB_BAD_GROUPS";
    case EB_BAD_QUANTIZATION: return "EB_BAD_QUANTIZATION";
    case EB_EMPTY_OUTPUT: return "EB_EMPTY_OUTPUT";
    case EB_TOO_LARGE: return "EB_TOO_LARGE";
    case EB_UNSUPPORTED: return "EB_UNSUPPORTED";
    case EB_UNKNOWN_KERNEL: return "EB_UNKNOWN_KERNEL";
    case EB_CPU_LACKS_KERNEL: return "EB_CPU_LACKS_KERNEL";
    case EB_BAD_SCHEDULE: return "EB_BAD_SCHEDULE";
  }
  return "unknown status";
}

/* One axis. EB_OK, or why not. */
static eb_status resolve_axis(int32_t input, int32_t filter, int32_t stride, int32_t dilation, int32_t padding,
                              int32_t *output, int32_t *pad_before) {
  if (input < 1 || filter < 1) return EB_BAD_SIZE;
  if (stride < 1 || dilation < 1) return EB_BAD_STRIDE;
  const int64_t span = (int64_t)(filter - 1) * dilation + 1;
  if (span > INT32_MAX) return EB_TOO_LARGE;
  const int64_t covered = padding == EB_PADDING_SAME ? input : input - span + 1;
  if (covered < 1) return EB_EMPTY_OUTPUT;
  const int64_t size = (covered + stride - 1) / stride;
  const int64_t pad = (size - 1) * stride + span - input;
  *output = (int32_t)size;
  *pad_before = pad > 0 ? (int32_t)(pad / 2) : 0;
  return EB_OK;
}

eb_status eb_window_resolve(eb_window *w) {
  if (w->batches < 1) return EB_BAD_SIZE;
  if (w->padding != EB_PADDING_SAME && w->padding != EB_PADDING_VALID) return EB_BAD_OPTION;
  eb_status status = resolve_axis(w->input_height, w->filter_height, w->stride_height, w->dilation_height, w->padding,
                                  &w->output_height, &w->pad_top);
  if (status != EB_OK) return status;
  status = resolve_axis(w->input_width, w->filter_width, w->stride_width, w->dilation_width, w->padding,
                        &w->output_width, &w->pad_left);
  if (status != EB_OK) return status;
  /* Pixels are counted in int32, here and in the kernels. */
  const int64_t input_rows = (int64_t)w->batches * w->input_height;
  const int64_t output_rows = (int64_t)w->batches * w->output_height;
  if (input_rows > INT32_MAX / w->input_width || output_rows > INT32_MAX / w->output_width) return EB_TOO_LARGE;
  if ((int64_t)w->filter_height * w->filter_width > INT32_MAX) return EB_TOO_LARGE;
  return EB_OK;
}
